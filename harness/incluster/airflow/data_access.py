"""Find out whether the code of a task reads the data of its run, which other releases hide (runtime 3, 7.8)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_OF_PATHS: Final = frozenset({"open", "os.listdir", "os.scandir", "os.chdir", "glob.glob", "glob.glob/2"})
_OF_COMMANDS: Final = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"})


def watch_reads(folder: Path) -> Callable[[], bool]:
    """Watch this process until its end; return a function that tells whether it has read at or below a folder."""
    root, seen = str(folder), False

    def look(path: Any) -> None:
        nonlocal seen
        if seen or not isinstance(path, (str, bytes, os.PathLike)):
            return
        full = os.path.abspath(os.fsdecode(path))
        seen = full == root or full.startswith(f"{root}{os.sep}")

    def on_event(event: str, values: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in _OF_PATHS and values:
            look(values[0])
        elif event in _OF_COMMANDS:
            seen = seen or root in repr(values)

    sys.addaudithook(on_event)
    # functions that check for a file without an audit event of Python
    for name in ("stat", "lstat"):
        setattr(os, name, _wrap(getattr(os, name), look))
    return lambda: seen


def _wrap(function: Callable[..., Any], look: Callable[[Any], None]) -> Callable[..., Any]:
    def asked(path: Any, *args: Any, **kwargs: Any) -> Any:
        look(path)
        return function(path, *args, **kwargs)

    return asked
