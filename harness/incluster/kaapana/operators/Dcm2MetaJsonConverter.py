# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""An older way to the metadata document of a DICOM object (operators 7). Imports with its signature only."""

from __future__ import annotations

from typing import Any

from harness.incluster.airflow.errors import NotEmulatedError


class Dcm2MetaJsonConverter:
    """A plain class, not an operator."""

    def __init__(
        self,
        format_time: str | None = None,
        format_date: str | None = None,
        format_date_time: str | None = None,
        exception_on_error: bool | None = None,
        dict_path: str | None = None,
    ) -> None:
        self.format_time, self.format_date, self.format_date_time = format_time, format_date, format_date_time
        self.exception_on_error, self.dict_path = exception_on_error, dict_path

    def dcmJson2metaJson(self, _document: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 (the platform's name)
        """Refuse: this is not emulated.

        Raises:
            NotEmulatedError: always.
        """
        raise NotEmulatedError("Dcm2MetaJsonConverter is not emulated: LocalDcm2JsonOperator writes the document")
