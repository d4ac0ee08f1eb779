"""Containers that are never started: they give access to the files of an image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness import engine
from harness.engine import leftovers

if TYPE_CHECKING:
    from docker import APIClient


@contextlib.contextmanager
def container(image: str, api: APIClient) -> Iterator[str]:
    """Yield the name of a container of an image, which is removed after the block.

    Args:
        image: id or name in the engine; it need not have anything that could be run.
        api: the engine.

    Raises:
        docker.errors.APIError, requests.RequestException: the engine refuses, or does not answer.
        EngineError, UsageError: the ledger cannot be used.
    """
    with leftovers.recording_container("read", api) as entry:
        name, labels = leftovers.name_container(entry.id), leftovers.make_labels(entry)
        engine.create_container(api, image, ["-"], entrypoint=["-"], name=name, labels=labels)
        yield name
