"""Segmentations against a ground truth (operators 5.11). The program of SegmentationEvaluationOperator.

The platform's image computes the metrics with MONAI, without telling it the spacing: distances count voxels. Here they
come from SimpleITK's distance maps between the border voxels of both masks.
"""

from __future__ import annotations

import ast
import html
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from harness.incluster.programs.common import ProgramError, RunFolder, comma_list, require, say, section
from harness.incluster.programs.platform_client import SERIES, PlatformClient

sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
Mask = np.ndarray[Any, np.dtype[np.bool_]]
_REFERENCED = ("00081115 ReferencedSeriesSequence_object", "00081115 ReferencedSeriesSequence_object_object")
_TOLERANCE_VOXELS = 0.5


def _border(mask: Mask) -> Mask:
    """Return the voxels of a mask that have a face on its outside, which begins at the edge of the image."""
    inside = np.pad(mask, 1)
    for axis in range(mask.ndim):
        for step in (-1, 1):
            inside &= np.roll(np.pad(mask, 1), step, axis)
    core = inside[tuple(slice(1, -1) for _ in range(mask.ndim))]
    return np.asarray(mask & ~core)


def _distances(of: Mask, to: Mask) -> Any:
    """Return the voxels from every border voxel of ``of`` to the nearest border voxel of ``to``, a flat array.

    Where one mask is empty there is no distance: all are infinite, as many as the other one has border voxels.
    """
    one, other = _border(of), _border(to)
    if not one.any() or not other.any():
        return np.full(int(max(one.sum(), other.sum())), math.inf)
    image = sitk.GetImageFromArray(other.astype(np.uint8))
    # signed: not squared, and without the spacing
    away = sitk.GetArrayFromImage(sitk.Abs(sitk.SignedMaurerDistanceMap(image, False, False, False)))
    return away[one]


def dice_score(truth: Mask, test: Mask) -> float:
    """Return twice the common voxels over the sum of both; not a number where the truth is empty."""
    if not truth.any():
        return math.nan
    return 2 * int((truth & test).sum()) / (int(truth.sum()) + int(test.sum()))


def surface_dice(truth: Mask, test: Mask) -> float:
    """Return the share of both borders within half a voxel of the other."""
    ways = np.concatenate([_distances(truth, test), _distances(test, truth)])
    return float((ways <= _TOLERANCE_VOXELS).mean()) if ways.size else math.nan


def hausdorff_distance(truth: Mask, test: Mask) -> float:
    """Return the largest distance of a border voxel to the other border, in voxels."""
    ways = np.concatenate([_distances(truth, test), _distances(test, truth)])
    return float(ways.max()) if ways.size else math.nan


def average_surface_distance(truth: Mask, test: Mask) -> float:
    """Return the mean distance of the test's border to that of the truth, in voxels."""
    ways = _distances(test, truth)
    return float(ways.mean()) if ways.size else math.nan


Metric = Callable[[Mask, Mask], float]
# the form's name of a metric, its name in metrics.json, and how many lists are around its value there
METRICS: dict[str, tuple[str, Metric, int]] = {
    "dice_score": ("dice_score", dice_score, 1),
    "surface_dice": ("surface_dice", surface_dice, 2),
    "hausdorff_distance": ("hausdorff_distance", hausdorff_distance, 2),
    "average_surface_distance": ("asd", average_surface_distance, 2),
}


def _mask(folder: Path, label: str) -> Mask:
    """Return the mask of a label: exactly one entry of the folder must have it in its path."""
    found = [path for path in sorted(folder.glob("*")) if label in str(path)]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ProgramError(f"{folder}: exactly one entry must have {label!r} in its path, found {names}")
    try:
        image = sitk.ReadImage(str(found[0]))
    except RuntimeError:
        raise ProgramError(f"{found[0]} has {label!r} in its path and is not an image") from None
    return np.asarray(sitk.GetArrayFromImage(image).astype(np.int64) > 0)


def compare(truth: Path, test: Path, mapping: list[tuple[str, str]], metrics: list[str]) -> dict[str, Any]:
    """Return the metrics of one pair of elements, ``{metric: {"gt:test": value}}``; those not asked for are empty."""
    result: dict[str, Any] = {name: {} for name, _, _ in METRICS.values()}
    for of_truth, of_test in mapping:
        one, other = _mask(truth, of_truth), _mask(test, of_test)
        if one.shape != other.shape:
            raise ProgramError(f"the masks of {of_truth}:{of_test} have {one.shape} and {other.shape} voxels")
        for metric in metrics:
            name, function, lists = METRICS[metric]
            value: Any = function(one, other)
            for _ in range(lists):
                value = [value]
            result[name][f"{of_truth}:{of_test}"] = value
    return result


def _metrics() -> list[str]:
    text = html.unescape(require(require("METRICS_KEY").upper()))
    try:
        metrics = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        metrics = None
    if not isinstance(metrics, list) or not metrics or not set(metrics) <= set(METRICS):
        raise ProgramError(
            f"{require('METRICS_KEY').upper()} is {text[:80]!r}, expected a list of {', '.join(METRICS)}"
        )
    return [str(metric) for metric in metrics]


def _read_mapping() -> list[tuple[str, str]]:
    pairs = [entry.split(":") for entry in comma_list(require("LABEL_MAPPING").lower())]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise ProgramError(f"LABEL_MAPPING is {os.environ['LABEL_MAPPING']!r}, expected gt:test,gt:test")
    return [(pair[0].strip(), pair[1].strip()) for pair in pairs]


def _references(platform: PlatformClient, index: str, run: RunFolder, batch: str) -> dict[str, str]:
    """Return the referenced series of every element of a batch, to the element's name."""
    found: dict[str, str] = {}
    for folder in sorted(path for path in run.inside(batch).glob("*") if path.is_dir()):
        document = platform.document(index, folder.name)
        value = next((document[key] for key in _REFERENCED if key in document), None)
        if not isinstance(value, dict) or SERIES not in value:
            raise ProgramError(f"the index document of {folder.name} names no referenced series")
        series = str(value[SERIES])
        if series in found:
            raise ProgramError(f"{found[series]} and {folder.name} of {batch} were both made from series {series}")
        found[series] = folder.name
    return found


def _pairs(run: RunFolder, truths: dict[str, str], tests: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return ids and folders of each ground truth and its test, by the series that both were made from.

    Raises:
        ProgramError: one of them has no partner.
    """
    for one, other, what in ((truths, tests, "test"), (tests, truths, "ground truth")):
        if alone := sorted(set(one) - set(other)):
            raise ProgramError(f"no {what} for {one[alone[0]]}, which was made from series {alone[0]}")

    def folder(batch: str, element: str, variable: str) -> str:
        return str(run.inside(require(batch), element, require(variable)))

    return {
        series: {
            "gt_id": truths[series],
            "gt_path": folder("BATCH_GT", truths[series], "GT_IN_DIR"),
            "test_id": test,
            "test_path": folder("BATCH_TEST", test, "TEST_IN_DIR"),
        }
        for series, test in tests.items()
    }


def main() -> None:
    """Pair the elements of both batches and write ``metrics.json`` and ``dataset_map.json`` of the run."""
    run = RunFolder.from_environment()
    # any other text, also False, makes an error end the task
    if require("EXIT_ON_ERROR") == "None":
        raise ProgramError("EXIT_ON_ERROR is None: give it a value in the form")
    mapping, metrics = _read_mapping(), _metrics()
    if os.environ.get("TEST_SEG_EXISTS", "True").lower() == "false":
        raise ProgramError("test_seg_exists=False reads predictions of an nnU-Net ensemble: that is not emulated")
    index = str(section(run.conf(), "project_form").get("opensearch_index", ""))
    platform = PlatformClient()
    truths, tests = (_references(platform, index, run, require(name)) for name in ("BATCH_GT", "BATCH_TEST"))
    pairs = _pairs(run, truths, tests)
    if not pairs:
        raise ProgramError(f"no element below {run.inside(require('BATCH_TEST'))}")
    results = {}
    for pair in pairs.values():
        results[pair["test_id"]] = compare(Path(pair["gt_path"]), Path(pair["test_path"]), mapping, metrics)
        say(f"{pair['test_id']}: {json.dumps(results[pair['test_id']])}")
    output = run.inside(require("OPERATOR_OUT_DIR"))
    output.mkdir(parents=True, exist_ok=True)
    (output / "metrics.json").write_text(json.dumps(results, indent=4), "utf-8")
    (output / "dataset_map.json").write_text(json.dumps(pairs, indent=4), "utf-8")
