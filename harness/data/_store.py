"""Prepared series in the cache folder: made once, complete or not there, checked when they are found again."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.common.locking import hold_lock
from harness.data.series import Geometry, Instance, Series, Truth

_INDEX = "series.json"
_DICOM = "dicom"


def default_cache() -> Path:
    """Return the cache folder of the settings in force."""
    from harness.settings import Settings

    return Settings.load().cache


def prepare_once(cache: Path, key: str, prepare: Callable[[Path, Path], tuple[Series, Path | None]]) -> Series:
    """Return the series ``<cache>/data/<key>``, made by ``prepare`` where it is not there.

    Args:
        cache: the cache folder.
        key: folder name; it must change whenever ``prepare`` would write other bytes.
        prepare: writes ``*.dcm`` into the first folder it is given, the archive with the truth (if any) into
            the second, and returns the series and that archive.
    """
    folder = cache / "data" / key
    series = _load(folder)
    if series is not None:
        return series
    with hold_lock(cache / "data" / f"{key}.lock", timeout_s=300.0, purpose=f"preparing {key}"):
        series = _load(folder)
        if series is not None:
            return series
        building = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder.parent))
        try:
            dicom = building / _DICOM
            dicom.mkdir()
            made, truth = prepare(dicom, building)
            _write_index(building, made, truth)
            shutil.rmtree(folder, ignore_errors=True)
            os.chmod(building, 0o755)  # mkdtemp makes 0700, containers read it as another user
            building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    series = _load(folder)
    if series is None:
        raise RuntimeError(f"{folder} is not what was just written there")
    return series


def _write_index(folder: Path, series: Series, truth: Path | None) -> None:
    fields = {
        field.name: getattr(series, field.name)
        for field in dataclasses.fields(series)
        if field.name not in {"path", "instances", "truth", "geometry", "grid", "problems"}
    }
    names: list[str] = []
    if truth is not None:
        import numpy as np

        with np.load(truth, allow_pickle=False) as archive:
            names = sorted(archive.files)
    index = {
        "series": fields,
        "geometry": dataclasses.asdict(series.geometry) if series.geometry else None,
        "instances": [[item.path.name, item.sop_instance_uid, item.sop_class_uid] for item in series.instances],
        "truth": {"file": truth.name, "names": names} if truth else None,
        "sizes": _sizes(folder),
    }
    (folder / _INDEX).write_text(json.dumps(index, indent=1), "utf-8")


def _sizes(folder: Path) -> dict[str, int]:
    """Return name and size of every file but the index: a file that was lost, cut or added shows."""
    sizes = {}
    for parent in (folder, folder / _DICOM):
        for entry in os.scandir(parent):
            if entry.is_file() and entry.name != _INDEX:
                sizes[os.path.relpath(entry.path, folder)] = entry.stat().st_size
    return sizes


def _load(folder: Path) -> Series | None:
    """Return the prepared series, ``None`` where it is absent or not as it was written."""
    try:
        index: dict[str, Any] = json.loads((folder / _INDEX).read_text("utf-8"))
        if _sizes(folder) != index["sizes"]:
            return None
        geometry = index["geometry"]
        truth = index["truth"]
        return Series(
            **index["series"],
            path=folder / _DICOM,
            instances=tuple(Instance(folder / _DICOM / name, uid, kind) for name, uid, kind in index["instances"]),
            geometry=Geometry(**{key: tuple(value) for key, value in geometry.items()}) if geometry else None,
            truth=Truth(folder / truth["file"], tuple(truth["names"])) if truth else Truth(),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
