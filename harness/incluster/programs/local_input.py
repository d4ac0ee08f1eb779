"""Series for the Python operators that fetch them themselves (operators 6.5, 6.6)."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.incluster.programs.common import ProgramError, RunFolder, path_component, say
from harness.incluster.programs.get_input import SeriesRequest, fetch_dicom
from harness.incluster.programs.platform_client import CURATED_MODALITY, SERIES, STUDY, TAGS, PlatformClient

# index to search, for every project
_INDEX = "project_admin"


@dataclass(frozen=True)
class Options:
    """Parameters of LocalGetInputDataOperator."""

    data_type: str
    check_modality: bool
    parallel: int
    include: str
    exclude: str


def _find(
    platform: PlatformClient, conf: dict[str, Any], data: dict[str, Any], options: Options
) -> list[SeriesRequest]:
    query, identifiers = data.get("query"), data.get("identifiers")
    if query and identifiers:
        raise ProgramError("data_form has query and identifiers: give one of them")
    if query:
        hits = platform.search(_INDEX, query, [SERIES])
        identifiers = [str(hit["_id"]) for hit in hits]
    if not identifiers:
        raise ProgramError("data_form has no identifiers")
    limit = _limit(data)
    form = conf.get("workflow_form") or {}
    must: list[dict[str, Any]] = [{"ids": {"values": identifiers}}]
    must_not: list[dict[str, Any]] = []
    if options.include:  # the exclude tag is read only beside an include tag
        if not options.exclude:
            raise KeyError("exclude_custom_tag_property: an include tag needs one too")
        must.append({"term": {TAGS: form[options.include]}})
        must_not.append({"term": {TAGS: form[options.exclude]}})
    found = []
    for hit in platform.search(
        _INDEX, {"bool": {"must": must, "must_not": must_not}}, [STUDY, SERIES, CURATED_MODALITY]
    ):
        source = hit["_source"]
        found.append(SeriesRequest(str(source[STUDY]), str(source[SERIES]), str(source.get(CURATED_MODALITY, ""))))
    assert found, f"none of the {len(identifiers)} identifier(s) is in the index {_INDEX}"
    return found[:limit]


def _limit(data: dict[str, Any]) -> int | None:
    """Return the limit of series: that of the form, never the operator's own ``dataset_limit``."""
    try:
        limit = int(data.get("dataset_limit", 0))
    except (TypeError, ValueError):
        raise ProgramError(f"dataset_limit {data['dataset_limit']!r} of data_form is not a whole number") from None
    return limit if limit > 0 else None


def fetch(run: RunFolder, output: str, conf: dict[str, Any], options: Options) -> None:
    """Fetch the series that ``data_form`` names; do nothing without a ``data_form``.

    Raises:
        ProgramError: an empty conf, an unknown data type, or series that do not come.
    """
    if not conf:
        raise ProgramError("the run has no configuration")
    if options.data_type not in ("dicom", "json"):
        raise ProgramError(f"data_type {options.data_type!r} does not work, expected dicom or json")
    if "dataInputDirs" in conf:
        _move(run, output, conf["dataInputDirs"])
        return
    if "seriesInstanceUID" in conf or "ctpBatch" in conf:
        raise ProgramError("runs that the receiver starts (seriesInstanceUID, ctpBatch) are not emulated here")
    if "data_form" not in conf:
        say("no data_form: nothing to fetch")
        return
    data = conf["data_form"]
    if not isinstance(data, dict):
        raise ProgramError(f"data_form is {data!r}, not an object")
    platform = PlatformClient()
    wanted = _find(platform, conf, data, options)
    allowed = str((conf.get("workflow_form") or {}).get("input") or "").lower()

    def one(series: SeriesRequest) -> None:
        if options.check_modality and allowed and series.modality.lower() not in allowed:
            raise ProgramError(f"modality {series.modality} is not in workflow_form.input {allowed!r}")
        target = run.inside(run.batch, path_component(series.uid, "SeriesInstanceUID"), output)
        _fetch(platform, series, target, options.data_type)

    _all(wanted, one, options.parallel)


def _fetch(platform: PlatformClient, series: SeriesRequest, target: Path, data_type: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if data_type == "json":
        text = json.dumps(platform.document(_INDEX, series.uid), indent=4, sort_keys=True)
        (target / "metadata.json").write_text(text, "utf-8")
        say(f"{series.uid}: metadata.json")
    else:
        say(f"{series.uid}: {fetch_dicom(platform, series, target)}")


def _all(wanted: list[SeriesRequest], work: Any, parallel: int) -> None:
    problems = []
    with ThreadPoolExecutor(max(1, parallel)) as pool:
        for series, future in [(series, pool.submit(work, series)) for series in wanted]:
            try:
                future.result()
            except (ProgramError, OSError) as error:
                problems.append(f"{series.uid}: {error}")
    if problems:
        raise ProgramError(f"{len(problems)} of {len(wanted)} series failed: {'; '.join(problems)}")


def _move(run: RunFolder, output: str, folders: Any) -> None:
    """Move the folders that the conf names beside themselves, under the name of this operator's output."""
    for text in folders if isinstance(folders, list) else [folders]:
        folder = Path(str(text))
        if not folder.resolve().is_relative_to(run.root.parent):
            raise ProgramError(f"dataInputDirs: {text} is not below the folder of the runs")
        shutil.move(folder, folder.parent / output)
        say(f"{text} -> {folder.parent / output}")


def fetch_references(run: RunFolder, source: str, output: str, data_type: str, parallel: int) -> None:
    """Fetch the series that every element's SEG or RTSTRUCT refers to into ``<element>/<out>``.

    As on the platform a part that does not come is not an error, nothing at all is one.

    Raises:
        ProgramError: ``data_type`` json, which cannot work, or an element without the reference.
        ValueError: no instance of a series came.
    """
    import pydicom

    from harness.incluster.programs.get_ref_series import referenced_series
    from harness.incluster.programs.local_dicom import first_file

    if data_type != "dicom":
        raise ProgramError(
            f"data_type {data_type!r} never works with LocalGetRefSeriesOperator: take GetRefSeriesOperator"
        )
    elements = run.elements()
    if not elements:
        say("no element: nothing to fetch")
        return
    platform = PlatformClient()

    def one(element: Path) -> None:
        dataset = pydicom.dcmread(first_file(element / source, "*"), stop_before_pixels=True)
        series = SeriesRequest(str(dataset.StudyInstanceUID), referenced_series(dataset), "")
        target = run.inside(run.batch, element.name, output)
        target.mkdir(parents=True, exist_ok=True)
        try:
            say(f"{element.name}: {fetch_dicom(platform, series, target)}")
        except ProgramError as problem:
            say(f"NOT FETCHED {series.uid}: {problem}")
        if not any(target.iterdir()):
            raise ValueError(f"no instance of the series {series.uid} came")

    with ThreadPoolExecutor(max(1, parallel)) as pool:
        for future in [pool.submit(one, element) for element in elements]:
            future.result()
