"""ZIP archives of DICOM files from the harness's control interface: bounded, and no name is used as a path."""

from __future__ import annotations

import errno
import stat
import zipfile
from pathlib import Path, PurePosixPath

from harness.incluster.services.config import Limits
from harness.incluster.services.dicom import dicomfile
from harness.incluster.services.dicom.dicomfile import DicomError

_ENCRYPTED = 0x1


class UploadError(Exception):
    """The archive is refused; names the entry."""


def unpack(archive: Path, folder: Path, limits: Limits) -> dict[str, list[Path]]:
    """Extract the DICOM files of an archive.

    Returns:
        Series UID -> files (named by number) in the order of the archive.

    Raises:
        UploadError: not a ZIP; a name that leaves the archive, a link, encryption; too many entries or too much
            data; a file that is not whole DICOM.
    """
    series: dict[str, list[Path]] = {}
    allowed = min(limits.upload_bytes, max(limits.zip_floor, archive.stat().st_size * limits.zip_ratio))
    try:
        with zipfile.ZipFile(archive) as zipped:
            entries = [entry for entry in zipped.infolist() if not entry.is_dir()]
            _check(zipped.infolist(), limits)
            for number, entry in enumerate(entries):
                path = folder / f"{number}.dcm"
                allowed -= _extract(zipped, entry, path, min(allowed, limits.object_bytes))
                try:
                    uid = dicomfile.identifiers(path, dicomfile.scan(path)).series
                except DicomError as problem:
                    raise UploadError(f"{entry.filename}: {problem}") from None
                series.setdefault(uid, []).append(path)
    except UploadError:
        raise
    except OSError as problem:
        # a place in the archive that cannot be is not a fault of the disk
        if problem.errno != errno.EINVAL:
            raise
        raise UploadError(f"the ZIP archive cannot be read: {problem}") from None
    except Exception as problem:  # the library raises many kinds of errors on bad archives
        raise UploadError(f"the ZIP archive cannot be read: {problem}") from None
    if not series:
        raise UploadError("the archive holds no file")
    return series


def _check(entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(entries) > limits.zip_entries:
        raise UploadError(f"the archive has {len(entries)} entries, {limits.zip_entries} are allowed")
    for entry in entries:
        name = entry.orig_filename
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or "\0" in name or ":" in path.parts[:1]:
            raise UploadError(f"entry {name!r} points outside of the archive")
        mode = entry.external_attr >> 16
        if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_IFMT(mode) == 0):
            raise UploadError(f"entry {name!r} is a link or a device")
        if entry.flag_bits & _ENCRYPTED:
            raise UploadError(f"entry {name!r} is encrypted")
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise UploadError(f"entry {name!r} is packed in a way other than deflate")


def _extract(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, allowed: int) -> int:
    size = 0
    with zipped.open(entry) as source, path.open("wb") as target:
        while chunk := source.read(1 << 20):
            size += len(chunk)
            if size > allowed:
                raise UploadError(f"entry {entry.filename!r}: the archive unpacks to more than is allowed")
            target.write(chunk)
    return size
