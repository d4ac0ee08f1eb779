"""``small_ct``: five neighbouring slices of a real CT.

They come with pydicom (``dicomdirtests/98892001/CT5N``, a de-identified cardiac CT, each slice reduced to 16 x 16
pixels). Of the series in that collection it is the one that is a volume a converter can use: axial, one
orientation, uniform 2.5 mm gaps. The other CT series there has a slice 200 mm away from the rest, the third is a
localiser.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from harness.data._store import default_cache, prepare_once
from harness.data.reading import read_input
from harness.data.series import Series

RECIPE = 1
SERIES_INSTANCE_UID = "1.3.6.1.4.1.5962.1.1.0.0.0.1194734704.16302.0.6"
_FOLDER = ("data", "test_files", "dicomdirtests", "98892001", "CT5N")


def small_ct(cache: Path | None = None) -> Series:
    """Return a CT series of five 16 x 16 slices, copied unchanged into the cache folder as ``<SOP Instance UID>.dcm``.

    It has no truth. Stored values are offset by 1024 (RescaleIntercept -1024).

    Args:
        cache: cache folder, the one of the settings by default.
    """
    return prepare_once(cache or default_cache(), f"small-ct-{RECIPE}", _prepare)


def _prepare(folder: Path, _: Path) -> tuple[Series, None]:
    import pydicom

    [source] = read_input(Path(pydicom.__file__).parent.joinpath(*_FOLDER))
    if source.series_instance_uid != SERIES_INSTANCE_UID or source.geometry is None:
        raise RuntimeError(f"pydicom {pydicom.__version__} has another series in {source.path}")
    for instance in source.instances:
        shutil.copyfile(instance.path, folder / f"{instance.sop_instance_uid}.dcm")
    [copy] = read_input(folder)
    return dataclasses.replace(copy, name="small_ct"), None
