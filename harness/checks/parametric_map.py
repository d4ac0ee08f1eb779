"""A DICOM parametric map for assertions: its values in their units, on the slices where they lie."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.sr.coding import Code

from harness.checks import questions
from harness.checks.classes import PARAMETRIC_MAP_STORAGE
from harness.checks.codes import Label, Region, describe_label, find_regions
from harness.checks.dicom import Placement, as_series, list_differences
from harness.checks.dicom_files import drop_damaged, read_object
from harness.checks.frames import Stack, make_frame_decoder, read_frame_groups, read_references, read_stack
from harness.checks.masks import Values
from harness.checks.references import find_frame_reference_problems, refuse_other_frame
from harness.checks.statistics import Statistics
from harness.checks.tolerance import Tolerance
from harness.checks.value_differences import find_value_problems
from harness.checks.verdict import Verdict
from harness.checks.world_values import ValueMapping, read_mappings
from harness.data.series import Geometry, Series
from harness.errors import CheckError
from harness.geometry.grid import Grid

# of 8 bytes each
_LARGEST: Final = 1 << 27
# a share of the expected value: numbers of 32 bits are rounded
_ROUNDED: Final = 1e-6
_SOP_CLASSES: Final = frozenset({PARAMETRIC_MAP_STORAGE})


class ParametricMap:
    """One DICOM parametric map (PS3.3 A.75).

    Args:
        path: the file.
        sources: the series that it may have been made from; values are on the slices of the one that it references,
            where they lie on its voxels.

    Raises:
        CheckError: the file is not a parametric map.
    """

    def __init__(self, path: Path | str, *, sources: Sequence[Series] = ()) -> None:
        self.path = Path(path)
        self._sources = tuple(sources)
        self._known_values: dict[str, Values] = {}
        self.dataset = read_object(self.path, "parametric map", _SOP_CLASSES)
        drop_damaged(self.dataset)

    def __repr__(self) -> str:
        try:
            labels = ", ".join(self._mappings) or "no label"
        except CheckError:
            labels = "labels that cannot be read"
        return f"<ParametricMap {self.path.name} with {labels}>"

    @property
    def labels(self) -> list[str]:
        """LUT Label of each real world value mapping, e.g. ``ADC``: what the voxels have values of."""
        labels = list(self._mappings)
        self._note("labels", ", ".join(labels) or "none")
        return labels

    def units(self, label: Label | None = None) -> Code:
        """Return the code of the units of the values, mostly of UCUM.

        Args:
            label: LUT label, or the code of the quantity; may be left out where there is one only.
        """
        return self._mapping(label)[0].units

    def quantity(self, label: Label | None = None) -> Code | None:
        """Return the code of what was measured; ``None`` where the object does not say it."""
        return self._mapping(label)[0].quantity

    def values(self, label: Label | None = None) -> Values:
        """Return the real world values ``(slice, row, column)`` on :attr:`planes`; NaN where no value is defined.

        Raises:
            CheckError: there is no such label, or several; pixels cannot be read; two frames are at one position.
        """
        return self._values(self._mapping(label)[0].label)

    def statistics(self, label: Label | None = None, *, mask: NDArray[Any] | None = None) -> Statistics:
        """Return mean, spread and percentiles of the values, which explain themselves.

        Args:
            mask: the voxels that count, in the shape of :meth:`values`.

        Raises:
            CheckError: as :meth:`values`; or the mask has another shape, or no voxel with a value.
        """
        values = self.values(label)
        chosen = values if mask is None else values[self._voxels(mask)]
        mapping = self._mapping(label)[0]
        found = Statistics(mapping.label, mapping.unit, chosen.ravel())
        self._note("statistics", repr(found), label)
        return found

    def matches(
        self,
        expected: NDArray[Any],
        label: Label | None = None,
        *,
        rel: float = _ROUNDED,
        abs: float = 0.0,
        mask: NDArray[Any] | None = None,
    ) -> Verdict:
        """Return whether the values are the expected ones; a no says how many differ, where, and how much.

        Args:
            expected: in the shape of :meth:`values`; what is not a number there must have no value.
            rel, abs: the larger of a share of the expected value and of a fixed amount may differ.
            mask: the voxels that count.

        Raises:
            CheckError: as :meth:`values`; or arrays have another shape.
        """
        tolerance = Tolerance(rel, abs)
        values, other = self.values(label), np.asarray(expected, np.float64)
        self._refuse_other_shape("the expected values", other.shape)
        counts = np.ones(values.shape, np.bool_) if mask is None else self._voxels(mask)
        mapping = self._mapping(label)[0]
        problems = find_value_problems(values, other, counts, tolerance, mapping.unit)
        subject, good = f"values of {mapping.label!r} in {self.path.name}", f"{int(counts.sum())} values"
        return self._record("matches", Verdict.of_problems(subject, problems, good=good))

    def references(self, series: Series | Path | str) -> Verdict:
        """Return whether the map was made from this series: series UID, images, frame of reference, study."""
        series = as_series(series)
        problems = find_frame_reference_problems("parametric map", self.dataset, series)
        return self._record("references", Verdict.of_problems(f"made from {series.name}", problems))

    def lies_on(self, series: Series | Path | str) -> Verdict:
        """Return whether the map's own grid is the series' grid: spacing, origin, orientation and shape."""
        series = as_series(series)
        if series.geometry is None:
            why = series.problems[0].text if series.problems else "it has no geometry"
            return Verdict(False, f"lies on {series.name}", f"series {series.name} is not a volume: {why}")
        problems = list_differences(self.own_geometry, series.geometry)
        return self._record("lies_on", Verdict.of_problems(f"lies on {series.name}", problems))

    @property
    def own_geometry(self) -> Geometry:
        """The grid of the frames that are stored in the map; those that it leaves out count.

        Raises:
            CheckError: the map does not say where its frames are, or says what cannot be.
        """
        return self._own.geometry

    @functools.cached_property
    def planes(self) -> Grid:
        """The true position of each slice of the values: of the source where all frames are on it, else its own."""
        uids, _ = read_references(self.dataset)
        own = self._own.planes
        for series in self._sources:
            planes = series.planes
            if series.series_instance_uid in uids:
                mine = str(self.dataset.get("FrameOfReferenceUID") or "")
                refuse_other_frame(self.path.name, mine, series, evidence=str(self.path))
            if series.series_instance_uid in uids and planes is not None and planes.shape[1:] == own.shape[1:]:
                try:
                    placement = Placement(own, planes)
                    places = [placement.find(origin) for origin in self._own.origins]
                except CheckError:
                    continue
                if all(0 <= slice_ < planes.shape[0] and not (row or column) for slice_, row, column in places):
                    return planes
        return own

    @functools.cached_property
    def _own(self) -> Stack:
        return read_stack(self.dataset, self.path.name)

    @functools.cached_property
    def _mappings(self) -> dict[str, list[ValueMapping]]:
        """The mappings by label: several where each is for a range of the stored values."""
        found: dict[str, list[ValueMapping]] = {}
        for mappings in self._of_frames:
            for mapping in mappings:
                known = found.setdefault(mapping.label, [])
                if mapping not in known:
                    known.append(mapping)
        for label, mappings in found.items():
            if len({mapping.units for mapping in mappings}) > 1:
                raise CheckError(f"{self.path.name} has values of {label!r} in several units", evidence=str(self.path))
        return found

    @functools.cached_property
    def _of_frames(self) -> list[list[ValueMapping]]:
        shared, frames = read_frame_groups(self.dataset)
        return [read_mappings(frame, shared, self.path.name) for frame in frames]

    def _mapping(self, label: Label | None) -> list[ValueMapping]:
        known = self._mappings
        names = ", ".join(map(repr, known)) or "none"
        if label is None:
            if len(known) != 1:
                raise CheckError(
                    f"{self.path.name} has values of {len(known)} labels, so that one has to be named: {names}",
                    evidence=str(self.path),
                )
            return next(iter(known.values()))
        regions = [
            Region(number, name, () if (code := mappings[0].quantity) is None else (code,))
            for number, (name, mappings) in enumerate(known.items())
        ]
        found = find_regions(regions, label)
        if len(found) != 1:
            raise CheckError(
                f"{self.path.name} has {len(found) or 'no'} values of {describe_label(label)}; it has {names}",
                evidence=str(self.path),
            )
        return known[found[0].label]

    def _values(self, label: str) -> Values:
        if label not in self._known_values:
            self._known_values[label] = self._read_values(label)
        return self._known_values[label]

    def _read_values(self, label: str) -> Values:
        planes = self.planes
        if planes.rows * planes.columns * len(planes.origins) > _LARGEST:
            raise CheckError(f"{self.path.name} has {planes.shape} voxels (slice, row, column), too many for values")
        found = np.full(planes.shape, np.nan)
        placement = Placement(self._own.planes, planes, what="the parametric map")
        taken: dict[int, int] = {}
        try:
            decode = make_frame_decoder(self.dataset)
            for index, (mappings, origin) in enumerate(zip(self._of_frames, self._own.origins, strict=True)):
                mine = [mapping for mapping in mappings if mapping.label == label]
                if not mine:
                    continue
                slice_, _, _ = placement.find(origin)
                if slice_ in taken:
                    raise CheckError(
                        f"frames {taken[slice_] + 1} and {index + 1} have values of {label!r} at one position"
                    )
                taken[slice_] = index
                found[slice_] = _apply(decode(index), mine)
        except CheckError as error:
            raise CheckError(f"{self.path.name}: {error.cause}", evidence=str(self.path)) from None
        found.flags.writeable = False
        return found

    def _voxels(self, mask: NDArray[Any]) -> NDArray[np.bool_]:
        self._refuse_other_shape("the mask", np.shape(mask))
        return np.asarray(mask).astype(np.bool_)

    def _refuse_other_shape(self, what: str, shape: tuple[int, ...]) -> None:
        if shape != self.planes.shape:
            raise CheckError(
                f"{self.path.name} has {self.planes.shape} values (slice, row, column), {what} {shape}",
                fix="planes says where each slice of the values is",
            )

    def _note(self, question: str, answer: str, label: Label | None = None) -> None:
        name = None if label is None else self._mapping(label)[0].label
        questions.note(questions.Question(self.path, question, answer, name))

    def _record(self, question: str, verdict: Verdict) -> Verdict:
        self._note(question, ("yes: " if verdict.ok else "NO: ") + verdict.summary)
        return verdict


def _apply(stored: NDArray[Any], mappings: Sequence[ValueMapping]) -> Values:
    """Return the values of a frame: each stored number by the mapping in whose range it is."""
    found = np.full(stored.shape, np.nan)
    for mapping in mappings:
        inside = (stored >= mapping.first) & (stored <= mapping.last)
        found[inside] = mapping.apply(stored[inside])
    return found
