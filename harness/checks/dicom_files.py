"""Read DICOM files that came out of a container, within bounds."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pydicom

from harness.errors import CheckError

LARGEST_FILE: Final = 2 << 30
"""Bytes of a file, and what a deflated one may become."""


def read_object(path: Path, kind: str, sop_classes: frozenset[str], *, complete: bool = False) -> pydicom.Dataset:
    """Return a DICOM object of a kind.

    Args:
        kind: how messages call it.
        complete: read all values now; without it a damaged one comes to light when it is first asked for.

    Raises:
        CheckError: it cannot be read, or is something else.
    """
    dataset = read_dataset(path, LARGEST_FILE, complete=complete)
    sop_class = read_text(dataset, "SOPClassUID")
    if sop_class not in sop_classes:
        name = pydicom.uid.UID(sop_class).name if sop_class else "without SOP class"
        raise CheckError(f"{path.name} is not a {kind} but {name}", evidence=str(path))
    return dataset


def read_dataset(path: Path, most: int, *, complete: bool = False) -> pydicom.Dataset:
    """Return a DICOM object.

    Args:
        most: bytes that it may have, also after it was inflated.
        complete: see :func:`read_object`.

    Raises:
        CheckError: it cannot be read, or is larger.
    """

    def refuse(why: str) -> CheckError:
        return CheckError(f"{path.name} cannot be read as DICOM: {why}", evidence=str(path))

    try:
        if path.stat().st_size > most:
            raise refuse(f"it is larger than {most >> 20} MiB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _is_deflated(path) and _inflated_size(path, most) > most:
                raise refuse(f"it becomes more than {most >> 20} MiB when it is inflated")
            dataset = pydicom.dcmread(path)
            for _ in dataset.iterall() if complete else ():
                pass
            return dataset
    except CheckError:
        raise
    except Exception as error:  # a parser on foreign bytes raises nearly anything
        raise refuse(str(error) or type(error).__name__) from None


def read_text(dataset: Any, keyword: str) -> str:
    """Return an attribute as text, several values joined by commas; empty where it is absent or damaged."""
    try:
        value = dataset.get(keyword)
    except Exception:  # a value is converted when it is first asked for, and may be anything
        return ""
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value)


def read_items(dataset: Any, keyword: str) -> Sequence[pydicom.Dataset]:
    """Return the items of a sequence; none where it is absent or damaged."""
    try:
        value = dataset.get(keyword)
    except Exception:  # as above
        return ()
    return value if isinstance(value, pydicom.Sequence) else ()


def drop_damaged(dataset: pydicom.Dataset) -> list[str]:
    """Remove the elements that cannot be read, also in sequences, and return a line for each.

    A value is converted when it is first asked for, which may fail in any way. What is needed of a damaged object is
    absent afterwards, and what is not does no harm.
    """
    found = []
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
            expected = _expected_vr(tag)
            if expected and (expected == "SQ") != (element.VR == "SQ"):
                raise ValueError(f"its value representation is {element.VR}")
            items = list(element.value) if element.VR == "SQ" else []
        except Exception as error:  # a parser on foreign bytes raises nearly anything
            found.append(f"element {tag} cannot be read: {' '.join(str(error).split()) or type(error).__name__}")
            del dataset[tag]
            continue
        for item in items:
            found += drop_damaged(item)
    return found


def _expected_vr(tag: Any) -> str:
    """Return the VR of an element by the standard; empty if the standard does not define it."""
    try:
        return str(pydicom.datadict.dictionary_VR(tag))
    except KeyError:
        return ""


def _is_deflated(path: Path) -> bool:
    meta = pydicom.filereader.read_file_meta_info(path)
    return bool(meta.get("TransferSyntaxUID") == pydicom.uid.DeflatedExplicitVRLittleEndian)


def _inflated_size(path: Path, most: int) -> int:
    """Return the size of a deflated file, or more than ``most``, without having it in memory."""
    inflating, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with path.open("rb") as file:
        # preamble, and the meta header, whose length is its first element
        head = file.read(144)
        file.seek(144 + int.from_bytes(head[140:144], "little"))
        while (data := file.read(1 << 20)) and total <= most:
            # behind its end a stream returns what it is given again and again
            while data and not inflating.eof and total <= most:
                total += len(inflating.decompress(data, 1 << 20))
                data = inflating.unconsumed_tail
    return total
