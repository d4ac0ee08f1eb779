"""Choose the builder: BuildKit by the user's ``docker buildx`` if installed, otherwise the legacy builder.

The plugin is looked for where ``docker`` looks for it, and run without that program: what is ended is then the client
of the build itself.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from harness.doctor.address import configuration_folder
from harness.doctor.buildkit_probe import offers_buildkit
from harness.doctor.client_environment import make_client_environment

OLDEST_BUILDX: Final = (0, 13)
"""The first version that reports its progress as JSON."""
INSTALL_BUILDX: Final = (
    "install docker buildx (Debian 13, Ubuntu 22.04 or newer: apt-get install docker-buildx; Docker's own packages: "
    "docker-buildx-plugin)"
)
_SYSTEM: Final = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
_VERSION: Final = re.compile(r"^\S*buildx v?(\d+)\.(\d+)\S*")
_PATIENCE_S: Final = 20.0
_TRY_AGAIN: Final = "try again when the machine is less busy"


@dataclasses.dataclass(frozen=True)
class Builder:
    """What images are built with.

    Attributes:
        plugin: path of ``docker-buildx``; empty: the legacy builder is used.
        version: of the plugin; empty without one that can be run.
        reason: why the legacy builder is used; empty where it is not.
        remedy: what makes BuildKit be used; empty where it is.
    """

    plugin: str = ""
    version: tuple[int, ...] = ()
    reason: str = ""
    remedy: str = ""

    def without_buildkit(self, reason: str, remedy: str) -> Builder:
        """Return the legacy builder to use instead of this one."""
        return dataclasses.replace(self, plugin="", reason=reason, remedy=remedy)

    @property
    def buildkit(self) -> bool:
        """Whether BuildKit is used."""
        return bool(self.plugin)

    def __str__(self) -> str:
        """Return one line for the doctor."""
        if self.buildkit:
            return f"BuildKit by docker buildx {'.'.join(map(str, self.version))}"
        return f"legacy builder: {self.reason}"


def find_builder(environ: Mapping[str, str]) -> Builder:
    """Return the builder of images in an environment, by an engine that has BuildKit. Never raises."""
    # as `docker build` understands it
    if environ.get("DOCKER_BUILDKIT", "").lower() in {"0", "f", "false"}:
        return Builder(reason=f"DOCKER_BUILDKIT={environ['DOCKER_BUILDKIT']}", remedy="unset DOCKER_BUILDKIT")
    for folder in _folders(environ):
        path = Path(folder, "docker-buildx")
        try:
            changed = path.stat().st_mtime_ns
        except OSError:
            continue
        if os.access(path, os.X_OK):
            try:
                return _examine(str(path), changed)
            except subprocess.TimeoutExpired as error:
                return Builder(reason=f"{path} cannot be run: {error}", remedy=_TRY_AGAIN)
    return Builder(reason="docker buildx is not installed", remedy=INSTALL_BUILDX)


def find_socket_builder(socket: str, environ: Mapping[str, str]) -> Builder:
    """Return the builder of images on the engine at a socket. Never raises."""
    builder = find_builder(environ)
    if not builder.buildkit or not socket or (offered := offers_buildkit(socket)):
        return builder
    if offered is None:
        return builder.without_buildkit("the engine does not say in time whether it has BuildKit", _TRY_AGAIN)
    return builder.without_buildkit(
        "the engine has no BuildKit", "use Docker Engine 20.10 or newer, whose BuildKit is switched on"
    )


def _folders(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield where plugins of ``docker`` are, in its order."""
    folder = configuration_folder(environ)
    try:
        extra = json.loads((folder / "config.json").read_bytes()).get("cliPluginsExtraDirs")
    except (OSError, ValueError, RecursionError, AttributeError):
        # the search for the engine reports a damaged configuration
        extra = None
    if isinstance(extra, list):
        yield from (path for path in extra if isinstance(path, str))
    yield str(folder / "cli-plugins")
    yield from _SYSTEM


@functools.lru_cache
def _examine(path: str, changed: int) -> Builder:
    """Return the builder by a plugin; ``changed`` is when its file was, so that an update is noticed.

    Raises:
        subprocess.TimeoutExpired: it does not answer; that is not remembered.
    """
    try:
        done = subprocess.run(
            [path, "version"],
            env=make_client_environment(os.environ),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, ValueError) as error:
        return Builder(reason=f"{path} cannot be run: {error}", remedy=INSTALL_BUILDX)
    found = _VERSION.match(done.stdout)
    if done.returncode or not found:
        output = " ".join((done.stderr or done.stdout).split())[:200]
        output = output or f"exit status {done.returncode}"
        return Builder(reason=f"{path} does not say its version: {output}", remedy=INSTALL_BUILDX)
    version = (int(found[1]), int(found[2]))
    if version < OLDEST_BUILDX:
        oldest = ".".join(map(str, OLDEST_BUILDX))
        reason = f"docker buildx {found[1]}.{found[2]} is older than {oldest}"
        return Builder(version=version, reason=reason, remedy=INSTALL_BUILDX)
    return Builder(path, version)
