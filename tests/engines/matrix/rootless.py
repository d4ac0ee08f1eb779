"""Docker as an ordinary user runs it: in a user namespace, with its own network.

It does not run as a service of that user's systemd here, so it gets no control groups, with either version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

USER: Final = "engine"
_ID, _FIRST, _COUNT = 1000, 100_000, 65_536
HOME: Final = f"/home/{USER}"
_RUNTIME: Final = f"/run/user/{_ID}"
# what the user needs is made in the namespace of mounts that the engine alone is in; a machine may keep the device of
# tunnels for root
_START: Final = f"""
set -eu
mkdir -p {_RUNTIME}
mknod -m 666 /run/tun c 10 200
mount --bind /run/tun /dev/net/tun
chown -R {_ID}:{_ID} {_RUNTIME} {HOME}
chown {_ID}:{_ID} "${{1%/*}}"
exec setpriv --reuid {_ID} --regid {_ID} --init-groups --inh-caps=-all env HOME={HOME} XDG_RUNTIME_DIR={_RUNTIME} \\
    sh /usr/share/docker.io/contrib/dockerd-rootless.sh --host "unix://$1"
"""


def add_user(root: Path) -> None:
    """Add the engine's user to a root file system that has no program for it, with ids of its own."""
    for name, line in {
        "passwd": f"{USER}:x:{_ID}:{_ID}::{HOME}:/bin/sh",
        "group": f"{USER}:x:{_ID}:",
        "subuid": f"{USER}:{_FIRST}:{_COUNT}",
        "subgid": f"{USER}:{_FIRST}:{_COUNT}",
    }.items():
        path = root / "etc" / name
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        if line not in lines:
            path.write_text("\n".join([*lines, line, ""]), "utf-8")


def command(socket: Path) -> list[str]:
    """Return what starts the engine in its root file system, as root there."""
    return ["sh", "-c", _START, "sh", str(socket)]
