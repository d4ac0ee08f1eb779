"""``gpu_mem_mb`` on a platform with and without GPUs (runtime 2.4, 5, 6.2, 6.4; services 3.3)."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.models import DAG, Pool
from kaapana.operators import KaapanaBaseOperator

from harness.incluster.airflow import database, operatorpod

from .conftest import context_for


def pod_of(dag: DAG, **kwargs: Any) -> tuple[dict[str, str], str]:
    """The limits of the pod's container, and what it sees as its devices."""
    operator = KaapanaBaseOperator.KaapanaBaseOperator(dag=dag, name="train", image="x", **kwargs)
    manifest = operatorpod.OperatorPod(operator, context_for(operator)).manifest()
    (container,) = manifest["spec"]["containers"]
    (visible,) = [entry["value"] for entry in container["env"] if entry["name"] == "CUDA_VISIBLE_DEVICES"]
    return container["resources"]["limits"], visible


def test_without_gpu_support_the_container_falls_back_to_the_cpu(dag: DAG) -> None:
    limits, visible = pod_of(dag, gpu_mem_mb=6000)
    assert (limits["nvidia.com/gpu"], visible) == ("0", "")


def test_with_gpu_support_an_operator_that_asks_gets_a_device(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KaapanaBaseOperator, "GPU_SUPPORT", True)
    limits, visible = pod_of(dag, gpu_mem_mb=6000)
    assert (limits["nvidia.com/gpu"], visible) == ("1", "0")


def test_with_gpu_support_other_operators_see_no_device(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KaapanaBaseOperator, "GPU_SUPPORT", True)
    limits, visible = pod_of(dag)
    assert (limits["nvidia.com/gpu"], visible) == ("0", "")


def test_the_pool_of_devices_has_a_slot_only_with_gpu_support(monkeypatch: pytest.MonkeyPatch) -> None:
    database.ensure_pools()
    assert Pool.get_pool("NODE_GPU_COUNT").slots == 0
    monkeypatch.setenv("GPU_SUPPORT", "true")
    database.ensure_pools()
    assert Pool.get_pool("NODE_GPU_COUNT").slots == 1
    monkeypatch.setenv("GPU_SUPPORT", "false")
    Pool.create_or_update_pool("NODE_GPU_COUNT", slots=0, description="", include_deferred=False)
