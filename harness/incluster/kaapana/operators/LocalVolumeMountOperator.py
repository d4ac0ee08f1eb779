# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Moves files between a mounted folder and the run's (operators 6.17)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import conf_of, folder_of
from harness.incluster.programs import local_volume


class LocalVolumeMountOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.17. ``action`` is ``get``, ``remove`` or ``put``.

    Raises:
        AssertionError: another action.
    """

    def __init__(
        self,
        dag: Any,
        mount_path: str,
        action: str,
        whitelisted_file_endings: Sequence[str],
        name: str | None = None,
        keep_directory_structure: bool = False,
        action_operators: Sequence[Any] | None = None,
        action_files: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        assert action in ("get", "remove", "put"), f"action is {action!r}, it must be get, remove or put"
        self.whitelisted_file_endings = tuple(whitelisted_file_endings)
        self.action_dirs = [operator.operator_out_dir for operator in action_operators or []]
        self.mount_path = mount_path
        self.action = action
        self.keep_directory_structure = keep_directory_structure
        self.action_files = action_files
        super().__init__(
            dag=dag,
            name=name or f"{action}-mounted-files",
            python_callable=self.start,
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Move the files."""
        run = folder_of(self, kwargs)
        files = self.action_files or (conf_of(kwargs).get("data_form") or {}).get("action_files") or []
        if self.action == "put":
            done = local_volume.put(
                run, self.mount_path, self.action_dirs, self.whitelisted_file_endings, self.keep_directory_structure
            )
        else:
            target = self.operator_out_dir if self.action == "get" else None
            done = local_volume.take(run, self.mount_path, files, self.whitelisted_file_endings, target)
        assert done, f"no file processed: {self.action} {', '.join(files) or 'of the elements'}, {self.mount_path}"
