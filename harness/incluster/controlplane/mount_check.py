"""Check the mounts of a container that has just started, before its program goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.engine import Engine, EngineCallError
from harness.incluster.controlplane.helper_containers import run_helper
from harness.incluster.controlplane.host_processes import read_mountinfo
from harness.incluster.controlplane.mounts import Mount, differences


async def check_mounts(
    engine: Engine, config: ControlPlaneConfig, image: str, container: str, wanted: Mapping[str, Mount]
) -> str:
    """Check a container that has just started, while it is paused; return why it may not continue, or nothing.

    One that ended before the check has no mounts any more.

    Args:
        image: engine image that has ``cat``.
        wanted: the expected mounts, by target; without any there is nothing to check.
    """
    if not wanted:
        return ""
    try:
        if not await engine.pause(container):
            return ""
        if wrong := differences(await _read_mountinfo(engine, config, image, container), wanted):
            return f"a path changed while it was mounted at {', '.join(wrong)}: links in volumes are not followed"
        await engine.call("POST", f"/containers/{container}/unpause")
    except EngineCallError as refusal:
        # it may have been ending when it was stopped; to start it again would run the program twice
        if await engine.runs(container):
            return f"what is mounted cannot be looked at: {refusal}"
    return ""


async def _read_mountinfo(engine: Engine, config: ControlPlaneConfig, image: str, container: str) -> bytes:
    """Return the mountinfo of a container's first process, read by a helper in its namespace if it is not seen here."""
    table = read_mountinfo(Path(config.processes), await engine.inspect(container))
    if table is not None:
        return table
    name = f"{config.prefix}_look_{container[:12]}"
    place = {"PidMode": f"container:{container}"}
    return await run_helper(engine, config, image, ["cat", "/proc/1/mountinfo"], place, name=name)
