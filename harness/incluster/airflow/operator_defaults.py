# mypy: disable-error-code="import-not-found"
"""What all of Kaapana's operators derive from their parameters, pods and Python operators alike (runtime 5.1, 2.4)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from harness.wire import names


@dataclasses.dataclass(frozen=True)
class Derived:
    """Results of :func:`derive`. ``operator_in_dir`` is ``None`` where the attribute must not exist."""

    task_id: str
    parallel_id: str | None
    operator_in_dir: str | None
    operator_out_dir: str
    batch_name: str
    airflow_workflow_dir: str
    manage_cache: str
    delete_output_on_start: bool
    pool: str
    pool_slots: int
    gpu_mem_mb: int | None


def derive(
    *,
    name: str,
    task_id: str | None,
    input_operator: Any,
    operator_in_dir: str | None,
    operator_out_dir: str | None,
    parallel_id: str | None,
    keep_parallel_id: bool,
    batch_name: str | None,
    airflow_workflow_dir: str | None,
    manage_cache: str | None,
    allow_federated_learning: bool,
    delete_output_on_start: bool,
    ram_mem_mb: int | None,
    gpu_mem_mb: int | None,
    gpu_support: bool,
    gpu_pool: bool,
    pool: str | None,
    pool_slots: int | None,
) -> Derived:
    """Names, folders and pool of a task.

    Args:
        gpu_support: whether the platform has GPUs; without, ``gpu_mem_mb`` counts as not given.
        gpu_pool: whether GPUs are given out by the pool ``NODE_GPU_COUNT``.

    Raises:
        NameError: both ``input_operator`` and ``operator_in_dir`` are given.
    """
    if input_operator is not None and operator_in_dir is not None:
        raise NameError("give either input_operator or operator_in_dir, not both")
    final = task_id or name
    if parallel_id is None and keep_parallel_id:
        parallel_id = getattr(input_operator, "parallel_id", None)
    if parallel_id is not None:
        final = f"{final}-{parallel_id.lower().replace(' ', '-')}"
    if input_operator is not None:
        operator_in_dir = input_operator.operator_out_dir
    gpu_mem_mb = gpu_mem_mb if gpu_support else None
    if pool is None:
        if gpu_mem_mb and gpu_pool:
            pool, pool_slots = "NODE_GPU_COUNT", 1
        else:
            pool, pool_slots = "NODE_RAM", ram_mem_mb or 1
    return Derived(
        task_id=final,
        parallel_id=parallel_id,
        operator_in_dir=operator_in_dir,
        operator_out_dir=operator_out_dir or final,
        batch_name=batch_name or names.BATCH_NAME,
        airflow_workflow_dir=airflow_workflow_dir or names.AIRFLOW_WORKFLOW_DIR,
        manage_cache=manage_cache or "ignore",
        delete_output_on_start=delete_output_on_start and not allow_federated_learning,
        pool=pool,
        pool_slots=pool_slots or 1,
        gpu_mem_mb=gpu_mem_mb,
    )


def assign(operator: Any, derived: Derived) -> None:
    """Put the results on an operator, under the names that DAG files and subclasses use."""
    for field in dataclasses.fields(derived):
        if field.name in ("task_id", "pool", "pool_slots"):
            continue  # Airflow's own
        value = getattr(derived, field.name)
        if field.name == "operator_in_dir" and value is None:
            continue
        setattr(operator, field.name, value)


@functools.cache
def job_scheduler_enabled() -> bool:
    """Return the Airflow Variable ``enable_job_scheduler``: with it GPUs are not given out by a pool (runtime 2.4).

    Asked once in a process: those that parse DAG files live for one file.
    """
    from airflow.models import Variable

    return str(Variable.get("enable_job_scheduler", default_var="true")).lower() == "true"


def executor_config(cpu_millicores: int | None, ram_mem_mb: int | None, gpu_mem_mb: int | None) -> dict[str, Any]:
    """Return what the scheduler hears of a task's needs (runtime 5)."""
    return {
        "cpu_millicores": cpu_millicores,
        "ram_mem_mb": ram_mem_mb,
        "gpu_mem_mb": gpu_mem_mb,
        "enable_job_scheduler": job_scheduler_enabled(),
    }


def refuse_fixed(operator: str, kwargs: Mapping[str, Any], name: str) -> None:
    """Refuse a keyword that the platform's class passes on itself and Airflow's class here need not get.

    Raises:
        TypeError: as Python writes it where a keyword is given twice.
    """
    if name in kwargs:
        raise TypeError(f"{operator}.__init__() got multiple values for keyword argument '{name}'")
