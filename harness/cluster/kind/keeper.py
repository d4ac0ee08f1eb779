"""The keeper process: it makes a kind cluster, and removes it when its owner is gone.

It runs beside the owner, in its own session, and watches the owner through its standard input: when that
ends without a word, the cluster is removed, also when it was just being made. So nothing stays after a SIGKILL of the
owner, and an interrupt of the owner cannot cut off something that is being created.

    stdin    one JSON object (:class:`ClusterOrder`), then a line ``keep`` or ``remove``, or the end
    stdout   a JSON object for each event: {"line": ...}, {"made": true}, {"failed": ...}, {"removed": true}
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from harness.doctor.client_environment import make_client_environment
from harness.settings import folders
from harness.wire.polling import Polling

# how long the engine may be unreachable during the removal
_REMOVAL_S = 120.0
_AGAIN_S = 1.0
# what kind has asked of the engine is through much sooner, or ends with the nodes
_REQUESTS_S = 20.0
_LOOK_S = 0.05
_PR_SET_CHILD_SUBREAPER = 36  # Linux, prctl(2)
_KEPT_LINES = 60


@dataclasses.dataclass(frozen=True)
class ClusterOrder:
    """The keeper's order.

    Attributes:
        environment: id of the environment.
        command: kind's command line that creates the cluster.
        variables: environment variables for it.
        labels: of the cluster's network and volumes.
        network: name of that network.
        content: volume that the nodes' content is made from; empty: they have what their image has.
        volumes: names of the nodes' own volumes.
        image: of the nodes.
    """

    environment: str
    command: list[str]
    variables: dict[str, str]
    labels: dict[str, str]
    network: str
    content: str = ""
    volumes: list[str] = dataclasses.field(default_factory=list)
    image: str = ""


class _Keeper:
    def __init__(self, order: ClusterOrder, state: Path) -> None:
        self._order = order
        self._state = state
        self._kind: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._unwanted = False
        self._maker = threading.Thread(target=self._make, name="kind-create")

    def run(self, commands: IO[str]) -> None:
        self._maker.start()
        word = commands.readline().strip()
        if word == "keep":
            self._maker.join()
            return
        with self._lock:
            self._unwanted = True
        self._remove()
        _say(removed=True)

    # -- making ------------------------------------------------------------------------------------------

    def _make(self) -> None:
        lines: list[str] = []
        try:
            with self._lock:
                if self._unwanted:
                    return
                self._create_network()
                self._create_volumes()
                self._kind = subprocess.Popen(
                    self._order.command,
                    env={**make_client_environment(os.environ), **self._order.variables},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    text=True,
                    errors="replace",
                )
            assert self._kind.stdout is not None
            for line in self._kind.stdout:
                lines.append(line.rstrip())
                del lines[:-_KEPT_LINES]
                _say(line=lines[-1])
            status = self._kind.wait()
        except Exception as error:
            _say(failed=f"{type(error).__name__}: {error}")
            return
        if status == 0:
            _say(made=True)
        else:
            _say(failed="\n".join([*lines, f"kind ended with exit status {status}"]))

    def _create_network(self) -> None:
        from harness.engine import connect, networks

        with contextlib.closing(connect()) as client:
            networks.create(client, self._order.network, self._order.labels, options=_mtu(client))

    def _create_volumes(self) -> None:
        from harness.cluster.kind import preparation
        from harness.engine import connect

        if self._order.volumes:
            with contextlib.closing(connect(timeout_s=600)) as client:
                order = self._order
                preparation.lay_out(client, order.content, order.volumes, order.labels, order.image)

    # -- removing ----------------------------------------------------------------------------------------

    def _remove(self) -> None:
        if self._kind is not None:
            # kill it alone: it would continue, and recreate removed objects; its requests to the engine finish
            self._kind.kill()
        self._persist(self._remove_once)
        if self._kind is not None:
            self._kind.wait()
            _end_group(self._kind.pid)
        self._maker.join()
        self._persist(self._remove_once)
        from harness.cluster import ledger

        ledger.forget(self._state, self._order.environment)

    def _remove_once(self) -> None:
        from harness.cluster.kind import leftovers
        from harness.engine import connect

        with contextlib.closing(connect()) as client:
            leftovers.remove(client, self._state, self._order.environment)

    def _persist(self, action: Any) -> None:
        """Retry an action while the engine is being started again."""
        polling = Polling(timeout_s=_REMOVAL_S, pause_s=_AGAIN_S)
        while True:
            try:
                action()
                return
            except Exception:
                if not polling.again():
                    # the ledger still has it: the next start or `prune` removes it
                    raise


def _end_group(group: int) -> None:
    """Wait for orphaned children of a process, which now belong to this subreaper."""
    polling = Polling(timeout_s=_REQUESTS_S, pause_s=_LOOK_S)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG) != (0, 0) or polling.again():
            pass
        os.killpg(group, signal.SIGKILL)


def _mtu(client: Any) -> dict[str, str]:
    """Return the MTU of the engine's default network, as kind sets it for its own."""
    option = "com.docker.network.driver.mtu"
    with contextlib.suppress(Exception):
        value = client.api.inspect_network("bridge")["Options"].get(option)
        if value:
            return {option: str(value)}
    return {}


def _say(**event: Any) -> None:
    # the owner is gone and does not listen
    with contextlib.suppress(OSError, ValueError):
        print(json.dumps(event), flush=True)


def main() -> None:
    """Read the order, make the cluster, wait."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    line = sys.stdin.readline()
    if not line:
        return
    _Keeper(ClusterOrder(**json.loads(line)), folders.state()).run(sys.stdin)
    # the interpreter must not flush output for a dead owner again at its exit
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
