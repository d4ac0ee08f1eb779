"""A suite of Debian in a folder, made once for all rows with the same packages and the same daemon."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from harness.errors import PlatformError
from tests.engines.matrix.namespace import TIED
from tests.engines.matrix.rows import Row

_TIMEOUT_S = 1200.0
_MARK = "made-by-the-matrix"


def root_of(work: Path, row: Row) -> Path:
    """Return the folder of a row's root file system."""
    inputs = "\n".join((row.suite, *row.packages, *filter(None, [row.module])))
    return work / "roots" / f"{row.suite}-{hashlib.sha256(inputs.encode()).hexdigest()[:8]}"


def make_root(root: Path, row: Row, mirror: str, log: Path) -> None:
    """Make a root file system where it is not there yet.

    Raises:
        PlatformError: the suite or a package cannot be downloaded; the log is named.
    """
    if (root / _MARK).is_file():
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *TIED,  # it mounts something in the new root
        "mmdebstrap",
        # a mirror that stands still is good enough for a trial
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--variant=apt",
        f"--include={','.join(row.packages)}",
        row.suite,
        str(root),
        *([f"deb {mirror} {row.suite} main"] if mirror else []),
    ]
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=_TIMEOUT_S
            )
            outcome = f"exit status {done.returncode}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            outcome = f"not done after {_TIMEOUT_S:.0f} s"
    if outcome:
        lines = log.read_text("utf-8", "replace").splitlines()
        errors = [line for line in lines if line.startswith("E: ")]
        raise PlatformError(
            f"no root file system of {row.suite}: {errors[0][3:] if errors else outcome}",
            last_seen="\n".join(lines[-10:]),
            evidence=str(log),
        )
    (root / _MARK).touch()
