"""Short-lived helper containers, for facts that the control plane cannot see from its own container."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.engine import Engine, EngineCallError, EngineTimeoutError
from harness.wire.container_logs import READABLE_LOG
from harness.wire.labels import LABEL_ROLE

# until a program has ended that only reads a file
_ANSWER_S: Final = 60.0
_PIDS: Final = 16
# of one container; what it lost is named by far fewer
_MOST_PATHS: Final = 20_000
# a deleted file is a device there (overlay of the kernel), not a file that was written
_WRITTEN: Final = f"find /written -mindepth 1 ! -type c -printf '/%P\\0' | head -z -n {_MOST_PATHS}"


async def run_helper(
    engine: Engine,
    config: ControlPlaneConfig,
    image: str,
    command: list[str],
    place: Mapping[str, Any],
    *,
    name: str,
    user: str = "65534:65534",
) -> bytes:
    """Run a program in a container without rights, and return its output.

    Args:
        engine: the engine.
        config: of this control plane, for the labels.
        image: engine image that has the program.
        command: the program and its arguments.
        place: the name spaces that it joins and its mounts, as the engine's ``HostConfig`` has them.
        name: of the container, unique.
        user: number and group that it runs as.

    Raises:
        EngineCallError: the engine refuses it, or the program does not end well.
        EngineTimeoutError: it did not end in time.
    """
    body = {
        "Image": image,
        "Entrypoint": command,
        "Cmd": [],
        "User": user,
        "Labels": {**config.labels, LABEL_ROLE: "helper"},
        "HostConfig": {
            "NetworkMode": "none",
            "PidsLimit": _PIDS,
            "CapDrop": ["ALL"],
            "ReadonlyRootfs": True,
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": READABLE_LOG,
            **place,
        },
    }
    container = await engine.create(name, body)
    try:
        await engine.start(container)
        code = await asyncio.wait_for(engine.wait(container), _ANSWER_S)
        async with contextlib.aclosing(engine.logs(container, {})) as pieces:
            output = b"".join([piece async for piece in pieces])
    except asyncio.TimeoutError:
        raise EngineTimeoutError(f"{command[0]} did not end in {_ANSWER_S:g} s") from None
    finally:
        await engine.remove(container)
    if code != 0:
        words = output.decode("utf-8", "replace").strip()[-500:]
        raise EngineCallError(0, f"{command[0]} ended with {code}: {words}")
    return output


async def list_written_paths(
    engine: Engine, config: ControlPlaneConfig, image: str, container: str, layer: str
) -> list[str]:
    """Return files and folders that a container which has ended made or changed in its own layer, and their folders.

    Where the layer is a folder of the engine's host (overlay), it is listed. Elsewhere the engine compares the whole
    image, which takes a processor seconds for a large one; up to version 24 it answers nothing else about the container
    meanwhile.

    Args:
        image: engine image with ``sh`` and GNU's ``find`` and ``head``.
        container: its id.
        layer: that folder; empty if it is not known.

    Raises:
        EngineCallError: the container is gone.
    """
    if layer:
        # a folder of another user may be unreadable
        place = {"Mounts": [_read_only(layer, "/written")], "CapAdd": ["DAC_READ_SEARCH"]}
        name = f"{config.prefix}_written_{container[:12]}"
        with contextlib.suppress(EngineCallError):
            found = await run_helper(engine, config, image, ["sh", "-c", _WRITTEN], place, name=name, user="0:0")
            return [path for path in found.decode("utf-8", "replace").split("\0") if path]
    return await engine.changes(container)


def _read_only(source: str, target: str) -> dict[str, Any]:
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True}
