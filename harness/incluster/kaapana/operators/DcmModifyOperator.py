# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Changes tags of DICOM files where they are (operators 6.15)."""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class DcmModifyOperator(KaapanaBaseOperator):
    """Parameters as in operators 6.15; ``keep_parallel_id`` and memory are fixed.

    ``dicom_tags_to_modify`` is ``(gggg,eeee)=value;(gggg,eeee)=value``. The files of the **input** folder change, the
    output folder stays empty: operators that follow take the input operator of this one.
    """

    def __init__(
        self,
        dag: Any,
        dicom_tags_to_modify: str,
        name: str = "DcmModify",
        env_vars: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "DICOM_TAGS_TO_MODIFY": str(dicom_tags_to_modify),
            }
        )
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/dcmodify:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            ram_mem_mb=100,
            keep_parallel_id=False,
            **kwargs,
        )
