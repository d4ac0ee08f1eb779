# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Moves files between the run's folder and object storage (operators 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names

_EXTENSIONS = (".json", ".mat", ".py", ".zip", ".txt", ".gz", ".csv", ".pdf", ".png", ".jpg")


class MinioOperator(KaapanaBaseOperator):
    """Parameters as in operators 4.5; ``env_vars``, memory, time-out and concurrency are fixed.

    ``whitelisted_file_extensions`` must be a list: a plain text is joined character by character and never matches.

    Raises:
        AssertionError: ``action`` is neither get nor put; ``remove`` is not one of this operator.
    """

    def __init__(
        self,
        dag: Any,
        name: str = "transfer-files-with-minio",
        action: str = "put",
        bucket_name: str | None = None,
        minio_prefix: str = "",
        batch_input_operators: Sequence[Any] = (),
        none_batch_input_operators: Sequence[Any] = (),
        source_files: Sequence[str] = (),
        whitelisted_file_extensions: Sequence[str] = _EXTENSIONS,
        zip_files: bool = False,
        **kwargs: Any,
    ) -> None:
        action = action.lower()
        assert action in ("get", "put"), f"action must be 'get' or 'put', not {action!r}"
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/minio-operator:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars={
                "ACTION": action,
                "BUCKET_NAME": str(bucket_name),
                "MINIO_PREFIX": minio_prefix,
                "BATCH_INPUT_OPERATORS": ",".join(operator.operator_out_dir for operator in batch_input_operators),
                "NONE_BATCH_INPUT_OPERATORS": ",".join(
                    operator.operator_out_dir for operator in none_batch_input_operators
                ),
                "SOURCE_FILES": ",".join(source_files),
                "WHITELISTED_FILE_EXTENSIONS": ",".join(whitelisted_file_extensions),
                "ZIP_FILES": str(zip_files),
            },
            ram_mem_mb=1000,
            max_active_tis_per_dag=10,
            execution_timeout=timedelta(minutes=60),
            **kwargs,
        )
