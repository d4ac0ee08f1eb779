# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Sends DICOM files, by default to the platform's receiver (operators 4.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.blueprints.kaapana_global_variables import SERVICES_NAMESPACE
from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class DcmSendOperator(KaapanaBaseOperator):
    """Parameters as in operators 4.4; memory is fixed.

    Raises:
        NameError: ``level`` is neither element nor batch.
    """

    def __init__(
        self,
        dag: Any,
        name: str = "dcmsend",
        ae_title: str = "NONE",
        pacs_host: str = "",
        pacs_port: str = "11112",
        level: str = "element",
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=60),
        labels: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        if level not in ("element", "batch"):
            raise NameError(f"level must be 'element' or 'batch', not {level!r}")
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "PACS_HOST": str(pacs_host) or f"{names.CTP_DICOM[0]}.{SERVICES_NAMESPACE}.svc",
                "PACS_PORT": str(pacs_port),
                "AETITLE": str(ae_title),
                "LEVEL": str(level),
            }
        )
        labels = {} if labels is None else labels
        labels[names.LABEL_NETWORK_CTP] = "true"
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/dcmsend:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=50,
            ram_mem_mb_lmt=4000,
            labels=labels,
            **kwargs,
        )
