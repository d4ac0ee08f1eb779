"""A DICOM series on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.geometry.grid import Grid, Vector

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from harness.geometry.judgement import Problem


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Where the voxels of a volume lie, in the patient's LPS millimetre space.

    Attributes:
        shape: number of (slices, rows, columns).
        spacing: millimetres between neighbours in the order (slice, row, column).
        origin: x, y, z of the centre of voxel [0, 0, 0].
        row_direction: unit vector of growing column indices (first half of ImageOrientationPatient).
        column_direction: unit vector of growing row indices (second half).
        slice_direction: unit vector of growing slice indices: the cross product of the two.
    """

    shape: tuple[int, int, int]
    spacing: Vector
    origin: Vector
    row_direction: Vector
    column_direction: Vector
    slice_direction: Vector

    @property
    def orientation(self) -> tuple[float, ...]:
        """The six numbers of ImageOrientationPatient."""
        return (*self.row_direction, *self.column_direction)

    @classmethod
    def of(cls, grid: Grid) -> Geometry:
        """Return the regular volume that evenly spaced planes make."""
        return cls(
            shape=grid.shape,
            spacing=(grid.spacing, *grid.pixel_spacing),
            origin=grid.origins[0],
            row_direction=grid.row_direction,
            column_direction=grid.column_direction,
            slice_direction=grid.normal,
        )

    @property
    def grid(self) -> Grid:
        """The position of every plane."""
        return Grid(
            rows=self.shape[1],
            columns=self.shape[2],
            pixel_spacing=self.spacing[1:],
            row_direction=self.row_direction,
            column_direction=self.column_direction,
            origins=tuple(self.position(index, 0, 0) for index in range(self.shape[0])),
            thickness=self.spacing[0],
        )

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return self.spacing[0] * self.spacing[1] * self.spacing[2] / 1000.0

    def position(self, slice_: float, row: float, column: float) -> Vector:
        """Return the LPS millimetres of a voxel index."""
        steps = (slice_ * self.spacing[0], row * self.spacing[1], column * self.spacing[2])
        axes = (self.slice_direction, self.column_direction, self.row_direction)
        x, y, z = (
            self.origin[axis] + sum(step * direction[axis] for step, direction in zip(steps, axes, strict=True))
            for axis in range(3)
        )
        return x, y, z


@dataclasses.dataclass(frozen=True)
class Instance:
    """One file of a series."""

    path: Path
    sop_instance_uid: str
    sop_class_uid: str


class Truth(Mapping[str, "npt.NDArray[np.bool_]"]):
    """Ground truth masks of a series, bool arrays in (slice, row, column) order, loaded at first use."""

    def __init__(self, archive: Path | None = None, names: tuple[str, ...] = ()) -> None:
        self._archive = archive
        self._names = names
        self._loaded: dict[str, npt.NDArray[np.bool_]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[np.bool_]:
        if name not in self._names or self._archive is None:
            known = ", ".join(self._names) or "none"
            raise KeyError(f"no truth named {name!r}; this series has: {known}")
        if name not in self._loaded:
            import numpy as np

            with np.load(self._archive, allow_pickle=False) as archive:
                mask = archive[name].astype(np.bool_)
            mask.flags.writeable = False
            self._loaded[name] = mask
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"Truth({', '.join(self._names)})"


@dataclasses.dataclass(frozen=True)
class Series:
    """One DICOM series on disk.

    Attributes:
        name: short name for messages.
        path: the folder that holds the files. It may hold other series too: use ``files``.
        modality: as in the files, e.g. ``MR``.
        series_instance_uid, study_instance_uid: as in the files.
        patient_id, frame_of_reference_uid: as in the files, empty where absent.
        instances: the files, along the slice direction where there is a geometry, by instance number otherwise.
        geometry: ``None`` where the files are not one regular volume of single-frame slices.
        truth: ground truth masks by name; empty if unknown.
        grid: the true position of every slice, evenly spaced or not; ``None`` where they are not parallel, not of one
            size, several at one place, or do not say where they lie.
        problems: why it is not one regular volume, and other obstacles for tools.
    """

    name: str
    path: Path
    modality: str
    series_instance_uid: str
    study_instance_uid: str
    patient_id: str
    frame_of_reference_uid: str
    instances: tuple[Instance, ...]
    geometry: Geometry | None
    truth: Mapping[str, Any] = dataclasses.field(default_factory=Truth, compare=False, repr=False)
    grid: Grid | None = dataclasses.field(default=None, compare=False, repr=False)
    problems: tuple[Problem, ...] = dataclasses.field(default=(), compare=False, repr=False)

    @property
    def planes(self) -> Grid | None:
        """The true position of every slice, also of a series that was made with a ``geometry`` only."""
        return self.geometry.grid if self.grid is None and self.geometry is not None else self.grid

    @property
    def files(self) -> tuple[Path, ...]:
        """The paths of the files in slice order."""
        return tuple(instance.path for instance in self.instances)

    @property
    def spacing(self) -> Vector:
        """Millimetres between voxels as (slice, row, column)."""
        return self._volume().spacing

    @property
    def origin(self) -> Vector:
        """LPS position of the first voxel of the first slice."""
        return self._volume().origin

    @property
    def orientation(self) -> tuple[float, ...]:
        """The six numbers of ImageOrientationPatient."""
        return self._volume().orientation

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of (slices, rows, columns)."""
        return self._volume().shape

    def _volume(self) -> Geometry:
        if self.geometry is None:
            why = self.problems[0].text if self.problems else "it has no geometry"
            raise ValueError(f"series {self.name} ({self.series_instance_uid}) is not a regular volume: {why}")
        return self.geometry
