"""Memory, CPU and GPU of a pod (runtime 6.4)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.incluster.airflow.resources import container_resources, pod_resources, render_memory


@pytest.mark.parametrize(
    ("mebibytes", "sent"),
    [
        (50, "55.0Mi"), (100, "110.0Mi"), (500, "550.0Mi"), (600, "660.0Mi"),
        (1000, "1.1Gi"), (1100, "1.2Gi"), (2000, "2.1Gi"), (3000, "3.2Gi"),
        (6000, "6.4Gi"), (10000, "10.7Gi"), (12000, "12.9Gi"), (25000, "26.9Gi"),
    ],
)  # fmt: skip
def test_memory_is_sent_as_0_6_0_renders_it(mebibytes: int, sent: str) -> None:
    assert render_memory(f"{mebibytes}Mi", 1.1) == sent


def test_without_a_factor_memory_is_sent_as_given() -> None:
    assert render_memory("3000Mi", 1.0) == "3000Mi"


def test_the_limit_is_a_hundred_more_than_the_request_unless_it_is_given() -> None:
    asked = pod_resources(ram_mem_mb=500, ram_mem_mb_lmt=None, cpu_millicores=None, gpu=False)
    built = container_resources(asked, 1.0)
    assert built["requests"] == {"memory": "500Mi"}
    assert built["limits"] == {"memory": "600Mi", "nvidia.com/gpu": "0"}


def test_a_cpu_request_gets_a_limit_of_a_hundred_more_and_a_gpu_is_one() -> None:
    asked = pod_resources(ram_mem_mb=1, ram_mem_mb_lmt=2, cpu_millicores=250, gpu=True)
    built = container_resources(asked, 1.0)
    assert built["requests"]["cpu"] == "250m"
    assert built["limits"] == {"memory": "2Mi", "cpu": "350m", "nvidia.com/gpu": "1"}


def test_resources_of_the_operator_are_taken_over_with_the_factor() -> None:
    given = SimpleNamespace(requests={"memory": "1000Mi"}, limits=SimpleNamespace(memory="2000Mi", cpu=None))
    assert container_resources(given, 1.1) == {"requests": {"memory": "1.1Gi"}, "limits": {"memory": "2.1Gi"}}
