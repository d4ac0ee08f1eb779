"""The most memory that a container had in use, sampled from the kernel's control groups.

Counted is what cannot be given back (anonymous and shared memory): that is what ends in an OOM kill; cached files
are left out.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_INTERVAL_S = 0.2
# Where an engine makes the groups of its containers, below the host's tree. With version 1 memory has a tree of its
# own, beside a tree of version 2 that has no memory in it (systemd calls that hybrid).
_PLACES: Final = (
    "memory/docker/{id}",
    "docker/{id}",
    "system.slice/docker-{id}.scope",
    "memory/system.slice/docker-{id}.scope",
    # of a rootless engine, in the tree of its user's systemd
    "user.slice/user-*.slice/user@*.service/user.slice/docker-{id}.scope",
)


class MemoryMeter:
    """Samples containers while they run.

    Args:
        tree: where the host's control groups can be read; without them nothing is measured.
    """

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._most: dict[str, int] = {}
        self._files: dict[str, Path | None] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, container: str) -> None:
        """Begin with a container that has just started."""
        self._most[container] = 0
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def end(self, container: str) -> int | None:
        """Stop, and say the most bytes seen; ``None`` when it could not be measured."""
        self._files.pop(container, None)
        return self._most.pop(container, None) or None

    async def _run(self) -> None:
        while self._most:
            # in a thread: the kernel computes the sums, which may take a while on a busy machine
            for container, used in (await asyncio.to_thread(self._sample, list(self._most))).items():
                if container in self._most:
                    self._most[container] = max(self._most[container], used)
            await asyncio.sleep(_INTERVAL_S)
        self._task = None

    def _sample(self, containers: list[str]) -> dict[str, int]:
        result = {}
        for container in containers:
            if container not in self._files:
                self._files[container] = find_statistics(self._tree, container)
            path = self._files[container]
            if path is None:
                continue
            try:
                result[container] = count_unreclaimable(path.read_text("ascii"))
            except OSError:
                # the container has just ended
                continue
        return result


def find_statistics(tree: Path, container: str) -> Path | None:
    """Return the file with a container's memory statistics; ``None`` without such a group.

    Args:
        tree: of the host's control groups, of either version.
        container: the engine's id.
    """
    usual = (tree.glob(place.format(id=container)) for place in _PLACES)
    for group in itertools.chain(*usual, _search(tree, container)):
        if (path := group / "memory.stat").is_file():
            return path
    return None


def _search(tree: Path, container: str) -> Iterator[Path]:
    """Yield groups of a container anywhere: the engine may name another parent, or run in a container itself."""
    # not Path.rglob, which raises an error where a group ends meanwhile
    for folder, groups, _ in os.walk(tree):
        yield from (Path(folder, group) for group in groups if container in group)


def count_unreclaimable(statistics: str) -> int:
    """Return the bytes that a group cannot give back.

    Args:
        statistics: content of ``memory.stat``, of either version.
    """
    values = dict(line.split() for line in statistics.splitlines())
    # with version 1 those of nested groups have another name
    first, second = ("total_rss", "total_shmem") if "total_rss" in values else ("anon", "shmem")
    return int(values.get(first, 0)) + int(values.get(second, 0))
