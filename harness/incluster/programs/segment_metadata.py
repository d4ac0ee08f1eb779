"""The metadata document that dcmqi's itkimage2segimage reads (operators 3.2, 4.3).

``segmentAttributes`` is a list for the mask files, each a list of the segments in that file.
"""

from __future__ import annotations

import colorsys
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.incluster.programs.common import ProgramError
from harness.incluster.programs.segment_codes import Code, look_up, search_key

# the platform's program writes this designator for every modifier
_MODIFIER_DESIGNATOR = "unkown"
_UNNAMED_SERIES = "UNKOWN SEGMENTATION ALGORITHM"
_MAX_JSON_BYTES = 16 * 2**20
_COLOURS = 20


@dataclass
class SegmentationMetadata:
    """What the operator's parameters say about every SEG of the run."""

    algorithm_name: str
    algorithm_type: str
    creator: str
    series_description: str
    series_number: str
    instance_number: str

    @classmethod
    def from_environment(cls) -> SegmentationMetadata:
        algorithm = os.environ.get("ALGORITHM_NAME", "")
        return cls(
            algorithm_name=algorithm or "kaapana",
            algorithm_type=os.environ.get("ALGORITHM_TYPE") or "AUTOMATIC",
            creator=os.environ.get("CREATOR_NAME") or "kaapana",
            series_description=os.environ.get("SERIES_DISCRIPTION") or algorithm or _UNNAMED_SERIES,
            series_number=os.environ.get("SERIES_NUMBER") or "300",
            instance_number=os.environ.get("INSTANCE_NUMBER") or "1",
        )


def colour(index: int, of: int) -> list[int]:
    """Return a segment's colour: the ``index``-th of ``of`` hues spread over the circle, as [r, g, b] from 0 to 255."""
    return [round(255 * part) for part in colorsys.hsv_to_rgb(index / max(of, 1), 0.75, 0.95)]


def colour_of(label: str) -> list[int]:
    """Return the colour of a single label: one of twenty, the same for the same text in every run."""
    return colour(sum(label.encode()) % _COLOURS, _COLOURS)


def _concept(code: Code, meaning: str) -> dict[str, str]:
    return {"CodeValue": code.value, "CodingSchemeDesignator": code.designator, "CodeMeaning": meaning}


def segment(
    author: SegmentationMetadata, label_id: int, label: str, *, shown: str, rgb: list[int]
) -> dict[str, Any]:  # fmt: skip
    """Return the attributes of one segment.

    Args:
        author: the operator's parameters.
        label_id: the voxel value of the segment in the mask.
        label: the author's text; lower-cased it is the code meaning, its code comes from the lookup.
        shown: SegmentLabel; empty lets dcmqi take the code meaning.
        rgb: the recommended display colour.
    """
    meaning = label.lower()
    code = look_up(label)
    return {
        "labelID": label_id,
        "SegmentLabel": shown,
        "SegmentAlgorithmType": author.algorithm_type,
        "SegmentAlgorithmName": author.algorithm_name,
        "SegmentedPropertyCategoryCodeSequence": _concept(code, meaning),
        "SegmentedPropertyTypeCodeSequence": _concept(code, meaning),
        "SegmentedPropertyTypeModifierCodeSequence": _concept(Code(_MODIFIER_DESIGNATOR, code.value), meaning),
        "recommendedDisplayRGBValue": rgb,
    }


def document(author: SegmentationMetadata, files: list[list[dict[str, Any]]], body_part: str = "") -> dict[str, Any]:
    """Return the whole document for a list of mask files with their segments."""
    return {
        "ContentCreatorName": author.creator,
        "ClinicalTrialSeriesID": "Session1",
        "ClinicalTrialTimePointID": "1",
        "SeriesDescription": author.series_description,
        "SeriesNumber": author.series_number,
        "InstanceNumber": author.instance_number,
        "BodyPartExamined": body_part,
        "segmentAttributes": files,
    }


def read_seg_info(path: Path) -> tuple[list[tuple[int, str, int]], str, str]:
    """Return labels, ``algorithm`` and ``task_body_part`` of a ``seg_info.json`` (operators 3.1).

    A label is (voxel value, name, place in the list), without the background (0).
    """
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ProgramError(f"{path} is larger than {_MAX_JSON_BYTES} bytes")
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ProgramError(f"the list of labels cannot be read: {error}") from error
    except ValueError as error:
        raise ProgramError(f"the list of labels {path} is not JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("seg_info"), list):
        raise ProgramError(f"{path} is not an object with the list seg_info")
    labels = []
    for place, entry in enumerate(content["seg_info"]):
        try:
            value, name = int(entry["label_int"]), str(entry["label_name"])
        except (KeyError, TypeError, ValueError):
            raise ProgramError(f"{path}: entry {place} needs label_int (a number) and label_name") from None
        if value != 0:
            labels.append((value, name, place))
    return labels, str(content.get("algorithm") or ""), str(content.get("task_body_part") or "")


def uses_custom_code(label: str) -> bool:
    """Return whether the lookup knows nothing like the label."""
    return look_up(label).designator == "Custom" and bool(search_key(label))
