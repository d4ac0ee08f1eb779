"""Bring series that belong to those of the run (operators 5.2). The program of GetRefSeriesOperator."""

from __future__ import annotations

import ast
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.incluster.programs.common import (
    ProgramError,
    RunFolder,
    flag,
    notice,
    number,
    path_component,
    require,
    say,
    section,
)
from harness.incluster.programs.get_input import SeriesRequest, fetch_dicom
from harness.incluster.programs.platform_client import MODALITY, SERIES, STUDY, TAGS, PlatformClient


@dataclass(frozen=True)
class Reference:
    """A series and the folder that it goes to."""

    series: SeriesRequest
    target: Path


def _read_list(variable: str) -> list[str]:
    text = (os.environ.get(variable) or "[]").replace("&quot;", '"')
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise ProgramError(f"{variable} is {text[:80]!r}, expected a list") from None
    if not isinstance(value, list):
        raise ProgramError(f"{variable} is {text[:80]!r}, expected a list")
    return [str(entry) for entry in value]


def referenced_series(dataset: Any) -> str:
    """Return the SeriesInstanceUID that a SEG or an RTSTRUCT refers to.

    Raises:
        ProgramError: it is another object, or refers to none.
    """
    modality = str(dataset.get("Modality", ""))
    try:
        if modality == "SEG":
            return str(dataset.ReferencedSeriesSequence[0].SeriesInstanceUID)
        if modality == "RTSTRUCT":
            study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
            return str(study.RTReferencedSeriesSequence[0].SeriesInstanceUID)
    except (AttributeError, IndexError):
        raise ProgramError(f"the {modality} {dataset.get('SOPInstanceUID')} refers to no series") from None
    raise ProgramError(f"modality {modality or '(none)'} refers to no series: only SEG and RTSTRUCT do")


def _first(element: Path, source: Path) -> Any:
    """Return the dataset of the first file of an element."""
    import pydicom

    files = sorted(path for path in source.iterdir() if path.is_file())
    if not files:
        raise ProgramError(f"{element.name}: {source} is empty")
    return pydicom.dcmread(files[0], stop_before_pixels=True, force=False)


def _hits(platform: PlatformClient, index: str, query: dict[str, Any]) -> list[SeriesRequest]:
    fields = [STUDY, SERIES, MODALITY]
    found = [hit.get("_source") or {} for hit in platform.search(index, query, fields)]
    return [SeriesRequest(str(s[STUDY]), str(s[SERIES]), str(s.get(MODALITY, ""))) for s in found]


def _series_of_elements(run: RunFolder, platform: PlatformClient, index: str, policy: str) -> list[Reference]:
    """Return the series that the elements refer to, or the others of their studies."""
    source, output = require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")
    elements = run.elements()
    if not elements:
        raise ProgramError(f"no element below {run.inside(run.batch)}")
    modalities, tags = _read_list("MODALITIES"), _read_list("CUSTOM_TAGS")
    if len(modalities) > 1:
        notice("differs-on-platform", "this release does not filter when several modalities are given")
    found = []
    for element in elements:
        folder = run.inside(run.batch, element.name, source)
        if not folder.is_dir():
            if flag("SKIP_EMPTY_REF_DIR"):
                say(f"{element.name}: has no folder {source}, skipped")
                continue
            raise ProgramError(f"{element.name}: has no folder {source}")
        dataset = _first(element, folder)
        study, own = str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID)
        if policy == "reference_uid":
            name = path_component(own, "SeriesInstanceUID")
            target = run.inside(run.batch, name, output)
            found.append(Reference(SeriesRequest(study, referenced_series(dataset), ""), target))
            continue
        must: list[dict[str, Any]] = [{"term": {f"{STUDY}.keyword": study}}]
        if modalities:
            must.append({"terms": {f"{MODALITY}.keyword": modalities}})
        if tags:  # several of them mean any of them
            must.append({"terms": {TAGS: tags}})
        query = {"bool": {"must": must, "must_not": [{"ids": {"values": [own]}}]}}
        for series in _hits(platform, index, query):
            name = path_component(series.uid, "SeriesInstanceUID")
            found.append(Reference(series, run.inside(run.batch, element.name, output, name)))
    return found


def _series_of_query(run: RunFolder, platform: PlatformClient, index: str) -> list[Reference]:
    """Return an element for every hit of a search."""
    try:
        query = json.loads(os.environ.get("SEARCH_QUERY") or "{}")
    except ValueError as error:
        raise ProgramError(f"SEARCH_QUERY is not JSON: {error}") from None
    if not isinstance(query, dict) or "bool" not in query:
        raise ProgramError("SEARCH_QUERY must be an object with bool")
    output = require("OPERATOR_OUT_DIR")
    return [
        Reference(series, run.inside(run.batch, path_component(series.uid, "SeriesInstanceUID"), output))
        for series in _hits(platform, index, query)
    ]


def _fetch(run: RunFolder, platform: PlatformClient, index: str, reference: Reference) -> None:
    """Fetch one series. As on the platform an incomplete answer is not an error; an empty one is."""
    reference.target.mkdir(parents=True, exist_ok=True)
    try:
        if os.environ.get("DATA_TYPE", "dicom") == "json":
            document = platform.document(index, reference.series.uid)
            text = json.dumps(document, indent=4, sort_keys=True)
            (reference.target / "metadata.json").write_text(text, "utf-8")
            done = "metadata.json"
        else:
            done = fetch_dicom(platform, reference.series, reference.target)
        say(f"{reference.series.uid}: {done} -> {run.relative(reference.target)}")
    except ProgramError as problem:
        say(f"NOT FETCHED {reference.series.uid}: {problem}")
        if not any(reference.target.iterdir()):
            raise


def main() -> None:
    """Fetch the series that ``SEARCH_POLICY`` finds."""
    policy = os.environ.get("SEARCH_POLICY") or "reference_uid"
    if policy not in ("reference_uid", "study_uid", "search_query"):
        raise ProgramError(f"SEARCH_POLICY is {policy!r}, expected reference_uid, study_uid or search_query")
    if os.environ.get("DATA_TYPE", "dicom") not in ("dicom", "json"):
        raise ProgramError(f"DATA_TYPE is {os.environ['DATA_TYPE']!r}, expected dicom or json")
    run = RunFolder.from_environment()
    index = str(section(run.conf(), "project_form").get("opensearch_index", ""))
    platform = PlatformClient()
    if policy == "search_query":
        references = _series_of_query(run, platform, index)
    else:
        references = _series_of_elements(run, platform, index, policy)
    say(f"{len(references)} series to get, policy {policy}")
    with ThreadPoolExecutor(number("PARALLEL_DOWNLOADS", 3, 1, 64)) as pool:
        for future in [pool.submit(_fetch, run, platform, index, reference) for reference in references]:
            future.result()
