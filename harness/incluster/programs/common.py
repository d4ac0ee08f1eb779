"""Shared by the built-in programs: their environment, the run's directory, its configuration (runtime 6.2, 8).

Everything in here is untrusted: environment values come from a form, file names from an author's container.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.wire.names import SKIP_EXIT_CODE
from harness.wire.notices import Notice

_MAX_CONF_BYTES = 64 * 2**20
_PATH_COMPONENT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")


class ProgramError(Exception):
    """The program cannot do its work: the text is the cause, the exit status is 1."""

    status = 1


class SkipTaskError(ProgramError):
    """Nothing to do: skip the task (operators 2.3)."""

    status = SKIP_EXIT_CODE


def say(text: str) -> None:
    """Print a line of the task's log, at once (the log is followed live)."""
    print(text, flush=True)


def notice(rule: str, text: str, *, series: str = "") -> None:
    """Print a notice, see :class:`harness.wire.notices.Notice`."""
    say(str(Notice(rule, text, series)))


def require(name: str) -> str:
    """Return an environment variable that must be there and not be empty."""
    value = os.environ.get(name, "")
    if not value:
        raise ProgramError(f"environment variable {name} is not set")
    return value


def parameter(name: str) -> str:
    """Return a variable of an operator's parameter; empty if it is unset, or ``None`` as Python writes it."""
    value = os.environ.get(name, "")
    return "" if value == "None" else value


def flag(name: str, default: str = "False") -> bool:
    """Return a variable that holds Python's ``True`` or ``False`` as text, in any case."""
    text = os.environ.get(name) or default
    if text.lower() not in ("true", "false"):
        raise ProgramError(f"{name} is {text!r}, expected True or False")
    return text.lower() == "true"


def number(name: str, default: int, low: int, high: int) -> int:
    """Return a whole number between two bounds; unset or empty means the default."""
    text = os.environ.get(name) or str(default)
    try:
        value = int(text)
    except ValueError:
        raise ProgramError(f"{name} is {text!r}, expected a whole number") from None
    if not low <= value <= high:
        raise ProgramError(f"{name} is {value}, expected {low} to {high}")
    return value


def comma_list(text: str) -> list[str]:
    """Return the entries of a comma separated list; nothing for an empty text."""
    return text.split(",") if text else []


def path_component(text: str, what: str) -> str:
    """Return ``text`` if it is safe as the name of one file or folder, as a UID is.

    Raises:
        ProgramError: it is not; ``what`` names it.
    """
    if not isinstance(text, str) or not _PATH_COMPONENT.fullmatch(text):
        raise ProgramError(f"{what} {str(text)[:80]!r} cannot be used as a file name")
    return text


@dataclass(frozen=True)
class RunFolder:
    """``$WORKFLOW_DIR`` of one run; elements are the folders below its batch folder."""

    root: Path
    batch: str

    @classmethod
    def from_environment(cls) -> RunFolder:
        """Read ``WORKFLOW_DIR`` and ``BATCH_NAME`` (default ``batch``)."""
        root = Path("/", require("WORKFLOW_DIR")).resolve()
        return cls(root, os.environ.get("BATCH_NAME") or "batch")

    def inside(self, *parts: str) -> Path:
        """Return a path below the run's folder; a ProgramError if it leads out of it (``..``, links, absolute)."""
        path = self.root.joinpath(*parts)
        if not path.resolve().is_relative_to(self.root):
            raise ProgramError(f"{'/'.join(parts)!r} leads out of the run's folder {self.root}")
        return path

    def elements(self) -> list[Path]:
        """Return the element folders, sorted by name, without plain files."""
        return sorted(path for path in self.inside(self.batch).glob("*") if path.is_dir())

    def pairs(self, source: str, output: str) -> Iterator[tuple[Path, Path, Path]]:
        """Yield (element, input folder, output folder) of each element with an input folder; make the output folder."""
        for element in self.elements():
            folder = self.inside(self.batch, element.name, source)
            if not folder.is_dir():
                say(f"{element.name}: has no folder {source}, skipped")
                continue
            target = self.inside(self.batch, element.name, output)
            target.mkdir(parents=True, exist_ok=True)
            yield element, folder, target

    def relative(self, path: Path) -> str:
        """Return ``path`` for output: relative to the run's folder."""
        return path.relative_to(self.root).as_posix()

    def conf(self) -> dict[str, Any]:
        """Return the run's configuration, ``conf/conf.json`` (runtime 6.3)."""
        path = self.inside("conf", "conf.json")
        try:
            if path.stat().st_size > _MAX_CONF_BYTES:
                raise ProgramError(f"{path} is larger than {_MAX_CONF_BYTES} bytes")
            conf = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ProgramError(f"the run's configuration cannot be read: {error}") from error
        except ValueError as error:
            raise ProgramError(f"the run's configuration {path} is not JSON: {error}") from error
        if not isinstance(conf, dict):
            raise ProgramError(f"the run's configuration {path} is not a JSON object")
        return conf


def section(conf: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a form of the configuration; missing is a ProgramError, as the platform's programs fail without it."""
    value = conf.get(name)
    if not isinstance(value, dict):
        raise ProgramError(f"the run's configuration has no {name}; it has: {', '.join(sorted(conf)) or 'nothing'}")
    return value


def read_json(path: Path, what: str = "the file") -> Any:
    """Return the content of a JSON file that a container wrote; a ProgramError that names the file."""
    try:
        if path.stat().st_size > _MAX_CONF_BYTES:
            raise ProgramError(f"{what} {path} is larger than {_MAX_CONF_BYTES} bytes")
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ProgramError(f"{what} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"{what} {path} is not JSON: {error}") from error


def dicom_files(folder: Path) -> Iterator[Path]:
    """Yield the files below ``folder`` with a DICOM preamble, sorted, with any extension."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                stream.seek(128)
                if stream.read(4) == b"DICM":
                    yield path
