"""Facts about containers that the kernel shows beside the processes of the engine's host.

The control plane is in the process namespace of that host. It still sees no process where the host hides those of
others (``hidepid``, proc(5)) or where a rootless engine has a namespace of its own.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.engine import Engine, EngineCallError
from harness.wire import mount_tables

_UPPER: Final = re.compile(r"(?:^|,)upperdir=(/[^,]+)")


def read_mountinfo(processes: Path, record: Mapping[str, Any]) -> bytes | None:
    """Return the mountinfo of a container's first process; ``None`` if it has ended or is not seen.

    Args:
        processes: where the kernel shows them, ``/proc``.
        record: the engine's record of the container.
    """
    process = processes / str(record["State"]["Pid"])
    with contextlib.suppress(OSError):
        table = (process / "mountinfo").read_bytes()
        # the number may be that of another process: here, or since the container's has ended
        if str(record["Id"]) in (process / "cgroup").read_text("utf-8", "replace"):
            return table
    return None


async def find_layer(engine: Engine, config: ControlPlaneConfig, container: str) -> str:
    """Return the folder of the engine's host that has what a running container writes; empty if it is not known.

    containerd's image store does not say, and the kernel only as long as the container runs.
    """
    try:
        record = await engine.inspect(container)
    except EngineCallError:
        return ""
    layer = ((record.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir")
    return str(layer or parse_layer(read_mountinfo(Path(config.processes), record) or b""))


def parse_layer(mountinfo: bytes) -> str:
    """Return the folder to which an overlay at the root writes; empty if the root is something else."""
    for fields in mount_tables.read_lines(mountinfo):
        # the last three are the type, the source, and the file system's options
        if len(fields) > 9 and fields[4] == "/" and fields[-3] == "overlay":
            found = _UPPER.search(fields[-1])
            return found[1] if found else ""
    return ""
