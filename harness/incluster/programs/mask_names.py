"""Names of mask files and label lists that several programs and Python operators share (operators 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.incluster.programs.common import ProgramError, read_json

_NOT_COMPARED = re.compile(r"[^a-z0-9.]")


def normalise(text: str) -> str:
    """Return a name for comparisons: lower case, and only letters, digits and dots (operators 3.4)."""
    return _NOT_COMPARED.sub("", text.lower())


def file_label(label: str) -> str:
    """Return a label as part of a file name: ``/`` becomes ``++`` (operators 3.3)."""
    return label.replace("/", "++")


def mask_name(prefix: str, number: int, label: str, extension: str) -> str:
    """Return ``<prefix>--<label number>--<label name>.<extension>``."""
    return f"{prefix}--{number}--{file_label(label)}.{extension}"


def entries_of(content: Any, where: Path) -> list[dict[str, Any]]:
    """Return the entries of a label list: the list ``seg_info`` of an object, or a bare list (operators 3.1).

    Raises:
        ProgramError: it is neither, or an entry lacks ``label_name`` or ``label_int``.
    """
    entries = content.get("seg_info") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise ProgramError(f"{where} is neither a list of labels nor an object with the list seg_info")
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("label_name"), str):
            raise ProgramError(f"{where}: entry {place} needs label_name and label_int")
        try:
            int(entry["label_int"])
        except (KeyError, TypeError, ValueError):
            raise ProgramError(f"{where}: label_int of entry {place} ({entry['label_name']}) is not a number") from None
    return entries


def segments_of(meta: Any, where: Path) -> list[dict[str, Any]]:
    """Return the segments of dcmqi's ``*-meta.json``, from however its lists are nested (operators 3.2)."""
    groups = meta.get("segmentAttributes") if isinstance(meta, dict) else None
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise ProgramError(f"{where} has no segmentAttributes, so it describes no segments")
    segments = [segment for group in groups for segment in group]
    for segment in segments:
        if not isinstance(segment, dict) or not isinstance(segment.get("labelID"), int):
            raise ProgramError(f"{where}: a segment without labelID")
    return segments


def find_only_json(folder: Path, part: str) -> Path | None:
    """Return the only ``*.json`` of a folder whose path contains ``part``; None if none or several do."""
    found = [path for path in sorted(folder.glob("*.json")) if part in str(path)]
    return found[0] if len(found) == 1 else None


def label_list(folder: Path) -> tuple[list[dict[str, Any]], Path]:
    """Return the labels of the masks in a folder, from ``seg_info`` or the only ``*-meta.json``, and that file's path.

    Raises:
        ProgramError: there is neither.
    """
    if path := find_only_json(folder, "seg_info"):
        return entries_of(read_json(path), path), path
    metas = sorted(folder.glob("*-meta.json"))
    if len(metas) != 1:
        raise ProgramError(
            f"{folder} needs exactly one *.json with seg_info in its path, or exactly one *-meta.json; "
            f"it has {', '.join(path.name for path in sorted(folder.glob('*.json'))) or 'no *.json'}"
        )
    segments = segments_of(read_json(metas[0]), metas[0])
    entries = [{"label_name": str(s.get("SegmentLabel", "")), "label_int": s["labelID"]} for s in segments]
    return entries, metas[0]


def select_containing(masks: Sequence[Path], texts: Sequence[str]) -> list[Path]:
    """Return the masks whose whole normalised path contains one of the texts."""
    return [mask for mask in masks if any(text in normalise(str(mask)) for text in texts)]
