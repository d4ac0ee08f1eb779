"""Bring model weights to a folder (build 8). Program of the image base-model-installer.

``/model_lookup.json`` says what there is: for each task the models that have it, a file that shows that it is there,
and where its archive is. A task that cannot be downloaded is only logged, as on the platform.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOOKUP = Path("/model_lookup.json")
LOG = logging.getLogger("provide-models")
_TIMEOUT_S = 60


def main(arguments: Sequence[str] | None = None, lookup: Path = LOOKUP) -> int:
    """Download or unpack the wanted tasks; the exit status, 1 where the lookup cannot be read."""
    options = _parse(arguments)
    try:
        known = json.loads(lookup.read_text("utf-8"))
    except (OSError, ValueError) as error:
        LOG.error("%s cannot be read: %s", lookup, error)
        return 1
    wanted = list(known) if options.all else [task for task in options.task_ids.split(",") if task.strip()]
    for task in map(str.strip, wanted):
        if task not in known:
            LOG.error("task %s is not in %s, which has %s", task, lookup, ", ".join(known))
            continue
        try:
            _provide(task, known[task], options)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            LOG.error("task %s: %s: %s", task, type(error).__name__, error)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Bring model weights to a folder.")
    parser.add_argument("--all", type=_is_true, default=False, help="true: every task of the lookup")
    parser.add_argument("--task-ids", default=os.environ.get("TASK_IDS", ""), help="tasks, separated by commas")
    parser.add_argument(
        "--download-dir", type=Path, default=Path("/kaapana/app/models"), help="where archives are kept"
    )
    parser.add_argument("-e", "--extract", action="store_true", help="unpack what was downloaded")
    parser.add_argument(
        "--extraction-dir", type=Path, default=Path(os.environ.get("MODEL_DIR", "/models")), help="where models belong"
    )
    return parser.parse_args(arguments)


def _is_true(text: str) -> bool:
    return text.lower() in ("true", "1", "yes")


def _provide(task: str, entry: dict[str, Any], options: argparse.Namespace) -> None:
    archive = options.download_dir / f"{task}.zip"
    if not options.extract:
        _download(entry["download_link"], archive)
        return
    missing = [model for model in entry["models"] if not _is_there(options.extraction_dir, model, task, entry)]
    if not missing:
        LOG.info("task %s is in %s already", task, options.extraction_dir)
        return
    _download(entry["download_link"], archive)
    for model in missing:
        _unpack(archive, options.extraction_dir / model, task)
        if not _is_there(options.extraction_dir, model, task, entry):
            LOG.error("task %s: its archive has no %s for the model %s", task, entry["check_file"], model)


def _is_there(folder: Path, model: str, task: str, entry: dict[str, Any]) -> bool:
    return os.path.exists(folder / model / task / entry["check_file"])


def _download(link: str, archive: Path) -> None:
    """Fetch an archive, unless it exists from the image or an earlier run."""
    if archive.is_file():
        return
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(".partial")
    LOG.info("download %s", link)
    try:
        with urllib.request.urlopen(link, timeout=_TIMEOUT_S) as source, partial.open("wb") as target:
            shutil.copyfileobj(source, target)
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)


def _unpack(archive: Path, folder: Path, task: str) -> None:
    """Unpack an archive below the task's folder, which the archive may contain itself."""
    with zipfile.ZipFile(archive) as content:
        names = [name for name in content.namelist() if not name.endswith("/")]
        own = bool(names) and all(name.startswith(f"{task}/") for name in names)
        target = folder if own else folder / task
        target.mkdir(parents=True, exist_ok=True)
        LOG.info("unpack %d files to %s", len(names), target)
        content.extractall(target)


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s - %(name)s - %(levelname)s - %(message)s")
    sys.exit(main())
