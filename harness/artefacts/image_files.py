"""Read the files that a DAG image installs in Airflow from the image, without running any of it."""

from __future__ import annotations

import functools
import tarfile
import tempfile
from pathlib import PurePosixPath
from typing import IO, Any

from harness import engine
from harness.engine import unstarted
from harness.errors import ExtensionError, ImageError
from harness.extension import INSTALL_ROOT, DagImageContents, InstalledFile

_MOST_FILES = 20_000
_MOST_BYTES = 256 << 20
_MOST_TEXT = 2 << 20


def read_contents(image_id: str, shown: str) -> DagImageContents:
    """Return the files that a DAG image installs.

    Args:
        image_id: id or name in the engine.
        shown: how messages name the image.

    Raises:
        ExtensionError: it installs more than an extension reasonably does.
        ImageError: the engine does not hand its files out.
    """
    import docker
    import requests

    api = engine.connect_api(timeout_s=300)
    try:
        with unstarted.container(image_id, api) as name, tempfile.TemporaryFile(prefix="kh-dag-image-") as file:
            if not _fetch(api, name, file, shown):
                return DagImageContents(())
            return DagImageContents(tuple(_files(file, shown)))
    except (docker.errors.APIError, requests.RequestException, tarfile.TarError) as error:
        raise ImageError(f"the files of {shown} cannot be read", last_seen=engine.read_message(error)) from None
    finally:
        api.close()


def _fetch(api: Any, container: str, file: IO[bytes], shown: str) -> bool:
    """Write the files that a container installs to an archive; return whether there are any."""
    import docker

    try:
        blocks, _ = api.get_archive(container, str(INSTALL_ROOT))
    except docker.errors.NotFound:
        return False
    _spool(blocks, file, shown)
    return True


def _spool(blocks: object, file: IO[bytes], shown: str) -> None:
    size = 0
    for block in blocks:  # type: ignore[attr-defined]
        size += len(block)
        if size > _MOST_BYTES:
            raise ExtensionError(
                f"{shown} brings more than {_MOST_BYTES >> 20} MiB to Airflow below {INSTALL_ROOT}",
                fix="data and models do not belong in the DAG image",
            )
        file.write(block)
    file.seek(0)


def _files(file: IO[bytes], shown: str) -> list[InstalledFile]:
    found = []
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for number, member in enumerate(archive, 1):
            if number > _MOST_FILES:
                raise ExtensionError(f"{shown} brings more than {_MOST_FILES} files to Airflow below {INSTALL_ROOT}")
            # the archive begins with the last part of the path that was asked for
            parts = PurePosixPath(member.name).parts[1:]
            if not member.isreg() or not parts or ".." in parts:
                continue
            installed = PurePosixPath(*parts).as_posix()
            content: bytes | None = None
            if member.size <= _MOST_TEXT and installed.endswith(".py"):
                opened = archive.extractfile(member)
                assert opened is not None
                content = opened.read()
            name = f"{installed} in the image {shown}"
            found.append(InstalledFile(installed, name, functools.partial(_text, content, name)))
    return sorted(found, key=lambda entry: entry.installed)


def _text(content: bytes | None, name: str) -> str:
    if content is None:
        raise ExtensionError(f"{name} is not text, or larger than {_MOST_TEXT >> 10} KiB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ExtensionError(f"{name} is not UTF-8 text: {error}") from None
