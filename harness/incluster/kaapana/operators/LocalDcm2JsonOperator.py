# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Extracts the metadata document of series (operators 6.7)."""

from __future__ import annotations

import json
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow import local_document
from harness.incluster.airflow.runfolder import conf_of, folder_of, operator_in_dir


class LocalDcm2JsonOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.7; name and memory are fixed.

    ``delete_pixel_data`` has no effect: pixels are never written.
    """

    def __init__(
        self,
        dag: Any,
        exit_on_error: bool = False,
        delete_pixel_data: bool = True,
        data_type: str = "dcm",
        bulk: bool = False,
        **kwargs: Any,
    ) -> None:
        self.exit_on_error = exit_on_error
        self.delete_pixel_data = delete_pixel_data
        self.data_type = data_type
        self.bulk = bulk
        super().__init__(
            dag=dag,
            name="dcm2json",
            python_callable=self.start,
            ram_mem_mb=10,
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Write ``<element>.json`` for every element."""
        project = str((conf_of(kwargs).get("project_form") or {}).get("name") or "admin")
        run = folder_of(self, kwargs)
        for element in run.elements():
            source = run.inside(run.batch, element.name, operator_in_dir(self))
            files = sorted(source.rglob("*.dcm"))
            if not files:
                raise FileNotFoundError(f"no *.dcm in {source}")
            target = run.inside(run.batch, element.name, self.operator_out_dir)
            target.mkdir(parents=True, exist_ok=True)
            for path in files if self.bulk else files[:1]:
                document = local_document.document_of(path, project)
                text = json.dumps(document, indent=4, sort_keys=True, ensure_ascii=True)
                (target / f"{element.name}.json").write_text(text, "ascii")
            print(f"{element.name}: {len(document)} field(s)", flush=True)
