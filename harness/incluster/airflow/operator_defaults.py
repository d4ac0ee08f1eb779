# mypy: disable-error-code="import-not-found"
"""Values that all of Kaapana's operators derive from their parameters (runtime 5.1, 2.4)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Final

from harness.wire import names

# parameters of every operator that are attributes as they were given
_KEPT: Final = (
    "name", "input_operator", "ram_mem_mb", "ram_mem_mb_lmt", "cpu_millicores", "cpu_millicores_lmt", "gpu_mem_mb_lmt",
    "allow_federated_learning", "whitelist_federated_learning", "delete_input_on_success", "priority_class_name",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class DerivedParameters:
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


def derive(given: Mapping[str, Any], *, gpu_support: bool = False, gpu_pool: bool = False) -> DerivedParameters:
    """Return names, folders and pool of a task.

    Args:
        given: the operator's parameters by name.
        gpu_support: whether the platform has GPUs; without, ``gpu_mem_mb`` counts as not given.
        gpu_pool: whether GPUs are given out by the pool ``NODE_GPU_COUNT``.

    Raises:
        NameError: both ``input_operator`` and ``operator_in_dir`` are given.
    """
    input_operator, operator_in_dir = given["input_operator"], given["operator_in_dir"]
    parallel_id, pool, pool_slots = given["parallel_id"], given["pool"], given["pool_slots"]
    if input_operator is not None and operator_in_dir is not None:
        raise NameError("give either input_operator or operator_in_dir, not both")
    final = given["task_id"] or given["name"]
    if parallel_id is None and given["keep_parallel_id"]:
        parallel_id = getattr(input_operator, "parallel_id", None)
    if parallel_id is not None:
        final = f"{final}-{parallel_id.lower().replace(' ', '-')}"
    if input_operator is not None:
        operator_in_dir = input_operator.operator_out_dir
    gpu_mem_mb = given["gpu_mem_mb"] if gpu_support else None
    if pool is None:
        if gpu_mem_mb and gpu_pool:
            pool, pool_slots = "NODE_GPU_COUNT", 1
        else:
            pool, pool_slots = "NODE_RAM", given["ram_mem_mb"] or 1
    return DerivedParameters(
        task_id=final,
        parallel_id=parallel_id,
        operator_in_dir=operator_in_dir,
        operator_out_dir=given["operator_out_dir"] or final,
        batch_name=given["batch_name"] or names.BATCH_NAME,
        airflow_workflow_dir=given["airflow_workflow_dir"] or names.AIRFLOW_WORKFLOW_DIR,
        manage_cache=given["manage_cache"] or "ignore",
        delete_output_on_start=given["delete_output_on_start"] and not given["allow_federated_learning"],
        pool=pool,
        pool_slots=pool_slots or 1,
        gpu_mem_mb=gpu_mem_mb,
    )


def airflow_keywords(given: Mapping[str, Any], derived: DerivedParameters) -> dict[str, Any]:
    """Return the arguments of Airflow's constructor among the parameters of every operator."""
    passed_on = ("dag", "trigger_rule", "retries", "retry_delay", "execution_timeout", "max_active_tis_per_dag")
    return {
        **{name: given[name] for name in passed_on},
        "task_id": derived.task_id,
        "pool": derived.pool,
        "pool_slots": derived.pool_slots,
    }


def assign(operator: Any, given: Mapping[str, Any], derived: DerivedParameters) -> None:
    """Put parameters and results on an operator, under the names that DAG files and subclasses use."""
    for name in _KEPT:
        setattr(operator, name, given[name])
    for field in dataclasses.fields(derived):
        if field.name in ("task_id", "pool", "pool_slots"):
            continue  # Airflow's own
        value = getattr(derived, field.name)
        if field.name == "operator_in_dir" and value is None:
            continue
        setattr(operator, field.name, value)


@functools.cache
def job_scheduler_enabled() -> bool:
    """Return whether the Airflow Variable ``enable_job_scheduler`` is set: then no pool gives out GPUs (runtime 2.4).

    Asked once in a process: those that parse DAG files live for one file.
    """
    from airflow.models import Variable

    return str(Variable.get("enable_job_scheduler", default_var="true")).lower() == "true"


def executor_config(cpu_millicores: int | None, ram_mem_mb: int | None, gpu_mem_mb: int | None) -> dict[str, Any]:
    """Return a task's resources for the scheduler (runtime 5)."""
    return {
        "cpu_millicores": cpu_millicores,
        "ram_mem_mb": ram_mem_mb,
        "gpu_mem_mb": gpu_mem_mb,
        "enable_job_scheduler": job_scheduler_enabled(),
    }


def refuse_fixed_keyword(operator: str, kwargs: Mapping[str, Any], name: str) -> None:
    """Refuse a keyword that the platform's class passes on itself and Airflow's class here need not get.

    Raises:
        TypeError: as Python writes it where a keyword is given twice.
    """
    if name in kwargs:
        raise TypeError(f"{operator}.__init__() got multiple values for keyword argument '{name}'")
