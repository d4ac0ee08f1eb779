"""The most memory that a container had in use, sampled from the kernel's control groups.

Counted is what cannot be given back (anonymous and shared memory): that is what ends in an OOM kill; cached files
are left out.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

_INTERVAL_S = 0.2


class MemoryMeter:
    """Samples containers as long as they run.

    Args:
        tree: where the host's control groups can be read; without them nothing is measured.
    """

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._most: dict[str, int] = {}
        self._files: dict[str, Path] = {}
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
            # in a thread: the kernel sums up what is asked for, which may take a while on a busy machine
            for container, used in (await asyncio.to_thread(self._sample, list(self._most))).items():
                if container in self._most:
                    self._most[container] = max(self._most[container], used)
            await asyncio.sleep(_INTERVAL_S)
        self._task = None

    def _sample(self, containers: list[str]) -> dict[str, int]:
        result = {}
        for container in containers:
            path = self._files.get(container) or self._find(container)
            if path is None:
                continue
            self._files[container] = path
            try:
                text = path.read_text("ascii")
            except OSError:
                # the container has just ended
                continue
            values = dict(line.split() for line in text.splitlines())
            # version 1 says total_rss, version 2 says anon
            used = int(values.get("total_rss") or values.get("anon") or 0)
            result[container] = used + int(values.get("total_shmem") or values.get("shmem") or 0)
        return result

    def _find(self, container: str) -> Path | None:
        candidates = (
            self._tree / "memory" / "docker" / container / "memory.stat",
            self._tree / "docker" / container / "memory.stat",
            self._tree / "system.slice" / f"docker-{container}.scope" / "memory.stat",
            self._tree / "memory" / "system.slice" / f"docker-{container}.scope" / "memory.stat",
        )
        return next((path for path in candidates if path.is_file()), None)
