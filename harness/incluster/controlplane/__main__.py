"""``python -m harness.incluster.controlplane``: the control plane, until its owner is gone."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn

from harness.incluster.controlplane.app import make_app
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.engine import EngineCallError
from harness.incluster.controlplane.plane import ControlPlane
from harness.wire.control_plane import LISTENS

# the last answer (that everything is gone) must reach the owner before the process ends
_LAST_ANSWER_S = 1
# an hour: a client that pauses must not find its connection closed under its next request
_KEEP_ALIVE_S = 3600
_HANGS_S = 8.0


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would end the process before the environment is removed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _dump_stacks_when_hanging() -> None:
    """Write all stacks to the log when the event loop has not come back for a while."""
    while True:
        faulthandler.dump_traceback_later(_HANGS_S)
        await asyncio.sleep(_HANGS_S / 4)


async def serve(config: ControlPlaneConfig) -> None:
    """Serve until the environment has been removed."""
    # docker stop: the environment goes with its control plane, also while it starts: what the engine was asked for by
    # then it makes all the same, so that is waited for
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    plane = await ControlPlane.start(config)
    server = _Server(
        uvicorn.Config(
            make_app(plane),
            loop="asyncio",
            http="h11",
            ws="none",
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=_LAST_ANSWER_S,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
    )

    async def stop() -> None:
        await stopped.wait()
        plane.reaper.reap()

    async def end() -> None:
        await plane.reaper.done.wait()
        server.should_exit = True

    background = [asyncio.create_task(work) for work in (stop(), end(), _dump_stacks_when_hanging())]
    sockets = [socket.create_server((address, config.listen_port), backlog=128) for address in plane.addresses]
    for listening in sockets:
        # inherited by its connections; asyncio only does this for sockets that it made itself, and without it
        # the second part of an answer waits 40 ms for the peer's acknowledgement of the first
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"{LISTENS} {sockets[0].getsockname()[1]}", flush=True)
    await server.serve(sockets=sockets)
    # no request can be answered from here on
    await plane.networks.remove(last=True)
    faulthandler.cancel_dump_traceback_later()
    for task in background:
        task.cancel()


def main() -> int:
    """Run the control plane; return exit status 3 when the engine cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(serve(ControlPlaneConfig.from_environment(os.environ)))
    except EngineCallError as error:
        print(f"the engine: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
