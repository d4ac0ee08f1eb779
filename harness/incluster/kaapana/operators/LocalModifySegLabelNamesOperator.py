# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Renames the labels of masks (operators 5.6)."""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import folder_of, form_of, operator_in_dir
from harness.incluster.programs import local_masks


class LocalModifySegLabelNamesOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 5.6.

    The folder of ``metainfo_input_operator`` is found by its **name**, so it must not have a ``parallel_id``.
    """

    def __init__(
        self,
        dag: Any,
        metainfo_input_operator: Any,
        name: str = "rename-seg-label-names",
        write_seginfo_results: bool = True,
        write_metainfo_results: bool = True,
        results_to_in_dir: bool = False,
        **kwargs: Any,
    ) -> None:
        self.metainfo_dir = str(metainfo_input_operator.name)
        self.write_seginfo_results = write_seginfo_results
        self.write_metainfo_results = write_metainfo_results
        self.results_to_in_dir = results_to_in_dir
        super().__init__(
            dag=dag,
            name=name,
            python_callable=self.start,
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Rename by the form's ``old_labels`` and ``new_labels``."""
        renamed = local_masks.rename_labels(
            folder_of(self, kwargs),
            operator_in_dir(self),
            self.operator_out_dir,
            name=self.name,
            metainfo=self.metainfo_dir,
            form=form_of(kwargs),
            write_seg_info=self.write_seginfo_results,
            write_metainfo=self.write_metainfo_results,
            into_source=self.results_to_in_dir,
        )
        if not renamed:
            # as on the platform; Airflow sets the state itself when the function has returned
            kwargs["ti"].state = "skipped"
