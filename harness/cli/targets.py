"""Check the files and folders that a verb will write, before it spends minutes of work."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UsageError


def prepare_target(file: Path) -> None:
    """Make the folder of a file, and check that the file can be written.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        if file.exists() and not file.is_file():
            # a device would be replaced by a file
            raise OSError(None, "it is not a regular file")
        # the name is a part of that of the file in which it is made
        tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", suffix=".partial").close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{file} cannot be written: {reason}", fix="choose another place") from None


def check_out(folder: Path) -> None:
    """Check that a folder for evidence can be written, and is empty or does not exist.

    Raises:
        UsageError: it cannot be used.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"--out {folder} exists already", fix="choose a folder that does not exist or is empty")
        # a link that leads nowhere is there as well, and no folder can be made in its place
        parent = next(parent for parent in (folder, *folder.absolute().parents) if os.path.lexists(parent))
        tempfile.TemporaryFile(dir=parent).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--out {folder} cannot be written: {reason}", fix="choose another place") from None


@contextlib.contextmanager
def folder_or_temporary(chosen: Path | None) -> Iterator[Path]:
    """Yield the chosen folder, or a temporary one that is removed at the end."""
    if chosen is not None:
        yield chosen
        return
    with tempfile.TemporaryDirectory(prefix="kh-build-") as folder:
        yield Path(folder)
