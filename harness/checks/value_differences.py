"""How the values of two images differ."""

from __future__ import annotations

import numpy as np

from harness.checks.masks import Mask, Values, describe_box, find_extent
from harness.checks.tolerance import Tolerance


def find_value_problems(values: Values, expected: Values, counts: Mask, tolerance: Tolerance, unit: str) -> list[str]:
    """Return in words how many values are not the expected ones, by how much, and where.

    Args:
        values, expected: of one shape; what is not a number has no value.
        counts: the voxels that count.
        tolerance: what they may differ by.
        unit: of the values; empty where they have none.
    """
    with np.errstate(invalid="ignore"):
        apart = np.where(values == expected, 0.0, np.abs(values - expected))
        allowed = np.maximum((tolerance.rel or 0.0) * np.abs(expected), tolerance.abs)
        differs = (apart > allowed) & counts
    total = int(counts.sum())
    problems = []
    if (box := find_extent(differs)) is not None:
        worst = np.unravel_index(int(np.where(differs, apart, -1).argmax()), values.shape)
        at = ", ".join(map(str, worst))
        problems += [
            f"{int(differs.sum())} of {total} values differ, most by {apart[worst]:.6g}{unit and ' '}{unit}: "
            f"{values[worst]:.6g} instead of {expected[worst]:.6g} at values[{at}]",
            f"they are in {describe_box(box, values.shape[0], of='values')}",
        ]
    missing = (np.isnan(values) != np.isnan(expected)) & counts
    for without, words in (
        (values, "have no value where one is expected"),
        (expected, "have a value where none is expected"),
    ):
        if count := int((missing & np.isnan(without)).sum()):
            problems.append(f"{count} of {total} voxels {words}")
    return problems
