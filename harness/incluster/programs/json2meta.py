"""JSON documents into the metadata index (operators 6.8). The program of Json2MetaOperator."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.incluster.programs.common import ProgramError, RunFolder, read_json, require, say, section
from harness.incluster.programs.platform_client import NotFoundError, PlatformClient

_RENAMED = {"predicted_bodypart_string": "00000000 PredictedBodypart_keyword"}


def documents(folder: Path, jsonl: bool) -> Iterator[dict[str, Any]]:
    """Yield the documents of a folder: every ``*.json`` below it, or every line of every ``*.jsonl``."""
    files = sorted(folder.rglob("*.jsonl" if jsonl else "*.json"))
    if not files:
        raise ProgramError(f"no *.{'jsonl' if jsonl else 'json'} in {folder}")
    for path in files:
        if jsonl:
            lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
            try:
                found = [json.loads(line) for line in lines]
            except ValueError as error:
                raise ProgramError(f"a line of {path} is not JSON: {error}") from None
        else:
            found = [read_json(path)]
        for document in found:
            if not isinstance(document, dict):
                raise ProgramError(f"{path} is not a JSON object")
            yield document


def _series(folder: Path) -> str:
    """Return the SeriesInstanceUID of the first DICOM file below a folder."""
    import pydicom

    files = sorted(folder.rglob("*.dcm"))
    if not files:
        raise ProgramError(f"no *.dcm in {folder}, so the series is unknown")
    dataset = pydicom.dcmread(files[0], stop_before_pixels=True)
    if "PatientID" not in dataset:
        raise ProgramError(f"{files[0].name} has no PatientID")
    return str(dataset.SeriesInstanceUID)


def main() -> None:
    """Merge the documents of every element over the one of its series."""
    run = RunFolder.from_environment()
    index = str(section(run.conf(), "project_form").get("opensearch_index", ""))
    dicom = os.environ.get("DICOM_OPERATOR_OUT_DIR") or require("OPERATOR_IN_DIR")
    jsonl = os.environ.get("JSONL_OPERATOR_OUT_DIR", "")
    folder_name = jsonl or os.environ.get("JSON_OPERATOR_OUT_DIR") or require("OPERATOR_IN_DIR")
    platform = PlatformClient()
    for element in run.elements():
        uid = _series(run.inside(run.batch, element.name, dicom))
        for new in documents(run.inside(run.batch, element.name, folder_name), bool(jsonl)):
            new = {_RENAMED.get(key, key): value for key, value in new.items()}
            try:
                old = platform.document(index, uid)
            except NotFoundError:
                old = {}
            if old and os.environ.get("NO_UPDATE", "False").lower() == "true":
                raise ProgramError(f"series {uid} has a document in {index} already, and no_update is True")
            platform.put_document(index, uid, {**old, **new})
            say(f"{element.name}: {len(new)} field(s) -> {index}/{uid}")
