"""``python -m harness.cluster.docker.server``: the control plane, until its owner is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn

from harness.cluster.docker.server.app import make_app
from harness.cluster.docker.server.config import Config
from harness.cluster.docker.server.engine import EngineCallError
from harness.cluster.docker.server.plane import ControlPlane

# the last answer (that everything is gone) must reach the owner before the process ends
_LAST_ANSWER_S = 1
# an hour: a client that pauses must not find its connection closed under its next request
_KEEP_ALIVE_S = 3600


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would end the process before the environment is removed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config: Config) -> None:
    """Serve until the environment has been removed."""
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
    # docker stop: the environment goes with its control plane
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, plane.reaper.reap)

    async def end() -> None:
        await plane.reaper.done.wait()
        server.should_exit = True

    ending = asyncio.create_task(end())
    sockets = [socket.create_server((address, config.listen_port), backlog=128) for address in plane.addresses]
    print(f"ready on port {sockets[0].getsockname()[1]}", flush=True)
    await server.serve(sockets=sockets)
    ending.cancel()


def main() -> int:
    """Exit status 3 when the engine cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(serve(Config.from_environment()))
    except EngineCallError as error:
        print(f"the engine: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
