# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Fetches the series that segmentations refer to, into their own folders (operators 6.6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import folder_of, operator_in_dir
from harness.incluster.programs import local_input


class LocalGetRefSeriesOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.6; the time-out is fixed. ``reference_uid`` is the only policy.

    Raises:
        NotImplementedError: another policy, or ``dicom_tags``.
    """

    def __init__(
        self,
        dag: Any,
        name: str = "get-ref-series",
        search_policy: str = "reference_uid",
        data_type: str = "dicom",
        dicom_tags: Sequence[Any] = (),
        parallel_downloads: int = 3,
        batch_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if search_policy != "reference_uid" or dicom_tags:
            raise NotImplementedError(
                "LocalGetRefSeriesOperator knows the policy reference_uid only, and no dicom_tags"
            )
        self.search_policy = search_policy
        self.data_type = data_type
        self.parallel_downloads = parallel_downloads
        super().__init__(
            dag=dag,
            name=name,
            python_callable=self.start,
            batch_name=batch_name,
            execution_timeout=timedelta(minutes=120),
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Fetch the series of every element."""
        local_input.fetch_references(
            folder_of(self, kwargs),
            operator_in_dir(self),
            self.operator_out_dir,
            self.data_type,
            self.parallel_downloads,
        )
