"""Shared parts of the measurements: the example extension, the shell command, memory of containers."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from harness.engine import connect

EXTENSION = Path(__file__).parent.parent / "scenarios" / "otsus-method" / "extension"
STEPS = Path(__file__).parent / "extension"
"""An extension of containers that do next to nothing."""
ALGORITHM = Path("processing-containers/otsus-method/files/otsus_method.py")


def harness() -> str:
    """The command beside this interpreter."""
    return str(Path(sys.executable).with_name("kaapana-harness"))


def timed_run(extension: Path, series: Path, out: Path, *options: str) -> float:
    """Seconds of `kaapana-harness run --reuse`; it has to succeed."""
    clock = time.monotonic()
    command = [harness(), "run", str(extension), "--input", str(series), "--out", str(out), "--reuse", *options]
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - clock


def memory_mb(label: str) -> float:
    """Memory of all containers with a label (``name=value``) without the page cache, as ``docker stats`` counts it."""
    total = 0
    for container in connect().containers.list(filters={"label": label}):
        record: Any = container.stats(stream=False)
        usage = record["memory_stats"]
        cache = usage.get("stats", {}).get("total_inactive_file", usage.get("stats", {}).get("inactive_file", 0))
        total += usage.get("usage", 0) - cache
    return total / 1e6
