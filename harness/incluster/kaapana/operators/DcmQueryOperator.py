# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Asks a PACS for studies or series (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class DcmQueryOperator(KaapanaBaseOperator):
    """Asks a PACS for studies or series."""

    not_emulated = "querying another PACS is not emulated"

    def __init__(
        self,
        dag: Any,
        ae_title: str = "NONE",
        local_ae_title: str = "KAAPANAQR",
        pacs_host: str | None = None,
        pacs_port: str = "11112",
        start_date: Any = None,
        end_date: Any = None,
        max_query_size: Any = None,
        level: str = "study",
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=20),
        **kwargs: Any,
    ) -> None:
        if level not in ("study", "series"):
            raise NameError(f"level is {level!r}, it must be 'study' or 'series'")
        if start_date or end_date or max_query_size:
            # the platform's own constructor uses a name that it does not have; a form value is the only way
            raise NameError("start_date, end_date and max_query_size can only be given as values of the form")
        variables = env_vars if env_vars is not None else {}
        variables |= {
            "PACS_HOST": pacs_host or names.dns_name(names.CTP_DICOM),
            "PACS_PORT": pacs_port,
            "LOCAL_AE_TITLE": local_ae_title,
            "AE_TITLE": ae_title,
            "LEVEL": level,
        }
        super().__init__(
            dag=dag,
            image=f"{DEFAULT_REGISTRY}/dcmqr:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            name="dcmqr",
            env_vars=variables,
            execution_timeout=execution_timeout,
            **kwargs,
        )
