# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Python code that chooses the branch of a DAG (runtime 5.2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow.operators.python import BranchPythonOperator
from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow import pythontask
from harness.incluster.airflow.operator_defaults import (
    airflow_keywords,
    assign,
    derive,
    executor_config,
    refuse_fixed_keyword,
)


class KaapanaBranchPythonBaseOperator(pythontask.PythonTaskOperator, BranchPythonOperator):
    """``python_callable`` returns the task id, or the list of task ids, that go on."""

    def __init__(
        self,
        dag: Any,
        name: str,
        python_callable: Callable[..., Any],
        input_operator: Any = None,
        operator_in_dir: str | None = None,
        operator_out_dir: str | None = None,
        task_id: str | None = None,
        parallel_id: str | None = None,
        keep_parallel_id: bool = True,
        trigger_rule: str = "all_success",
        ram_mem_mb: int | None = 100,
        ram_mem_mb_lmt: int | None = None,
        cpu_millicores: int | None = None,
        cpu_millicores_lmt: int | None = None,
        gpu_mem_mb: int | None = None,
        gpu_mem_mb_lmt: int | None = None,
        retries: int = 1,
        retry_delay: timedelta = timedelta(seconds=30),
        execution_timeout: timedelta | None = timedelta(minutes=30),
        max_active_tis_per_dag: int | None = None,
        manage_cache: str | None = None,
        allow_federated_learning: bool = False,
        whitelist_federated_learning: Any = None,
        delete_input_on_success: bool = False,
        delete_output_on_start: bool = True,
        batch_name: str | None = None,
        airflow_workflow_dir: str | None = None,
        priority_class_name: str | None = None,
        pool: str | None = None,
        pool_slots: int | None = None,
        **kwargs: Any,
    ) -> None:
        # the parameters by name; the operators share what becomes of them
        given = locals()
        refuse_fixed_keyword(type(self).__name__, kwargs, "provide_context")
        derived = derive(given)
        super().__init__(
            python_callable=python_callable,
            **airflow_keywords(given, derived),
            # fixed: giving one of these too is a TypeError; every other keyword of Airflow is taken (runtime 5.2)
            on_failure_callback=KaapanaBranchPythonBaseOperator.on_failure,
            on_success_callback=None,
            executor_config=executor_config(cpu_millicores, ram_mem_mb, derived.gpu_mem_mb),
            **kwargs,
        )
        assign(self, given, derived)

    def execute(self, context: Any) -> Any:
        """Ask ``python_callable`` for the branch, in the scheduler or where the data of the run is (runtime 3, 7.8)."""
        if self.not_emulated:
            pythontask.refuse(self, context)
        if pythontask.runs_in_scheduler(self.dag, branch=True):
            return super().execute(context)
        self.running = pythontask.PythonTask(self, context, branch=True)
        return self.do_branch(context, self.running.run())


# upstream code imports the other class from here (operators 1)
__all__ = ["KaapanaBranchPythonBaseOperator", "KaapanaPythonBaseOperator"]
