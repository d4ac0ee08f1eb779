"""The daemon of a row, and what it says of itself."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from harness.doctor.engine import ask_engine
from harness.doctor.facts import EngineFacts
from harness.doctor.probe import collect_facts
from harness.doctor.remedies import RUNTIME, install_runtime_wrapper
from harness.errors import PlatformError, UsageError
from harness.wire.polling import Polling
from tests.engines.matrix import machine, rootless
from tests.engines.matrix.enter import Order
from tests.engines.matrix.namespace import Namespace, signal_inside
from tests.engines.matrix.rows import Row

_START_S = 90.0
_STOP_S = 60.0
_POLL_S = 0.1
# a socket's path may have 107 bytes, and tests make theirs in folders that have their names
_LONGEST = 50
# where Debian's packages have them
_PLUGINS = "usr/libexec/docker/cli-plugins"
_PYTHON = Path("/usr/bin/python3")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DATA: Final = {
    "docker": "/var/lib/docker",
    "docker-rootless": f"{rootless.HOME}/.local/share/docker",
    "podman": "/var/lib/containers",
}
"""Where a product keeps images and containers."""


@dataclasses.dataclass(frozen=True)
class Places:
    """Folders of a row.

    Attributes:
        folder: the one that the others are in, but the logs.
        logs: what the engine and the suites have said; stays.
        data: what the engine keeps.
        shared: has the same path for the engine and for its user: the socket, and the user's temporary files, which
            may be sockets, too.
    """

    folder: Path
    logs: Path
    shared: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        return self.shared / "docker.sock"

    @property
    def configuration(self) -> Path:
        """Of the user's ``docker``; it names the plugins of the row's packages."""
        return self.shared / "docker"

    @property
    def state(self) -> Path:
        return self.shared / "state"

    @property
    def log(self) -> Path:
        return self.logs / "engine.log"

    def environ(self) -> dict[str, str]:
        """Return the variables of the engine's user: this process's, and the engine's address."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        return {
            **inherited,
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.configuration),
            "KAAPANA_HARNESS_STATE_DIR": str(self.state),
            "TMPDIR": str(self.shared / "tmp"),
        }


@contextlib.contextmanager
def running(row: Row, root: Path, places: Places, namespace: Namespace) -> Iterator[EngineFacts]:
    """Start the engine of a row for the length of the block; what it says of itself.

    Raises:
        PlatformError: it ends at once or does not answer.
    """
    if len(str(places.shared)) > _LONGEST:
        raise UsageError(
            f"{places.shared} is too long for sockets in it", fix="name a folder with a shorter path by --work"
        )
    shutil.rmtree(places.shared, ignore_errors=True)
    for folder in (places.data, places.shared / "tmp", places.configuration):
        folder.mkdir(parents=True, exist_ok=True)
    plugins = {"cliPluginsExtraDirs": [str(root / _PLUGINS)]}
    (places.configuration / "config.json").write_text(json.dumps(plugins), "utf-8")
    settings = places.shared / "daemon.json"
    settings.write_text(json.dumps({**row.daemon, **_runtimes(row, places)}), "utf-8")
    if row.product == "docker":
        command = ["dockerd", "--config-file", str(settings), "--host", f"unix://{places.socket}"]
    elif row.product == "docker-rootless":
        rootless.add_user(root)
        command = rootless.command(places.socket)
    else:
        command = ["podman", "system", "service", "--time", "0", f"unix://{places.socket}"]
    binds = {str(places.shared): str(places.shared), DATA[row.product]: str(places.data)}
    if resolver := machine.resolver():
        binds["/etc/resolv.conf"] = str(resolver)
    order = Order(str(root), binds, command, {"PATH": _PATH, **row.environment})
    words = [sys.executable, "-m", "tests.engines.matrix.enter", json.dumps(dataclasses.asdict(order))]
    with places.log.open("wb") as log:
        process = namespace.start(words, os.environ, log, mounts=True)
    try:
        yield _answer(process, places)
    finally:
        _stop(process)


def _runtimes(row: Row, places: Places) -> dict[str, Any]:
    """Return the setting that nodes of kind need where this machine withholds a capability."""
    if not row.kind or collect_facts().resource_capability:
        return {}
    wrapper = install_runtime_wrapper(places.state, _PYTHON)
    return {"runtimes": {RUNTIME: {"path": str(wrapper)}}}


def _answer(process: subprocess.Popen[bytes], places: Places) -> EngineFacts:
    environ = {"DOCKER_HOST": f"unix://{places.socket}"}
    polling = Polling(timeout_s=_START_S, pause_s=_POLL_S)
    while True:
        found = ask_engine(environ, inside=True)
        if found.state == "up":
            return found
        ended = process.poll() is not None
        if ended or not polling.again():
            why = "ended at once" if ended else f"does not answer after {_START_S:.0f} s: {found.detail}"
            lines = places.log.read_text("utf-8", "replace").splitlines()
            raise PlatformError(
                f"the engine {why}: {lines[-1] if lines else 'it says nothing'}",
                last_seen="\n".join(lines[-15:]),
                evidence=str(places.log),
            )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let the engine end its containers; what does not end in time goes with the namespace."""
    signal_inside(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
