"""Read an author's DICOM folder into :class:`Series`, or report its problems."""

from __future__ import annotations

import filecmp
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data._pixels import find_pixel_problem, find_unpacked_problem
from harness.data._scan import scan
from harness.data.series import Geometry, Instance, Series
from harness.errors import InputDataError
from harness.geometry import facts, judge
from harness.wire.messages import join_names

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

_NAMED = 5
# the pixels are at a URL
_REFERENCED = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (94, 95, 204, 205))
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_REQUIRED_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
# the attributes that grouping, geometry and the length of the pixel data need
_TAGS = [*_REQUIRED_UIDS, "PatientID", "SeriesDescription", "FrameOfReferenceUID", *facts.KEYWORDS]


class _NotDicomError(Exception):
    """The file has no DICOM preamble, or is a media directory."""


class _NotImageError(Exception):
    """A DICOM object without pixels; the text is its class."""


class _BrokenError(Exception):
    """A DICOM file that cannot be used; the text says why."""


def read_input(folder: Path, *, on_note: Callable[[str], None] = lambda line: None) -> list[Series]:
    """Return all image series below ``folder``, in the order of their series UIDs.

    Files that are not DICOM, DICOM objects without pixels next to images, links that lead out of the folder and
    second copies of a file are left out; ``on_note`` gets one line for each kind.

    Raises:
        InputDataError: the folder is missing, empty, has no DICOM or no image; files are truncated, unreadable,
            lack an identifier, or two different files carry one SOP Instance UID. Up to five files are named.
    """
    found = scan(folder)
    images: list[tuple[Path, FileDataset]] = []
    not_dicom: dict[Path, str] = dict(found.left_out)
    not_image: dict[Path, str] = {}
    broken: dict[Path, str] = dict(found.unreadable)
    for path in found.files:
        try:
            images.append((path, _read(path)))
        except _NotDicomError as error:
            not_dicom[path] = str(error)
        except _NotImageError as error:
            not_image[path] = str(error)
        except _BrokenError as error:
            broken[path] = str(error)
    total = len(found.files) + len(found.left_out) + len(found.unreadable)
    if broken:
        raise InputDataError(
            f"{len(broken)} of {total} files in {folder} cannot be used: {_names(broken, found.root)}"
            + _common_reason(broken),
            last_seen=_reasons(broken, found.root),
            fix="export the series again, or remove these files",
        )
    if not total:
        raise InputDataError(f"{folder} is empty", fix="give a folder with the DICOM files of the input series")
    if not images and not not_image:
        raise InputDataError(
            f"{folder} has no DICOM file; {total} other files: {_names(not_dicom, found.root)}",
            last_seen=_reasons(not_dicom, found.root),
            fix="give a folder with DICOM files (with the 128 byte preamble)",
        )
    if not images:
        raise InputDataError(
            f"{folder} has DICOM files but no image: {_names(not_image, found.root)}",
            last_seen=_reasons(not_image, found.root),
            fix="give a folder with an image series (e.g. CT or MR)",
        )
    images, copies = _without_copies(images, found.root)
    for kind, files in (("not DICOM", not_dicom), ("DICOM without image", not_image), ("second copies", copies)):
        if files:
            on_note(f"left out ({kind}): {_names(files, found.root)}")
    groups: dict[str, list[tuple[Path, FileDataset]]] = {}
    for path, dataset in images:
        groups.setdefault(str(dataset.SeriesInstanceUID), []).append((path, dataset))
    return [_series(groups[uid]) for uid in sorted(groups)]


def _read(path: Path) -> FileDataset:
    """Return the attributes of one image file whose pixel data is whole."""
    import pydicom
    from pydicom.errors import InvalidDicomError
    from pydicom.uid import DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage

    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _refuse_referenced(path)
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(_TAGS))
            kind = dataset.file_meta.get("MediaStorageSOPClassUID") or dataset.get("SOPClassUID")
            if kind == MediaStorageDirectoryStorage:
                raise _NotDicomError("a DICOMDIR")
            if not dataset.file_meta.get("TransferSyntaxUID"):
                raise _BrokenError("no transfer syntax in its file header")
            class_name = getattr(kind, "name", "") or "unknown class"
            if dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
                problem = _missing_pixels(dataset, class_name, lambda: _unpacked_problem(path))
            else:
                problem = _missing_pixels(dataset, class_name, lambda: find_pixel_problem(stream, dataset))
    except InvalidDicomError:
        raise _NotDicomError("no DICOM preamble") from None
    except OSError as error:
        raise _BrokenError(error.strerror or str(error)) from None
    except (_NotDicomError, _NotImageError, _BrokenError):
        raise
    except Exception as error:  # a parser on foreign bytes raises nearly anything
        logging.getLogger(__name__).debug("cannot parse %s", path, exc_info=True)
        raise _BrokenError(f"damaged DICOM: {type(error).__name__}: {error}") from None
    if problem:
        raise _BrokenError(problem)
    for keyword in _REQUIRED_UIDS:
        value = str(dataset.get(keyword) or "")
        if len(value) > 64 or not _UID.fullmatch(value):
            raise _BrokenError(f"{keyword} is {value!r}" if value else f"no {keyword}")
    return dataset


def _refuse_referenced(path: Path) -> None:
    """Refuse a file whose pixels are on a server: pydicom does not read those of which the rest is packed."""
    from pydicom.filereader import read_file_meta_info

    syntax = read_file_meta_info(path).get("TransferSyntaxUID", "")
    if syntax in _REFERENCED:
        raise _BrokenError("its pixels are not in the file but on a server (JPIP)")


def _unpacked_problem(path: Path) -> str | None:
    import pydicom

    return find_unpacked_problem(pydicom.dcmread(path))


def _missing_pixels(dataset: FileDataset, class_name: str, problem_of_pixels: Callable[[], str | None]) -> str | None:
    missing = [keyword for keyword in ("Rows", "Columns") if not dataset.get(keyword)]
    if missing:
        if "Image Storage" not in class_name:
            raise _NotImageError(class_name)
        return f"{class_name} that ends before its image attributes ({', '.join(missing)})"
    problem = problem_of_pixels()
    return f"{class_name} without pixel data" if problem == "no pixel data" else problem


def _without_copies(
    images: Iterable[tuple[Path, FileDataset]], root: Path
) -> tuple[list[tuple[Path, FileDataset]], dict[Path, str]]:
    kept: dict[str, tuple[Path, FileDataset]] = {}
    copies: dict[Path, str] = {}
    for path, dataset in images:
        uid = str(dataset.SOPInstanceUID)
        if uid not in kept:
            kept[uid] = (path, dataset)
        elif filecmp.cmp(path, kept[uid][0], shallow=False):
            copies[path] = f"same as {kept[uid][0].relative_to(root)}"
        else:
            raise InputDataError(
                f"two different files carry the SOP Instance UID {uid}: "
                f"{kept[uid][0].relative_to(root)}, {path.relative_to(root)}",
                fix="the platform keeps only one of them: remove the wrong one",
            )
    return list(kept.values()), copies


def _series(items: list[tuple[Path, FileDataset]]) -> Series:
    by_name = {path.name: (path, data) for path, data in items}
    if len(by_name) < len(items):  # one name in several folders
        by_name = {str(path): (path, data) for path, data in items}
    judged = judge([facts.facts_of(data, name) for name, (_, data) in by_name.items()])
    items = [by_name[image.file] for image in judged.images]
    first = items[0][1]
    parents = {path.parent for path, _ in items}
    modality = str(first.get("Modality") or "OT")
    # a multi-frame image is a volume of its own, but masks are not compared with it frame by frame
    regular = judged.grid if judged.is_regular and all(image.frames == 1 for image in judged.images) else None
    return Series(
        name=str(first.get("SeriesDescription") or modality),
        path=parents.pop() if len(parents) == 1 else _common_parent(parents),
        modality=modality,
        series_instance_uid=str(first.SeriesInstanceUID),
        study_instance_uid=str(first.StudyInstanceUID),
        patient_id=str(first.get("PatientID") or ""),
        frame_of_reference_uid=str(first.get("FrameOfReferenceUID") or ""),
        instances=tuple(Instance(path, str(data.SOPInstanceUID), str(data.SOPClassUID)) for path, data in items),
        geometry=None if regular is None else Geometry.of(regular),
        grid=judged.grid,
        problems=judged.problems,
    )


def _common_parent(folders: set[Path]) -> Path:
    import os

    return Path(os.path.commonpath([str(folder) for folder in folders]))


def _names(files: Mapping[Path, str], root: Path) -> str:
    names = [str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in sorted(files)]
    return join_names(names, _NAMED)


def _common_reason(files: Mapping[Path, str]) -> str:
    """Return the problem that all of the files have, to stand behind their names; empty where they differ."""
    reasons = set(files.values())
    return f" ({reasons.pop()})" if len(reasons) == 1 else ""


def _reasons(files: Mapping[Path, str], root: Path) -> str:
    lines = [f"{_names({path: ''}, root)}: {reason}" for path, reason in sorted(files.items()) if reason]
    return "\n".join(lines[:_NAMED])
