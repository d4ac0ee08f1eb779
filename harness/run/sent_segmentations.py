"""Find problems of the segmentations that a run sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.errors import CheckError
from harness.findings import Finding, running
from harness.run.outputs import SentObject
from harness.wire.dicom import LABEL_MAP_STORAGE, SEGMENTATION_CLASSES

if TYPE_CHECKING:
    from harness.data.series import Series


def collect_findings(sent: Sequence[SentObject], series: Sequence[Series]) -> list[Finding]:
    """Return the problems of each segmentation among the sent objects.

    Args:
        series: the run's input.
    """
    return [
        finding
        for item in sent
        if item.sop_class in SEGMENTATION_CLASSES
        for finding in (*_check_class(item), *_check_content(item, series))
    ]


def _check_class(item: SentObject) -> Iterator[Finding]:
    if item.sop_class != LABEL_MAP_STORAGE:
        return
    rule = running.LABEL_MAP_SEGMENTATION
    built = rule.platforms()
    yield rule.report(
        item.path,
        "is a label map (Label Map Segmentation Storage): Mask2nifitiOperator and DcmSeg2ItkOperator of "
        f"{built[0]} to {built[-1]} do not read it, their dcmqi 1.2.5 is older than the class",
    )


def _check_content(item: SentObject, series: Sequence[Series]) -> Iterator[Finding]:
    from harness.checks.segmentation import Segmentation
    from harness.checks.segmentation_rules import find_basic_problems

    try:
        segmentation = Segmentation(item.file, sources=series)
        problems = find_basic_problems(segmentation.dataset)
        beside = "" if problems else segmentation.beside_source
        empty = not problems and segmentation.is_empty
    except CheckError as error:
        yield running.INVALID_SEGMENTATION.report(item.path, error.cause)
        return
    except Exception as error:  # a parser on foreign bytes raises nearly anything
        yield running.INVALID_SEGMENTATION.report(item.path, f"cannot be read: {type(error).__name__}: {error}")
        return
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        yield running.INVALID_SEGMENTATION.report(item.path, f"{problems[0]}{more}")
    if beside:
        yield running.SEGMENTATION_BESIDE_SOURCE.report(item.path, beside)
    if empty:
        yield running.EMPTY_SEGMENTATION.report(item.path, "no voxel belongs to a segment")
