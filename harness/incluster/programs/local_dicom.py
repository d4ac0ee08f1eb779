"""DICOM files of the Python operators: without names, by a condition, to the archive (operators 6.14, 6.16, 6.18)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.incluster.programs.common import ProgramError, RunFolder, say

# group: elements that LocalDcmAnonymizerOperator erases, at any depth
_ERASED = {
    0x0008: "0014 0018 0050 0080 0081 0082 0090 0092 0094 0096 1010 1040 1048 1050 1060 1070 1155",
    0x0010: "0010 0020 0021 0030 0032 0050 1000 1001 1002 1005 1040 1050 1060 2154",
    0x0012: "0062",
    0x0020: "000d 000e 0052 0200",
    0x0032: "1032",
    0x0038: "001e 0300 0400",
    0x0040: "1102 1103 a123",
    0x3006: "00a6",
    0x300E: "0008",
}
ERASED_TAGS = frozenset(group << 16 | int(text, 16) for group, texts in _ERASED.items() for text in texts.split())


def anonymise(run: RunFolder, source: str, output: str, *, single_slice: bool) -> int:
    """Copy ``*.dcm*`` without identifying tags, and return the number of files.

    All identifiers of study and series go too, so the results are not objects for an archive. The file header keeps
    the SOP Instance UID.
    """
    import pydicom

    def erase(dataset: Any) -> None:
        for element in list(dataset):
            if int(element.tag) in ERASED_TAGS:
                del dataset[element.tag]
            elif element.VR == "SQ":
                for item in element.value:
                    erase(item)

    count = 0
    for element in run.elements():
        folder, target = run.inside(run.batch, element.name, source), run.inside(run.batch, element.name, output)
        for path in sorted(folder.glob("*.dcm*")):
            target.mkdir(parents=True, exist_ok=True)
            try:
                dataset = pydicom.dcmread(path)
                erase(dataset)
                dataset.save_as(target / path.name)
            except Exception as error:  # pydicom raises many kinds on broken files
                raise ValueError(f"{run.relative(path)} cannot be anonymised: {error}") from error
            count += 1
            if single_slice:
                break
    say(f"{count} file(s) anonymised")
    return count


def copy_matching(run: RunFolder, source: str, output: str, condition: Callable[[Any], bool]) -> int:
    """Copy the files whose dataset (without pixels) fulfils a condition, and return their number."""
    import pydicom

    count = 0
    for element in run.elements():
        folder, target = run.inside(run.batch, element.name, source), run.inside(run.batch, element.name, output)
        for path in sorted(folder.rglob("*.dcm")):
            if condition(pydicom.dcmread(path, stop_before_pixels=True)):
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / path.name)
                count += 1
    return count


def store(run: RunFolder, source: str) -> None:
    """Send the files of every element to the archive by one STOW-RS request; every one must be DICOM."""
    import pydicom

    from harness.incluster.programs.platform_client import PlatformClient

    platform = PlatformClient()
    for element in run.elements():
        files = sorted(path for path in run.inside(run.batch, element.name, source).rglob("*") if path.is_file())
        if not files:
            continue
        information: dict[str, dict[str, str]] = {}
        for path in files:
            information.update(_trial(pydicom.dcmread(path, stop_before_pixels=True)))
        query = {"clinical_trial_protocol_info": json.dumps(information)}
        platform.store([path.read_bytes() for path in files], query)
        say(f"{element.name}: {len(files)} file(s) stored, {len(information)} series")


def _trial(dataset: Any) -> dict[str, dict[str, str]]:
    def text(name: str) -> str:
        return str(dataset.get(name, "") or "")

    return {
        text("SeriesInstanceUID"): {
            "protocol_id": text("ClinicalTrialProtocolID"),
            "protocol_name": text("ClinicalTrialProtocolName"),
            "site_id": text("ClinicalTrialSiteID"),
            "study_instance_uid": text("StudyInstanceUID"),
        }
    }


def first_file(folder: Path, pattern: str = "*.dcm") -> Path:
    """Return the first file below a folder."""
    files = sorted(path for path in folder.rglob(pattern) if path.is_file())
    if not files:
        raise ProgramError(f"no {pattern} in {folder}")
    return files[0]
