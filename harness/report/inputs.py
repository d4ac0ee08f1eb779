"""The series that pictures are made of, read again from where they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputDataError

if TYPE_CHECKING:
    from harness.data.series import Series
    from harness.run.course import Course


def read_again(course: Course) -> list[Series]:
    """Return the input from its place at the run; lost files are missing."""
    wanted = {item.series_instance_uid for item in course.input}
    found = read_folders(sorted({Path(item.path) for item in course.input}))
    return [series for series in found if series.series_instance_uid in wanted]


def read_folders(folders: Iterable[Path]) -> list[Series]:
    from harness.data import read_input

    found: list[Series] = []
    for folder in folders:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found += read_input(folder)
        except InputDataError:
            continue
    return found
