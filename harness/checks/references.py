"""Whether an object was made from a series: series, images, frame of reference and study."""

from __future__ import annotations

from collections.abc import Collection

import pydicom

from harness.checks.frames import read_references
from harness.data.series import Series
from harness.errors import CheckError


def find_reference_problems(
    what: str,
    series: Series,
    *,
    uids: Collection[str],
    images: Collection[str],
    frames: Collection[str],
    study: str,
    images_needed: bool = True,
) -> list[str]:
    """Return the reasons why an object cannot be made from a series, in words.

    Args:
        what: it is, e.g. ``segmentation``.
        uids, images: of series and images that it references.
        frames: its frames of reference.
        study: its study.
        images_needed: whether it has to name images.
    """
    problems = []
    if not uids:
        problems.append(f"the {what} references no series at all")
    elif series.series_instance_uid not in uids:
        problems.append(f"it references series {', '.join(sorted(uids))}, not {series.series_instance_uid}")
    elif images_needed and not images:
        problems.append("it references no image of the series")
    else:
        foreign = set(images) - {instance.sop_instance_uid for instance in series.instances}
        if foreign:
            problems.append(
                f"{len(foreign)} of {len(images)} referenced images are not of the series, e.g. {min(foreign)}"
            )
    for title, found, expected in (
        ("frame of reference", frames, series.frame_of_reference_uid),
        ("study", [study], series.study_instance_uid),
    ):
        if expected and set(found) != {expected}:
            found_uids = ", ".join(sorted(uid for uid in found if uid)) or "absent"
            problems.append(f"its {title} is {found_uids}, the series has {expected}")
    return problems


def find_frame_reference_problems(what: str, dataset: pydicom.Dataset, series: Series) -> list[str]:
    """Return the reasons why a multi-frame object cannot be made from a series, in words."""
    uids, images = read_references(dataset)
    return find_reference_problems(
        what,
        series,
        uids=uids,
        images=images,
        frames=[str(dataset.get("FrameOfReferenceUID") or "")],
        study=str(dataset.get("StudyInstanceUID") or ""),
    )


def refuse_other_frame(what: str, mine: str, series: Series, *, evidence: str) -> None:
    """Refuse an object whose positions are not those of its source: nothing says how the two frames lie to each other.

    Args:
        what: it is, e.g. the name of the file.
        mine: UID of its frame of reference; empty where it has none.

    Raises:
        CheckError: both have a frame of reference, and not the same.
    """
    its = series.frame_of_reference_uid
    if mine and its and mine != its:
        raise CheckError(
            f"{what} is in another frame of reference ({mine}) than the series it was made from ({its})",
            fix="take FrameOfReferenceUID over from the source",
            evidence=evidence,
        )
