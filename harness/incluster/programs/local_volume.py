"""Files of a mounted folder, for LocalVolumeMountOperator (operators 6.17)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.incluster.programs.common import ProgramError, RunFolder, say


def _is_allowed(name: str, endings: Sequence[str]) -> bool:
    return name.lower().endswith(tuple(endings))


def take(run: RunFolder, mount: str, names: Sequence[str], endings: Sequence[str], output: str | None) -> int:
    """Copy the named files at the top of the mounted folder into the run's, or remove them without ``output``."""
    count = 0
    for path in sorted(Path(mount).glob("*")):
        if path.name not in names or not path.is_file() or not _is_allowed(path.name, endings):
            continue
        if output is None:
            path.unlink()
            say(f"{path} removed")
        else:
            target = run.inside(output, path.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
            say(f"{path} -> {run.relative(target)}")
        count += 1
    return count


def put(run: RunFolder, mount: str, folders: Sequence[str], endings: Sequence[str], keep_structure: bool) -> int:
    """Copy files of the elements' folders into the mounted one, flat or below ``<run id>/<batch>/...``."""
    root = Path(mount)
    if not root.is_dir():
        raise ProgramError(f"{mount} is not mounted here")
    count = 0
    for element in run.elements():
        for folder in folders:
            for path in sorted(run.inside(run.batch, element.name, folder).glob("*")):
                if not path.is_file() or not _is_allowed(path.name, endings):
                    continue
                below = Path(run.root.name) / path.relative_to(run.root) if keep_structure else Path(path.name)
                (root / below).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, root / below)
                say(f"{run.relative(path)} -> {root / below}")
                count += 1
    return count
