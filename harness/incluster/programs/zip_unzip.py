"""Folders to archives and back (operators 6.3). The program of ZipUnzipOperator."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from harness.incluster.programs.common import ProgramError, RunFolder, comma_list, flag, require, say

# the working directory of the platform's container; its archives name files relative to it
_WORKING_DIRECTORY = "kaapana/app"
_MAX_UNPACKED_BYTES = 200 * 2**30
_CHUNK = 2**20


def _value(name: str) -> str:
    """Return a parameter; ``NONE`` is how the operator says that it is not given."""
    text = os.environ.get(name, "NONE")
    return "" if text.upper() == "NONE" else text


def _patterns(name: str) -> list[str]:
    return [entry.replace("*", "") for entry in comma_list(_value(name)) if entry.replace("*", "")]


def _ends(name: str, patterns: list[str]) -> bool:
    """Return whether the first occurrence of one of the texts is the end of the name."""
    return any(0 <= name.find(text) == len(name) - len(text) for text in patterns)


def _choose(folder: Path) -> Iterator[Path]:
    blacklist, whitelist = _patterns("BLACKLIST_FILES"), _patterns("WHITELIST_FILES")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _ends(path.name, blacklist) and (not whitelist or _ends(path.name, whitelist)):
            yield path


def _zip(run: RunFolder, parent: Path) -> int:
    """Pack one folder, and return the number of files; an empty folder gives an empty archive."""
    subdir = _value("SUBDIR")
    folder = run.inside(run.relative(parent), require("OPERATOR_IN_DIR"), subdir)
    output = _output(run, parent)
    # the name is used unchanged, with its blanks; a folder in it must exist
    target = run.inside(run.relative(output), _value("TARGET_FILENAME"))
    count = 0
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in _choose(folder):
                if not path.resolve().is_relative_to(run.root):
                    say(f"warning: {run.relative(path)} is a link that leads out of the run's folder, left out")
                    continue
                inside = path.relative_to(folder).as_posix()
                deeper = subdir and "/" in inside
                archive.write(path, inside if deeper else f"{_WORKING_DIRECTORY}/{inside}")
                count += 1
    except OSError as error:
        raise ProgramError(f"target_filename {_value('TARGET_FILENAME')!r} cannot be written: {error}") from error
    say(f"{run.relative(folder)}: {count} file(s) -> {run.relative(target)} ({target.stat().st_size} bytes)")
    return count


def _output(run: RunFolder, parent: Path) -> Path:
    output = run.inside(run.relative(parent), require("OPERATOR_OUT_DIR"))
    output.mkdir(parents=True, exist_ok=True)
    return output


def _unzip(run: RunFolder, parent: Path) -> int:
    """Unpack the archives of one folder, and return how many there are."""
    folder = run.inside(run.relative(parent), require("OPERATOR_IN_DIR"))
    output = _output(run, parent)
    archives = sorted(folder.glob("*.zip"))
    for path in archives:
        try:
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                if sum(member.file_size for member in members) > _MAX_UNPACKED_BYTES:
                    raise ProgramError(f"{path.name} unpacks to more than {_MAX_UNPACKED_BYTES} bytes")
                for member in members:
                    _unpack(run, archive, member, output)
        except zipfile.BadZipFile as error:
            raise ProgramError(f"{run.relative(path)} is not a zip archive: {error}") from error
        say(f"{run.relative(path)}: {len(members)} file(s) -> {run.relative(output)}")
    return len(archives)


def _unpack(run: RunFolder, archive: zipfile.ZipFile, member: zipfile.ZipInfo, output: Path) -> None:
    """Unpack one file, with at most the bytes of its entry, and only below the run's folder."""
    target = run.inside(run.relative(output), member.filename.lstrip("/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with archive.open(member) as source, target.open("wb") as stream:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise ProgramError(f"{member.filename} is larger than its archive says")
            stream.write(chunk)


def main() -> None:
    """Pack or unpack every element, or the run's own folder with ``BATCH_LEVEL``."""
    mode = _value("MODE")
    if mode not in ("zip", "unzip"):
        raise ProgramError(f"MODE is {mode or 'not given'}, expected zip or unzip")
    if mode == "zip" and not _value("TARGET_FILENAME"):
        raise ProgramError("the mode zip needs target_filename")
    run = RunFolder.from_environment()
    parents = [run.root] if flag("BATCH_LEVEL") else run.elements()
    work = _zip if mode == "zip" else _unzip
    if not sum(work(run, parent) for parent in parents):
        raise ProgramError(f"no files processed: nothing to {mode} in any {require('OPERATOR_IN_DIR')} folder")
