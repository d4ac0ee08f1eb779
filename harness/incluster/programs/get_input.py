"""Bring the chosen series into the run's folder (operators 4.1). The program of GetInputOperator."""

from __future__ import annotations

import json
import os
import time
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
from harness.incluster.programs.platform_client import CURATED_MODALITY, MODALITY, SERIES, STUDY, TAGS, PlatformClient
from harness.wire.naming import instance_file


@dataclass(frozen=True)
class SeriesRequest:
    """One series that the index of the project knows."""

    study: str
    uid: str
    modality: str


def _tag_of_form(form: dict[str, Any], variable: str) -> str:
    """Return the tag named by the form's key that ``variable`` holds; empty when the variable is."""
    key = os.environ.get(variable, "")
    return str(form.get(key) or "") if key else ""


def find(platform: PlatformClient, conf: dict[str, Any]) -> list[SeriesRequest]:
    """Return the chosen series, by descending SeriesInstanceUID, cut to ``data_form.dataset_limit``.

    Identifiers that the project's index lacks are left out; if none remains, it is a ProgramError.
    """
    data = section(conf, "data_form")
    index = section(conf, "project_form").get("opensearch_index")
    identifiers = data.get("identifiers")
    if not isinstance(index, str) or not isinstance(identifiers, list):
        raise ProgramError("the configuration needs project_form.opensearch_index and data_form.identifiers")
    must: list[dict[str, Any]] = [{"ids": {"values": identifiers}}]
    must_not: list[dict[str, Any]] = []
    for variable, clauses in (
        ("INCLUDE_CUSTOM_TAG_PROPERTY", must),
        ("EXCLUDE_CUSTOM_TAG_PROPERTY", must_not),
    ):
        if os.environ.get(variable) and (tag := _tag_of_form(section(conf, "workflow_form"), variable)):
            clauses.append({"term": {TAGS: tag}})
    query = {"bool": {"must": must, "must_not": must_not}}
    found = []
    for hit in platform.search(index, query, [STUDY, SERIES, MODALITY, CURATED_MODALITY]):
        source = hit.get("_source") or {}
        if missing := [key for key in (STUDY, SERIES, MODALITY, CURATED_MODALITY) if key not in source]:
            raise ProgramError(f"the index document of {hit.get('_id')} has no {', '.join(missing)}")
        found.append(SeriesRequest(str(source[STUDY]), str(source[SERIES]), str(source[CURATED_MODALITY])))
    if not found:
        raise ProgramError(f"none of the {len(identifiers)} identifier(s) is in the project's index {index}")
    if unknown := sorted(set(map(str, identifiers)) - {series.uid for series in found}):
        text = f"{len(unknown)} identifier(s) are not found in {index} and left out: {unknown[:5]}"
        notice("series-left-out", text)
    limit = data.get("dataset_limit")
    return found[:limit] if limit else found


def _check_modality(conf: dict[str, Any], series: SeriesRequest) -> None:
    wanted = section(conf, "workflow_form").get("input")
    if not isinstance(wanted, str):
        raise ProgramError("CHECK_MODALITY is True, but workflow_form.input is not a text")
    # split at commas without trimming, as the platform does: "CT, MR" never matches MR
    if any(entry != entry.strip() for entry in wanted.split(",")):
        notice("blank-in-modalities", f"workflow_form.input {wanted!r} has blanks, which are part of the modality")
    if series.modality.lower() not in wanted.lower().split(","):
        raise ProgramError(f"modality {series.modality} is not one of workflow_form.input {wanted!r}")


def sop_instance_uid(file: memoryview) -> str:
    """Return the MediaStorageSOPInstanceUID of a DICOM file: read from the file meta group, which is always
    explicit little endian, without importing a DICOM library."""
    if bytes(file[128:132]) != b"DICM":
        raise ProgramError("a part of the answer is not a DICOM file")
    at = 132
    while bytes(file[at : at + 2]) == b"\x02\x00" and at + 12 <= len(file):
        element = int.from_bytes(file[at + 2 : at + 4], "little")
        if bytes(file[at + 4 : at + 6]) in (b"OB", b"UN"):
            value, length = at + 12, int.from_bytes(file[at + 8 : at + 12], "little")
        else:
            value, length = at + 8, int.from_bytes(file[at + 6 : at + 8], "little")
        if element == 0x0003:
            return bytes(file[value : value + length]).rstrip(b"\0 ").decode("ascii", "replace")
        at = value + length
    raise ProgramError("a DICOM file in the answer has no MediaStorageSOPInstanceUID")


def fetch_dicom(platform: PlatformClient, series: SeriesRequest, target: Path) -> str:
    """Write the instances of a series as ``<SOPInstanceUID>.dcm``; a ProgramError when some do not come."""
    expected = platform.instances(series.study, series.uid)
    if not expected:
        raise ProgramError("the archive shows no instance of it to this project")
    size, got = 0, set()
    for part in platform.series(series.study, series.uid):
        uid = path_component(sop_instance_uid(part), "SOPInstanceUID")
        (target / instance_file(uid)).write_bytes(part)
        size += len(part)
        got.add(uid)
    if missing := sorted(set(expected) - got):
        raise ProgramError(f"{len(missing)} of {len(expected)} instances did not come, the first: {missing[0]}")
    return f"{len(got)} instance(s), {size / 1e6:.1f} MB"


def _get(run: RunFolder, platform: PlatformClient, conf: dict[str, Any], series: SeriesRequest) -> None:
    """Fetch one series: DICOM files, ``metadata.json``, or both."""
    start = time.monotonic()
    data_type = os.environ.get("DATA_TYPE") or "dicom"
    if flag("CHECK_MODALITY"):
        _check_modality(conf, series)
    name = path_component(series.uid, "SeriesInstanceUID")
    target = run.inside(run.batch, name, require("OPERATOR_OUT_DIR"))
    target.mkdir(parents=True, exist_ok=True)
    done = []
    if data_type in ("dicom", "all"):
        done.append(fetch_dicom(platform, series, target))
    if data_type in ("json", "all"):
        document = platform.document(section(conf, "project_form")["opensearch_index"], series.uid)
        text = json.dumps(document, indent=4, sort_keys=True)
        (target / "metadata.json").write_text(text, "utf-8")
        done.append("metadata.json")
    seconds = time.monotonic() - start
    say(f"{series.uid}: {series.modality}, {' and '.join(done)} -> {run.relative(target)} ({seconds:.1f} s)")


def main() -> None:
    """Fetch every chosen series; when some fail the others stay and the ProgramError names those that failed."""
    data_type = os.environ.get("DATA_TYPE") or "dicom"
    if data_type not in ("dicom", "json", "all"):
        raise ProgramError(f"DATA_TYPE is {data_type!r}, expected dicom, json or all")
    run = RunFolder.from_environment()
    conf = run.conf()
    section(conf, "data_form")
    platform = PlatformClient()
    wanted = find(platform, conf)
    say(f"{len(wanted)} series to get, data type {data_type}")
    problems = []
    with ThreadPoolExecutor(number("PARALLEL_DOWNLOADS", 3, 1, 64)) as pool:
        started = [(series, pool.submit(_get, run, platform, conf, series)) for series in wanted]
        for series, future in started:
            try:
                future.result()
            except (ProgramError, OSError) as error:
                problems.append(f"{series.uid}: {error}")
                say(f"NOT FETCHED {problems[-1]}")
    if problems:
        raise ProgramError(f"{len(problems)} of {len(wanted)} series failed: {'; '.join(problems)}")
