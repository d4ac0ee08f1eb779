"""List the regular files of an author's folder, within bounds and without leaving it."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

from harness.errors import InputDataError

MAX_DEPTH = 16
MAX_FILES = 20_000
MAX_FILE_BYTES = 2 * 1024**3
MAX_TOTAL_BYTES = 16 * 1024**3


@dataclasses.dataclass
class Scan:
    """What a folder holds: ``files`` to be read, ``left_out`` with the reason, ``unreadable`` with the reason."""

    root: Path
    files: list[Path] = dataclasses.field(default_factory=list)
    left_out: dict[Path, str] = dataclasses.field(default_factory=dict)
    unreadable: dict[Path, str] = dataclasses.field(default_factory=dict)


def scan(folder: Path) -> Scan:
    """Walk ``folder`` in a fixed order.

    Links are followed only where they stay inside the folder; devices, pipes and sockets are left out
    (opening a pipe would wait for ever).

    Raises:
        InputDataError: the folder is missing or is a file, is nested too deeply, or holds too much.
    """
    if not folder.exists():
        raise InputDataError(
            f"there is no folder {folder}", fix="give a folder with the DICOM files of the input series"
        )
    if not folder.is_dir():
        raise InputDataError(f"{folder} is not a folder", fix="give the folder that holds the DICOM files")
    root = folder.resolve()
    found = Scan(root)
    total = 0

    def note_unreadable(error: OSError) -> None:
        found.unreadable[Path(error.filename or root)] = error.strerror or str(error)

    for parent, folders, names in os.walk(root, onerror=note_unreadable):
        folders.sort()
        if len(Path(parent).relative_to(root).parts) > MAX_DEPTH:
            raise InputDataError(
                f"{folder} has folders nested more than {MAX_DEPTH} deep",
                last_seen=parent,
                fix="give the series' own folder",
            )
        for name in sorted(names):
            path = Path(parent, name)
            reason, size = _judge(path, root)
            if reason:
                found.left_out[path] = reason
                continue
            if size > MAX_FILE_BYTES:
                raise InputDataError(f"{path} is larger than {MAX_FILE_BYTES // 1024**3} GiB: not taken as input")
            total += size
            found.files.append(path)
            if len(found.files) > MAX_FILES or total > MAX_TOTAL_BYTES:
                raise InputDataError(
                    f"{folder} holds more than {MAX_FILES} files or {MAX_TOTAL_BYTES // 1024**3} GiB",
                    fix="give a folder with the series of one run",
                )
    return found


def _judge(path: Path, root: Path) -> tuple[str, int]:
    """Return why a file is left out ('' if it is not), and its size."""
    try:
        status = path.stat()
        if path.is_symlink() and root not in path.resolve().parents:
            return "a link out of the folder", 0
    except (OSError, RuntimeError):
        return "a broken link", 0
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file", 0
    return "", status.st_size
