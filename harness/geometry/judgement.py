"""Judge whether the images of a series are one volume, and name the reasons in an imaging person's terms."""

from __future__ import annotations

import dataclasses
import enum
import operator
import statistics
from collections.abc import Callable, Sequence
from typing import Any, Final

from harness.geometry.facts import NO_VOLUMES, ImageFacts, Plane
from harness.geometry.grid import SAME_PLACE, Grid, vector
from harness.wire.messages import join_names, show_numbers

_DIRECTION: Final = 1e-3
_PIXEL: Final = 1e-3
_NAMED: Final = 3


class ProblemKind(enum.Enum):
    """What can be wrong with a series; the value is the name of the finding."""

    SIZE = "images-of-several-sizes"
    COLOUR = "colour-images"
    FRAMES = "multi-frame-image"
    NO_POSITION = "no-position"
    ORIENTATION = "several-orientations"
    PIXEL_SPACING = "several-pixel-spacings"
    SAME_POSITION = "same-position-twice"
    MISSING = "slice-missing"
    UNEVEN = "uneven-spacing"
    SHEARED = "gantry-tilt"
    INVERTED = "inverted-grey"
    KINDS = "several-kinds-of-images"


NO_VOLUME: Final = frozenset(
    {
        ProblemKind.SIZE,
        ProblemKind.ORIENTATION,
        ProblemKind.PIXEL_SPACING,
        ProblemKind.SAME_POSITION,
        ProblemKind.MISSING,
        ProblemKind.UNEVEN,
        ProblemKind.KINDS,
    }
)
"""What keeps a series from being one volume: a reader that makes one nevertheless puts voxels where no image was."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong; ``files`` are the names of the files that show it, the text names them too."""

    kind: ProblemKind
    text: str
    files: tuple[str, ...]

    @property
    def no_volume(self) -> bool:
        """Return whether the series is not one volume."""
        return self.kind in NO_VOLUME


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What the images of one series make.

    Attributes:
        images: along the normal of their planes if they have one, otherwise by number.
        grid: the true position of every plane; ``None`` where the planes are not parallel and of one size, or do not
            say where they lie.
        problems: the most basic first; empty for one regular volume, and for images that form no volume.
    """

    images: tuple[ImageFacts, ...]
    grid: Grid | None
    problems: tuple[Problem, ...]

    @property
    def is_regular(self) -> bool:
        """Whether the planes are on one regular grid, which a spacing describes."""
        return self.grid is not None and not any(
            problem.no_volume or problem.kind is ProblemKind.SHEARED for problem in self.problems
        )

    @property
    def obstacle(self) -> Problem | None:
        """The first problem that keeps the series from being one volume."""
        return next((problem for problem in self.problems if problem.no_volume), None)


def judge(images: Sequence[ImageFacts]) -> Judgement:
    """Judge the images of one series.

    Args:
        images: in any order, at least one.
    """
    ordered = sorted(images, key=lambda image: (_place(image), image.number, image.sop_instance_uid))
    if images[0].modality in NO_VOLUMES:
        return Judgement(tuple(ordered), None, ())
    problems = [*_kinds(ordered)]
    grid = None
    lacking = [image for image in ordered if any(_lacks(plane) for plane in image.planes) or not image.planes]
    if lacking:
        if len(ordered) > 1 or ordered[0].frames > 1:
            problems.append(_without_position(lacking, ordered))
    else:
        problems += _planes(ordered)
        if not any(
            problem.kind in (ProblemKind.SIZE, ProblemKind.ORIENTATION, ProblemKind.PIXEL_SPACING)
            for problem in problems
        ):
            grid, more = _stack(ordered)
            problems += more
    return Judgement(tuple(ordered), grid, tuple(problems))


def _place(image: ImageFacts) -> float:
    return (image.planes[0].along_normal or 0.0) if image.planes else 0.0


def _lacks(plane: Plane) -> bool:
    return plane.along_normal is None or plane.pixel_spacing is None


def _kinds(images: Sequence[ImageFacts]) -> list[Problem]:
    """Return the problems that need no position."""
    found = []

    def size(image: ImageFacts) -> tuple[int, int]:
        return image.columns, image.rows

    if odd := _minorities(images, size):
        found.append(_differs(ProblemKind.SIZE, odd, images, "{0[0]} x {0[1]} pixels (columns x rows)", size))
    if odd := _minorities(images, lambda image: (image.sop_class, image.samples > 1)):
        kind = _class_name(odd[0][0].sop_class)
        files = tuple(image.file for image in odd[0])
        text = f"{_names(files)} is of another kind ({kind}) than the other {len(images) - len(files)} images"
        found.append(Problem(ProblemKind.KINDS, text, files))
    coloured = tuple(image.file for image in images if image.samples > 1)
    if coloured:
        photometric = next(image.photometric for image in images if image.samples > 1)
        text = f"{_names(coloured)} {_has(coloured)} colours ({photometric}): a voxel has several values"
        found.append(Problem(ProblemKind.COLOUR, text, coloured))
    frames = [image for image in images if image.frames > 1]
    if frames:
        files = tuple(image.file for image in frames)
        text = f"{files[0]} holds {frames[0].frames} frames ({_class_name(frames[0].sop_class)})"
        found.append(Problem(ProblemKind.FRAMES, text, files))
    if inverted := tuple(image.file for image in images if image.photometric == "MONOCHROME1"):
        text = f"{_names(inverted)} {_has(inverted)} inverted greys (MONOCHROME1): high values are dark"
        found.append(Problem(ProblemKind.INVERTED, text, inverted))
    return found


def _without_position(lacking: Sequence[ImageFacts], images: Sequence[ImageFacts]) -> Problem:
    files = tuple(image.file for image in lacking)
    missing = [
        keyword
        for keyword, name in (
            ("ImagePositionPatient", "position"),
            ("ImageOrientationPatient", "orientation"),
            ("PixelSpacing", "pixel_spacing"),
        )
        if not lacking[0].planes or getattr(lacking[0].planes[0], name) is None
    ]
    text = f"{_names(files)} {_has(files)} no {' and no '.join(missing)}: nothing says where its voxels lie"
    if len(lacking) < len(images):
        text += f" (the other {len(images) - len(lacking)} images say it)"
    return Problem(ProblemKind.NO_POSITION, text, files)


def _planes(images: Sequence[ImageFacts]) -> list[Problem]:
    """Return the problems of planes that are not parallel or have pixels of several sizes."""
    found = []

    def orientation(image: ImageFacts) -> Sequence[float]:
        return image.planes[0].orientation or ()

    def spacing(image: ImageFacts) -> Sequence[float]:
        return image.planes[0].pixel_spacing or ()

    if odd := _minorities(images, orientation, lambda a, b: _close(a, b, _DIRECTION)):
        found.append(_differs(ProblemKind.ORIENTATION, odd, images, "the orientation {0}", orientation))
    if odd := _minorities(images, spacing, lambda a, b: _close(a, b, _PIXEL)):
        found.append(_differs(ProblemKind.PIXEL_SPACING, odd, images, "pixels of {0} mm (rows, columns)", spacing))
    return found


def _stack(images: Sequence[ImageFacts]) -> tuple[Grid | None, list[Problem]]:
    """Return the grid of parallel planes, and the problems of their positions."""
    planes = [
        (plane, image.file if image.frames == 1 else f"frame {frame} of {image.file}")
        for image in images
        for frame, plane in enumerate(image.planes, 1)
    ]
    planes.sort(key=lambda entry: entry[0].along_normal or 0.0)
    first = planes[0][0]
    orientation, spacing = first.orientation or (), first.pixel_spacing or (1.0, 1.0)
    if any(not _close(plane.orientation or (), orientation, _DIRECTION) for plane, _ in planes):
        files = tuple(sorted({name for _, name in planes}))
        return None, [Problem(ProblemKind.ORIENTATION, f"{_names(files)} has frames in several orientations", files)]
    grid = Grid(
        rows=images[0].rows,
        columns=images[0].columns,
        pixel_spacing=spacing,
        row_direction=vector(orientation[:3]),
        column_direction=vector(orientation[3:]),
        origins=tuple(vector(plane.position or ()) for plane, _ in planes),
        thickness=first.thickness or 1.0,
    )
    names = [name for _, name in planes]
    if twice := _same_position(grid, names, images):
        return None, [twice]
    problems = []
    if grid.is_sheared:
        shift = sum(part * part for part in grid.drift) ** 0.5
        problems.append(
            Problem(
                ProblemKind.SHEARED,
                f"its slices are shifted against each other, {_mm(shift)} from {names[0]} to {names[-1]} (gantry tilt)",
                (names[0], names[-1]),
            )
        )
    if len(grid.gaps) > 1 and not grid.is_even:
        problems.insert(0, _uneven(grid.gaps, names))
    return grid, problems


def _same_position(grid: Grid, names: Sequence[str], images: Sequence[ImageFacts]) -> Problem | None:
    groups: list[list[int]] = [[0]]
    for index, gap in enumerate(grid.gaps, 1):
        if gap <= SAME_PLACE:
            groups[-1].append(index)
        else:
            groups.append([index])
    crowded = [group for group in groups if len(group) > 1]
    if not crowded:
        return None
    files = tuple(dict.fromkeys(names[index] for index in crowded[0]))
    each = len({len(group) for group in groups}) == 1
    where = (
        f"{len(crowded[0])} images lie at each of its {len(groups)} positions"
        if each
        else f"{len(crowded)} of its {len(groups)} positions have more than one image"
    )
    by_name = {image.file: image for image in images}
    apart = _differences([by_name[name] for name in files if name in by_name])
    return Problem(ProblemKind.SAME_POSITION, f"{where}, e.g. {_names(files)}{apart}", files)


def _differences(images: Sequence[ImageFacts]) -> str:
    """Return how images at one position differ: ``: TemporalPositionIdentifier 1, 2``."""
    for keyword in dict.fromkeys(keyword for image in images for keyword, _ in image.times):
        values = [dict(image.times).get(keyword, "") for image in images]
        if len(set(values)) == len(values) > 1 and all(values):
            return f": {keyword} {', '.join(values[:_NAMED])}"
    return ""


def _uneven(gaps: Sequence[float], names: Sequence[str]) -> Problem:
    usual = statistics.median_low(gaps)
    steps = [gap / usual for gap in gaps]
    wide = [index for index, step in enumerate(steps) if step > 1.5]
    if wide and all(abs(step - round(step)) <= 0.05 and round(step) >= 1 for step in steps):
        missing = sum(round(steps[index]) - 1 for index in wide)
        first = wide[0]
        count = "a slice is" if missing == 1 else f"{missing} slices are"
        where = "" if missing == 1 or len(wide) == 1 else ", the first"
        text = (
            f"{count} missing{where} between {names[first]} and {names[first + 1]}: they are {_mm(gaps[first])} apart, "
            f"its other slices {_mm(usual)}"
        )
        return Problem(ProblemKind.MISSING, text, (names[first], names[first + 1]))
    odd = max(range(len(gaps)), key=lambda index: abs(gaps[index] - usual))
    usually = min(range(len(gaps)), key=lambda index: abs(gaps[index] - usual))
    text = (
        f"its slices are not evenly spaced: {_mm(gaps[usually])} from {names[usually]} to {names[usually + 1]}, "
        f"{_mm(gaps[odd])} from {names[odd]} to {names[odd + 1]}"
    )
    return Problem(ProblemKind.UNEVEN, text, (names[odd], names[odd + 1]))


def _minorities(
    images: Sequence[ImageFacts],
    value: Callable[[ImageFacts], Any],
    same: Callable[[Any, Any], bool] = operator.eq,
) -> list[list[ImageFacts]]:
    """Return groups of images by a value, the smallest first; empty if all have the same value."""
    groups: list[list[ImageFacts]] = []
    for image in images:
        group = next((group for group in groups if same(value(group[0]), value(image))), None)
        if group is None:
            groups.append([image])
        else:
            group.append(image)
    return sorted(groups, key=len) if len(groups) > 1 else []


def _differs(
    kind: ProblemKind,
    groups: Sequence[list[ImageFacts]],
    images: Sequence[ImageFacts],
    what: str,
    value: Callable[[ImageFacts], Any],
) -> Problem:
    odd, usual = groups[0], groups[-1]
    files = tuple(image.file for image in odd)
    mine, theirs = (what.format(_display(value(group[0]))) for group in (odd, usual))
    others = len(images) - len(odd)
    rest = f"the other {others} images" if others > 1 else usual[0].file
    return Problem(kind, f"{_names(files)} {_has(files)} {mine}, {rest} {theirs}", files)


def _display(value: Any) -> Any:
    if all(isinstance(part, int) for part in value):
        return value
    return show_numbers(value)


def _close(values: Sequence[float], expected: Sequence[float], tolerance: float) -> bool:
    return len(values) == len(expected) and all(abs(a - b) <= tolerance for a, b in zip(values, expected, strict=True))


def _names(files: Sequence[str]) -> str:
    return join_names(files, _NAMED)


def _has(files: Sequence[str]) -> str:
    return "has" if len(files) == 1 else "have"


def _mm(value: float) -> str:
    return f"{value:.4g} mm"


def _class_name(uid: str) -> str:
    from pydicom.uid import UID

    return UID(uid).name if uid else "no SOP class"
