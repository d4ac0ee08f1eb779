# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Moves files between the run's folder and object storage, the old way (operators 6.13)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import conf_of, folder_of
from harness.incluster.programs import local_minio


class LocalMinioOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.13; the time-out is fixed, ``minio_host`` and ``minio_port`` have no effect.

    Without ``bucket_name`` and ``json_operator`` the bucket is the id of the DAG, not the project's.

    Raises:
        AssertionError: ``action`` is not one of get, remove and put.
    """

    def __init__(
        self,
        dag: Any,
        action: str = "get",
        name: str | None = None,
        local_root_dir: str = "{run_dir}",
        bucket_name: str | None = None,
        action_operators: Sequence[Any] | None = None,
        action_operator_dirs: Sequence[str] | None = None,
        action_files: Sequence[str] | None = None,
        json_operator: Any = None,
        minio_host: str | None = None,
        minio_port: str | None = None,
        file_white_tuples: Sequence[str] | None = None,
        zip_files: bool = False,
        target_dir_prefix: str = "",
        **kwargs: Any,
    ) -> None:
        assert action in ("get", "remove", "put"), f"action is {action!r}, it must be get, remove or put"
        self.action_dirs = [*(action_operator_dirs or []), *(o.operator_out_dir for o in action_operators or [])]
        self.metadata_dir = "" if json_operator is None else str(json_operator.operator_out_dir)
        self.file_white_tuples = local_minio.ENDINGS if file_white_tuples is None else tuple(file_white_tuples)
        self.action = action
        self.local_root_dir = local_root_dir
        self.bucket_name = bucket_name
        self.action_files = action_files
        self.zip_files = zip_files
        self.target_dir_prefix = target_dir_prefix
        super().__init__(
            dag=dag,
            name=name or f"minio-actions-{action}",
            python_callable=self.start,
            execution_timeout=timedelta(minutes=30),
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Put, remove, or get, which gets nothing in release 0.6.0."""
        local_minio.execute(
            folder_of(self, kwargs),
            self.operator_out_dir,
            conf_of(kwargs),
            local_minio.TransferParameters(
                action=self.action,
                dag_id=kwargs["dag_run"].dag_id,
                root=self.local_root_dir,
                bucket=self.bucket_name or "",
                metadata_dir=self.metadata_dir,
                dirs=self.action_dirs,
                files=list(self.action_files or []),
                endings=self.file_white_tuples,
                zipped=self.zip_files,
                prefix=self.target_dir_prefix,
            ),
        )
