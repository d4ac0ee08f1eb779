"""Run dciodvfy on a file, in a container of the image that has the platform's programs (operators 6.21)."""

from __future__ import annotations

import contextlib
import functools
import io
import secrets
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.common import documents
from harness.errors import CheckError, EngineError, ImageError

if TYPE_CHECKING:
    from docker import APIClient

SECONDS: Final = 60
"""How long the validator may take; objects of 100 MB take a second or two."""

LARGEST: Final = 512 << 20

_IMAGE: Final = "processing"
_FOLDER, _FILE = "/tmp", "object.dcm"
_MOST_OUTPUT: Final = 8 << 20
_MEMORY: Final = 1 << 30
_NOBODY: Final = 65534
_TIMED_OUT, _NOT_FOUND = 124, 127
# it ends by itself, so that it is removed by the engine whatever becomes of this process
_SCRIPT: Final = f'timeout -k 5 {SECONDS} dciodvfy -new {_FOLDER}/{_FILE} 2>&1; echo; echo "$0 $?"'


def examine(path: Path) -> str:
    """Return the validator's output about a file.

    Raises:
        CheckError: it does not come to an end with this file.
        EngineError: there is no container engine, or it does not run the container.
        ImageError: the image with the validator cannot be made, or lacks it.
    """
    from harness.engine import connect_api, leftovers

    content = _archive(path)
    image, mark = _image(), secrets.token_hex(16)
    with (
        contextlib.closing(connect_api(timeout_s=SECONDS + 30)) as api,
        leftovers.recording_container("examine", api) as entry,
    ):
        name = leftovers.name_container(entry.id)
        output = _start_and_read(api, image, name, leftovers.make_labels(entry), content, mark)
    return read_words(output, mark, path)


def _start_and_read(api: APIClient, image: str, name: str, labels: Mapping[str, str], content: bytes, mark: str) -> str:
    import docker.errors
    import requests

    from harness import engine

    try:
        engine.create_container(
            api,
            image,
            [_SCRIPT, mark],
            name=name,
            entrypoint=["sh", "-c"],
            labels=dict(labels),
            user=f"{_NOBODY}:{_NOBODY}",
            host_config=api.create_host_config(
                auto_remove=True,
                network_mode="none",
                mem_limit=_MEMORY,
                pids_limit=64,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
            ),
        )
        api.put_archive(name, _FOLDER, content)
        return _run(api, name)
    except (docker.errors.APIError, requests.RequestException) as error:
        raise EngineError(f"the engine does not run the validator: {engine.read_message(error)}") from None


@functools.cache
def _image() -> str:
    from harness import images
    from harness.settings import Settings

    return images.ensure(_IMAGE, settings=Settings.load({}))


def _run(api: APIClient, name: str) -> str:
    """Start the container and return what it prints until it ends."""
    output = bytearray()
    chunks: Iterator[bytes] = api.attach(name, stdout=True, stderr=True, stream=True)
    api.start(name)
    for chunk in chunks:
        output += chunk
        if len(output) > _MOST_OUTPUT:
            break
    return output.decode("utf-8", "replace")


def _archive(path: Path) -> bytes:
    try:
        content = documents.read_bytes(path, most=LARGEST)
    except documents.UnreadableError as error:
        raise CheckError(f"{path.name} cannot be examined: {error}", evidence=str(path)) from None
    entry = tarfile.TarInfo(_FILE)
    entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o444, _NOBODY, _NOBODY
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def read_words(output: str, mark: str, path: Path) -> str:
    """Return the validator's own words.

    Raises:
        CheckError: it did not come to its end.
        ImageError: it is not in the image.
    """
    words, found, status = output.rpartition(f"{mark} ")
    number = int(status) if found and status.strip().isdigit() else None
    if number == _NOT_FOUND:
        raise ImageError(f"the image {_IMAGE} has no dciodvfy", fix="`kaapana-harness prune --all`, and try again")
    if number == _TIMED_OUT:
        raise CheckError(f"dciodvfy has not finished with {path.name} after {SECONDS} s", evidence=str(path))
    # 0 and 1 are its answers: without and with errors
    if number not in {0, 1}:
        how = f"with status {number}" if number is not None else "without a status, or printed too much"
        raise CheckError(
            f"dciodvfy ended {how} on {path.name}", last_seen="\n".join(words.splitlines()[-5:]), evidence=str(path)
        )
    return words
