"""Segmentations against a ground truth (operators 5.11). The program of SegmentationEvaluationOperator.

The platform's image computes the distances with MONAI; here they come from SimpleITK's distance maps, in millimetres
between the border voxels of both masks.
"""

from __future__ import annotations

import ast
import html
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import SimpleITK

from harness.incluster.programs.common import ProgramError, RunFolder, comma_list, required, say, section
from harness.incluster.programs.platform_client import SERIES, Platform

sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
_REFERENCED = ("00081115 ReferencedSeriesSequence_object", "00081115 ReferencedSeriesSequence_object_object")
_TOLERANCE_MM = 1.0


def _border_distances(one: Any, other: Any) -> Any:
    """Millimetres from every border voxel of ``one`` to the nearest border voxel of ``other``, a flat array."""
    to_other = sitk.Abs(sitk.SignedMaurerDistanceMap(sitk.LabelContour(other), False, False, True))
    border = sitk.GetArrayFromImage(sitk.LabelContour(one)) > 0
    return sitk.GetArrayFromImage(to_other)[border]


def _distances(truth: Any, test: Any) -> tuple[Any, Any]:
    for name, mask in (("ground truth", truth), ("test", test)):
        if not sitk.GetArrayFromImage(mask).any():
            raise ProgramError(f"the {name} mask is empty: there is no distance to it")
    return _border_distances(truth, test), _border_distances(test, truth)


def dice_score(truth: Any, test: Any) -> float:
    """Twice the common voxels over the sum of both; 1 when both are empty."""
    a, b = sitk.GetArrayFromImage(truth) > 0, sitk.GetArrayFromImage(test) > 0
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def surface_dice(truth: Any, test: Any) -> float:
    """Share of both borders that lies within a millimetre of the other."""
    there, back = _distances(truth, test)
    return float(((there <= _TOLERANCE_MM).sum() + (back <= _TOLERANCE_MM).sum()) / (there.size + back.size))


def hausdorff_distance(truth: Any, test: Any) -> float:
    """Return the largest distance of a border voxel to the other border, in millimetres."""
    there, back = _distances(truth, test)
    return float(max(there.max(), back.max()))


def average_surface_distance(truth: Any, test: Any) -> float:
    """Return the mean distance of the test's border to that of the truth, in millimetres."""
    return float(_distances(truth, test)[1].mean())


# the form's name of a metric, and its name in metrics.json
METRICS: dict[str, tuple[str, Callable[[Any, Any], float]]] = {
    "dice_score": ("dice_score", dice_score),
    "surface_dice": ("surface_dice", surface_dice),
    "hausdorff_distance": ("hausdorff_distance", hausdorff_distance),
    "average_surface_distance": ("asd", average_surface_distance),
}


def _mask(folder: Path, label: str) -> Any:
    """Return the one mask of a label, 0 and 1."""
    found = [path for path in sorted(folder.rglob("*.nii.gz")) if label.lower() in str(path)]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ProgramError(f"{folder}: exactly one *.nii.gz must have {label.lower()!r} in its path, found {names}")
    return sitk.ReadImage(str(found[0])) > 0


def compare(truth: Path, test: Path, mapping: list[tuple[str, str]], metrics: list[str]) -> dict[str, Any]:
    """Return the metrics of one pair of elements, ``{metric: {"gt:test": value}}``."""
    result: dict[str, Any] = {METRICS[metric][0]: {} for metric in metrics}
    for of_truth, of_test in mapping:
        one, other = _mask(truth, of_truth), _mask(test, of_test)
        if one.GetSize() != other.GetSize():
            raise ProgramError(f"the masks of {of_truth}:{of_test} have {one.GetSize()} and {other.GetSize()} voxels")
        other.CopyInformation(one)
        for metric in metrics:
            name, function = METRICS[metric]
            result[name][f"{of_truth}:{of_test}"] = function(one, other)
    return result


def _metrics() -> list[str]:
    text = html.unescape(required(required("METRICS_KEY").upper()))
    try:
        metrics = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        metrics = None
    if not isinstance(metrics, list) or not metrics or not set(metrics) <= set(METRICS):
        raise ProgramError(
            f"{required('METRICS_KEY').upper()} is {text[:80]!r}, expected a list of {', '.join(METRICS)}"
        )
    return [str(metric) for metric in metrics]


def _mapping() -> list[tuple[str, str]]:
    pairs = [entry.split(":") for entry in comma_list(required("LABEL_MAPPING"))]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise ProgramError(f"LABEL_MAPPING is {os.environ['LABEL_MAPPING']!r}, expected gt:test,gt:test")
    return [(pair[0].strip(), pair[1].strip()) for pair in pairs]


def _references(platform: Platform, index: str, run: RunFolder, batch: str) -> dict[str, str]:
    """Referenced series of every element of a batch, to the element's name."""
    found = {}
    for folder in sorted(path for path in run.inside(batch).glob("*") if path.is_dir()):
        document = platform.document(index, folder.name)
        value = next((document[key] for key in _REFERENCED if key in document), None)
        if not isinstance(value, dict) or SERIES not in value:
            raise ProgramError(f"the index document of {folder.name} names no referenced series")
        found[str(value[SERIES])] = folder.name
    return found


def main() -> None:
    """Pair the elements of both batches and write ``metrics.json`` and ``dataset_map.json`` of the run."""
    run = RunFolder.from_environment()
    required("EXIT_ON_ERROR")  # any text, also False, makes an error end the task
    mapping, metrics = _mapping(), _metrics()
    if os.environ.get("TEST_SEG_EXISTS", "True").lower() == "false":
        raise ProgramError("test_seg_exists=False reads predictions of an nnU-Net ensemble: that is not emulated")
    index = str(section(run.conf(), "project_form").get("opensearch_index", ""))
    platform = Platform()
    batches = required("BATCH_GT"), required("BATCH_TEST")
    truths, tests = (_references(platform, index, run, batch) for batch in batches)
    results, pairs = {}, {}
    for series, test in tests.items():
        if series not in truths:
            raise ProgramError(f"no ground truth for {test}, which was made from series {series}")
        truth = run.inside(batches[0], truths[series], required("GT_IN_DIR"))
        results[test] = compare(truth, run.inside(batches[1], test, required("TEST_IN_DIR")), mapping, metrics)
        pairs[test] = truths[series]
        say(f"{test}: {json.dumps(results[test])}")
    if not results:
        raise ProgramError(f"no element below {run.inside(batches[1])}")
    output = run.inside(required("OPERATOR_OUT_DIR"))
    output.mkdir(parents=True, exist_ok=True)
    (output / "metrics.json").write_text(json.dumps(results, indent=4), "utf-8")
    (output / "dataset_map.json").write_text(json.dumps(pairs, indent=4), "utf-8")
