"""Masks out of arrays whose numbers stand for labels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.checks.codes import Label, describe_label
from harness.checks.masks import Mask
from harness.errors import CheckError

_MOST_VALUES: Final = 10


def select_voxels(values: NDArray[Any], value: Label | int | None, what: str, *, evidence: str = "") -> Mask:
    """Return the voxels that have a value.

    Args:
        values: of the voxels.
        value: which one; may be left out where there is one beside 0.
        what: they are of, for messages.

    Raises:
        CheckError: there is no such value, or several and none was chosen, or numbers are not whole.
    """
    if values.dtype.kind == "f":
        odd = values[values != np.rint(values)]
        if odd.size:
            raise CheckError(f"{what} has the value {odd[0]:.4g}, which is not a label", evidence=evidence)
    if value is None:
        found: Mask = values != 0
        inside = values[found]
        if inside.size and not (inside == inside[0]).all():
            present = np.unique(inside)
            raise CheckError(
                f"{what} has the values {_list(present)}: which one is the truth is not given",
                fix=f"truth_label={int(present[0])} chooses one",
                evidence=evidence,
            )
        return found
    if not isinstance(value, int):
        raise CheckError(
            f"{what} has values and not labels: {describe_label(value)} names none of {_list(np.unique(values))}",
            evidence=evidence,
        )
    found = values == value
    if not found.any():
        raise CheckError(
            f"{what} has no voxel of the value {value}; it has {_list(np.unique(values))}", evidence=evidence
        )
    return found


def _list(values: NDArray[Any]) -> str:
    present = [str(int(value)) for value in values if value]
    return ", ".join([*present[:_MOST_VALUES], *(["..."] if len(present) > _MOST_VALUES else [])]) or "only 0"
