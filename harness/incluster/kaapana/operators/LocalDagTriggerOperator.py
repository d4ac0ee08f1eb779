# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Starts another workflow (operators 6.19)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import conf_of, folder_of, operator_in_dir
from harness.incluster.programs import local_trigger


class LocalDagTriggerOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.19; name and time-out are fixed.

    ``cache_operators`` and ``target_bucket`` are kept without effect; ``from_data_dir`` is not emulated.
    """

    def __init__(
        self,
        dag: Any,
        trigger_dag_id: str,
        cache_operators: Sequence[Any] = (),
        target_bucket: str | None = None,
        trigger_mode: str = "single",
        wait_till_done: bool = False,
        use_dcm_files: bool = True,
        from_data_dir: bool = False,
        delay: int = 10,
        extra_conf: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.cache_operators = list(cache_operators)
        self.trigger_dag_id = trigger_dag_id
        self.target_bucket = target_bucket
        self.trigger_mode = trigger_mode
        self.wait_till_done = wait_till_done
        self.use_dcm_files = use_dcm_files
        self.from_data_dir = from_data_dir
        self.delay = delay
        self.extra_conf = extra_conf
        super().__init__(
            dag=dag,
            name=f"trigger_{trigger_dag_id}",
            python_callable=self.start,
            execution_timeout=timedelta(hours=15),
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Start one run for the conf, for each series, or for all of them."""
        conf = conf_of(kwargs)
        local_trigger.merge(conf, self.extra_conf or {})
        dag_id = self.trigger_dag_id or str((conf.get("workflow_form") or {}).get("trigger_dag_id") or "")
        if not dag_id:
            raise ValueError("trigger_dag_id is empty, and the form has none")
        if not self.use_dcm_files:
            confs = [conf]
        elif self.from_data_dir:
            raise NotImplementedError("LocalDagTriggerOperator(from_data_dir=True) is not emulated")
        else:
            single = self.trigger_mode == "single"
            confs = local_trigger.split_conf(folder_of(self, kwargs), operator_in_dir(self), conf, single=single)
        runs = [local_trigger.start(dag_id, one) for one in confs]
        if self.wait_till_done:
            local_trigger.wait(dag_id, runs, self.delay)
