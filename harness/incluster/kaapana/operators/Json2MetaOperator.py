# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Writes JSON documents into the metadata index of the project (operators 6.8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class Json2MetaOperator(KaapanaBaseOperator):
    """Parameters as in operators 6.8; ``env_vars``, memory, time-out and concurrency are fixed.

    ``set_dag_id`` and the ``avalability_check_*`` parameters (the platform's spelling) have no effect.
    """

    def __init__(
        self,
        dag: Any,
        name: str = "json2meta",
        dicom_operator: Any = None,
        json_operator: Any = None,
        jsonl_operator: Any = None,
        set_dag_id: bool = False,
        no_update: bool = False,
        avalability_check_delay: int = 10,
        avalability_check_max_tries: int = 15,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/json2meta:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars={
                "DICOM_OPERATOR_OUT_DIR": dicom_operator.operator_out_dir if dicom_operator is not None else "",
                "JSON_OPERATOR_OUT_DIR": json_operator.operator_out_dir if json_operator is not None else "",
                "JSONL_OPERATOR_OUT_DIR": jsonl_operator.operator_out_dir if jsonl_operator is not None else "",
                "SET_DAG_ID": str(set_dag_id),
                "NO_UPDATE": str(no_update),
                "AVALABILITY_CHECK_DELAY": str(avalability_check_delay),
                "AVALABILITY_CHECK_MAX_TRIES": str(avalability_check_max_tries),
            },
            ram_mem_mb=1000,
            max_active_tis_per_dag=10,
            execution_timeout=timedelta(minutes=60),
            **kwargs,
        )
