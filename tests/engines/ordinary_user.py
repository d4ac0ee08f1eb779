"""A user who is not root but may use the engine, with the restrictions that real machines have.

The home folder's path has blanks and umlauts, new files are for nobody else (``umask 077``), and ``/tmp`` is small and
executes nothing. All of it is in a mount namespace of its own; the machine's own user database and ``/tmp`` stay.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from harness.doctor import require_engine

NAME: Final = "joerg"
_ID: Final = 47110
# how the site reaches package indexes, and which engine is used
_KEPT: Final = re.compile(r"PIP_|UV_|SSL_|DOCKER_|.*_proxy$", re.IGNORECASE)
_LEFT_OUT: Final = shutil.ignore_patterns(
    ".git", ".tox", ".venv", "__pycache__", ".*_cache", "kaapana-report", "*.egg-info"
)
# setpriv starts a Python while it still has the rights of root
_USABLE: Final = (
    "import os, sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10) or not os.access(sys.executable, os.X_OK))"
)
# paths come as arguments, so none has to be quoted here
_ENTER: Final = """
set -e
mount -t tmpfs -o size=64m,noexec,nosuid,mode=1777 tmpfs /tmp
mount --bind "$1/passwd" /etc/passwd
cd "$2"
umask 077
user=$3 group=$4
shift 4
exec setpriv --reuid "$user" --regid "$user" --groups "$group" --inh-caps=-all --bounding-set=-all -- "$@"
"""


@dataclasses.dataclass(frozen=True)
class OrdinaryUser:
    """The user.

    Attributes:
        folder: of all that is theirs; the home folder is in it.
        group: number of the group that may use the engine's socket.
        python: one that they may start.
    """

    folder: Path
    group: int
    python: str

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.folder / "Jörg und Käthe Müller"

    @property
    def clone(self) -> Path:
        """Their copy of this repository."""
        return self.home / "eigene Projekte" / "kaapana harness"

    def give(self, path: Path) -> None:
        """Make the user the owner of a folder and all that is in it."""
        for place in (path, *path.rglob("*")):
            os.chown(place, _ID, _ID, follow_symlinks=False)

    def run(self, *command: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone, as the user; what it prints is one text. Status 124 is the end of its time."""
        own = {"HOME": str(self.home), "USER": NAME, "LOGNAME": NAME, "PATH": "/usr/local/bin:/usr/bin:/bin"}
        kept = {name: value for name, value in os.environ.items() if _KEPT.match(name)}
        # it ends all that the command has started, which a time limit of subprocess does not
        start = ["timeout", "--kill-after=60", str(timeout_s)]
        start += ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh"]
        start += [str(self.folder), str(self.clone), str(_ID), str(self.group)]
        return subprocess.run(
            [*start, *command],
            env={**kept, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@contextlib.contextmanager
def ordinary_user(root: Path) -> Iterator[OrdinaryUser]:
    """Make the user, with a copy of a repository; skip the test on a machine that cannot have one."""
    if os.geteuid():
        pytest.skip("only root can become another user")
    if missing := [name for name in ("unshare", "setpriv", "timeout") if shutil.which(name) is None]:
        pytest.skip(f"{' and '.join(missing)} (util-linux, coreutils) are missing")
    socket = os.stat(require_engine().socket)
    if not socket.st_mode & stat.S_IWGRP:
        pytest.skip("no group may use the engine's socket")
    # not below /tmp, which the user has a separate one of
    folder = Path(tempfile.mkdtemp(prefix="kaapana-harness-user-", dir="/var/tmp"))
    try:
        folder.chmod(0o755)
        user = OrdinaryUser(folder, socket.st_gid, _find_python())
        entry = f"{NAME}:x:{_ID}:{_ID}::{user.home}:/bin/sh\n"
        (folder / "passwd").write_text(Path("/etc/passwd").read_text("utf-8") + entry, "utf-8")
        shutil.copytree(root, user.clone, symlinks=True, ignore=_LEFT_OUT)
        user.give(user.home)
        yield user
    finally:
        shutil.rmtree(folder)


def _find_python() -> str:
    """Return a Python that others than root may start and that makes environments."""
    for python in (sys._base_executable, "/usr/local/bin/python3", "/usr/bin/python3"):  # type: ignore[attr-defined]
        command = ["setpriv", "--reuid", str(_ID), "--regid", str(_ID), "--clear-groups", "--", python, "-c"]
        if subprocess.run([*command, _USABLE], capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip("only root may start the Pythons of this machine")
