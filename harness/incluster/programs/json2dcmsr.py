"""Measurements as a DICOM structured report (operators 6.22). The program of Json2DcmSROperator, with dcmqi."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from harness.incluster.programs.common import ProgramError, RunFolder, path_component, read_json, require, say
from harness.incluster.programs.dcmqi_tools import cause_of, executable
from harness.incluster.programs.segment_codes import CUSTOM, look_up

_BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
_TIMEOUT_S = 10
_REQUIRED = ("TrackingIdentifier", "ReferencedSegment", "SegSeriesFilename", "Measurement_list")


def _concept(keyword: str) -> dict[str, str]:
    """Return the code of a term; unlike for segments there is no custom one."""
    code = look_up(keyword)
    if code == CUSTOM:
        raise ProgramError(f"{keyword!r} is not a term of the code table")
    return {"CodeValue": code.value, "CodingSchemeDesignator": code.designator, "CodeMeaning": keyword}


def _group(group: dict[str, Any], segmentations: Path, source: Path) -> dict[str, Any]:
    """Return one group of measurements in the form of dcmqi's document."""
    import pydicom

    if missing := [key for key in _REQUIRED if key not in group]:
        raise ProgramError(f"a measurement group has no {', '.join(missing)}")
    file = segmentations / path_component(group["SegSeriesFilename"], "SegSeriesFilename")
    if not file.is_file():
        raise ProgramError(f"the segmentation {file.name} is not in {segmentations}")
    segmentation = pydicom.dcmread(file, stop_before_pixels=True)
    if "ClinicalTrialProtocolID" not in segmentation:
        raise ProgramError(f"the segmentation {file.name} has no ClinicalTrialProtocolID (0012,0020)")
    images = sorted(source.glob("*.dcm"))
    if not images:
        raise ProgramError(f"no *.dcm in {source}")
    image = pydicom.dcmread(images[0], stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
    result = {
        "TrackingIdentifier": group["TrackingIdentifier"],
        "ReferencedSegment": int(group["ReferencedSegment"]),
        "SourceSeriesForImageSegmentation": str(image.SeriesInstanceUID),
        "segmentationSOPInstanceUID": str(segmentation.SOPInstanceUID),
        "Finding": _concept(str(group.get("finding_keyword", ""))),
        "FindingSite": _concept(str(group.get("finding_site_keyword", ""))),
        "measurementItems": [
            {
                "value": str(item["value"]),
                "quantity": item["quantity"],
                "units": item["units"],
                "derivationModifier": item["derivationModifier"],
            }
            for item in group["Measurement_list"]
        ],
    }
    algorithm = {
        "AlgorithmName": group.get("AlgorithmName"),
        "AlgorithmVersion": group.get("AlgorithmVersion"),
        "AlgorithmParameters": group.get("AlgorithmParameters"),
    }
    if given := {key: value for key, value in algorithm.items() if value}:
        result["measurementAlgorithmIdentification"] = given
    return result


def _report(path: Path, source: Path, segmentations: Path, target: Path) -> None:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("measurement_groups"), list):
        raise ProgramError(f"{path} has no list measurement_groups")
    images = sorted(file.name for file in source.glob("*.dcm"))
    groups = content["measurement_groups"]
    document = {
        "SeriesDescription": content.get("SeriesDescription")
        or os.environ.get("SR_SERIES_DESCRIPTION")
        or "Kaapana SR report",
        "SeriesNumber": str(content.get("SeriesNumber") or "1001"),
        "InstanceNumber": str(content.get("InstanceNumber") or "1"),
        "compositeContext": sorted({str(group.get("SegSeriesFilename")) for group in groups}),
        "imageLibrary": images,
        "observerContext": {
            "ObserverType": "DEVICE",
            "DeviceObserverName": content.get("DeviceObserverName") or "kaapana",
            "DeviceObserverUID": content.get("DeviceObserverUID") or "2.25.1",
        },
        "VerificationFlag": content.get("VerificationFlag") or "UNVERIFIED",
        "CompletionFlag": content.get("CompletionFlag") or "COMPLETE",
        "activitySession": str(content.get("activitySession") or "1"),
        "timePoint": str(content.get("timePoint") or "1"),
        "Measurements": [
            {**_group(group, segmentations, source), "MeasurementGroup": f"{place}"}
            for place, group in enumerate(groups, start=1)
        ],
    }
    template = path.with_name(f"{path.stem}_tid1500_template.json")
    template.write_text(json.dumps(document, indent=4), "utf-8")
    command = [executable("tid1500writer"), "--inputMetadata", str(template), "--outputDICOM", str(target)]
    command += ["--inputImageLibraryDirectory", str(source), "--inputCompositeContextDirectory", str(segmentations)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{path.name}: dcmqi has not finished after {_TIMEOUT_S} s") from None
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0 or not target.is_file():
        print(text, end="", flush=True)
        raise ProgramError(f"dcmqi refuses {path.name}: {cause_of(text, done.returncode)}")
    import pydicom

    dataset = pydicom.dcmread(target)
    _name_character_set(dataset, source)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.UID(_BASIC_TEXT_SR)
    dataset.save_as(target)


def _name_character_set(dataset: Any, source: Path) -> None:
    """Add the character set of texts that dcmqi has copied from the source, which it leaves out."""
    import pydicom
    from pydicom.charset import convert_encodings

    first = next(iter(sorted(source.glob("*.dcm"))), None)
    if first is None or "SpecificCharacterSet" in dataset:
        return
    given = pydicom.dcmread(first, stop_before_pixels=True, specific_tags=["SpecificCharacterSet"])
    if names := given.get("SpecificCharacterSet"):
        # before any text is decoded
        dataset.set_original_encoding(*dataset.original_encoding, convert_encodings(names))
        dataset.SpecificCharacterSet = names


def main() -> None:
    """Write a report for every JSON document of the elements."""
    run = RunFolder.from_environment()
    source = require("SRC_DICOM_OPERATOR")
    segmentations = os.environ.get("SEG_DICOM_OPERATOR") or require("OPERATOR_IN_DIR")
    pattern = os.environ.get("INPUT_FILE_EXTENSION") or "*.json"
    done = 0
    for element, folder, output in run.pairs(require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")):
        for path in sorted(folder.glob(pattern)):
            if path.name.endswith("_tid1500_template.json"):
                continue
            target = output / f"{path.stem}.dcm"
            batch = run.inside(run.batch, element.name)
            _report(path, batch / source, batch / segmentations, target)
            say(f"{element.name}: {path.name} -> {run.relative(target)}")
            done += 1
    if not done:
        raise ProgramError(f"no files processed: no {pattern} in any input folder")
