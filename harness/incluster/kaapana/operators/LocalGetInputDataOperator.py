# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Fetches the series of the dataset, the deprecated way (operators 6.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import conf_of, folder_of
from harness.incluster.programs import local_input


class LocalGetInputDataOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.5; time-out and concurrency are fixed.

    The index that is searched is always that of the project admin. ``dataset_limit`` has no effect: that of the form
    counts.
    """

    def __init__(
        self,
        dag: Any,
        name: str = "get-input-data",
        data_type: str = "dicom",
        data_form: dict[str, Any] | None = None,
        check_modality: bool = False,
        dataset_limit: int | None = None,
        parallel_downloads: int = 3,
        include_custom_tag_property: str = "",
        exclude_custom_tag_property: str = "",
        batch_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.data_type = data_type
        self.data_form = data_form
        self.check_modality = check_modality
        self.dataset_limit = dataset_limit
        self.parallel_downloads = parallel_downloads
        self.include_custom_tag_property = include_custom_tag_property
        self.exclude_custom_tag_property = exclude_custom_tag_property
        super().__init__(
            dag=dag,
            name=name,
            python_callable=self.start,
            batch_name=batch_name,
            max_active_tis_per_dag=10,
            execution_timeout=timedelta(minutes=60),
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Fetch every series."""
        conf = dict(conf_of(kwargs))
        if self.data_form is not None:
            conf["data_form"] = self.data_form
        local_input.fetch(
            folder_of(self, kwargs),
            self.operator_out_dir,
            conf,
            local_input.Options(
                data_type=self.data_type,
                check_modality=self.check_modality,
                parallel=self.parallel_downloads,
                include=self.include_custom_tag_property,
                exclude=self.exclude_custom_tag_property,
            ),
        )
