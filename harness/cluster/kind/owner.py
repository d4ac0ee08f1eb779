"""The owner's side of the keeper: start it, read its events, send it what becomes of the cluster."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from harness.cluster import forks
from harness.cluster.kind.keeper import ClusterOrder
from harness.common.progress import OnProgress
from harness.doctor.address import configuration_folder
from harness.errors import PlatformError
from harness.settings.variables import STATE_DIR


class Keeper:
    """A running keeper.

    Args:
        order: the keeper's order; it begins at once.
        state: the folder of the ledger.
    """

    def __init__(self, order: ClusterOrder, state: str) -> None:
        variables = {STATE_DIR.name: state, "PYTHONPATH": search_path()}
        if "DOCKER_CONFIG" in os.environ:
            variables["DOCKER_CONFIG"] = str(configuration_folder(os.environ).absolute())
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.cluster.kind.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # what ends this process (Ctrl-C, a closed terminal, a killed process group) must not end the keeper
            start_new_session=True,
            cwd="/",
            env={**os.environ, **variables},
            text=True,
            encoding="utf-8",
        )
        forks.forget_when_forked(self)
        self._write(json.dumps(dataclasses.asdict(order)))

    def wait_until_made(self, say: OnProgress) -> None:
        """Pass on what kind says until the cluster is made.

        Raises:
            PlatformError: kind failed; its last lines are in ``last_seen``.
        """
        for event in self._events():
            if event.get("line"):
                say(f"[kind] {event['line']}")
            elif event.get("made"):
                return
            elif "failed" in event:
                raise PlatformError(
                    "kind could not create the cluster",
                    last_seen=str(event["failed"]),
                    fix="see the lines above; `kaapana-harness doctor` examines the engine",
                )
        raise PlatformError(
            "the process that makes the kind cluster has ended", last_seen=f"exit status {self._process.wait()}"
        )

    def keep(self) -> None:
        """End the keeper, and keep the cluster."""
        self._write("keep")
        self._end()

    def remove(self) -> None:
        """Request the removal of the cluster, and wait for it."""
        self._write("remove")
        for _ in self._events():
            pass
        self._end()

    def forget(self) -> None:
        """Close this process's copies only."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        # a keeper that has ended has removed everything, or could not
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _events(self) -> Iterator[dict[str, Any]]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield json.loads(line)

    def _end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def search_path() -> str:
    """Return the module search path for a process in another folder: an empty entry is the present folder."""
    return os.pathsep.join(path or os.getcwd() for path in sys.path)
