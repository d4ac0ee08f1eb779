"""All listeners in one process (services 1.2): one ASGI application per port, dispatching on the Host header."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from harness.incluster.services.certificate import write_certificate
from harness.incluster.services.config import Ports, ServicesConfig
from harness.incluster.services.connections import Connections, TlsListener
from harness.incluster.services.control.routes import Control
from harness.incluster.services.refusals import RefusalMiddleware
from harness.incluster.services.services import Services
from harness.incluster.services.web import HostDispatch, application

log = logging.getLogger("harness.incluster.services")

_SHUTDOWN_S = 3
# longer than clients keep a connection for their next request (httpx 5 s, aiohttp 15 s): the side that sends has to be
# the one that ends it, or a request gets lost; shorter than Limits.header_s, which cuts
KEEP_ALIVE_S = 18
_OPEN_FILES = 16_384


class Server:
    """The listeners of the services, in one event loop.

    Args:
        services: the served ones.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._servers: dict[str, _Server] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._dimse_up = False

    def listeners(self) -> dict[str, bool]:
        """Return listener -> whether it accepts connections."""
        up = {name: server.started and not server.should_exit for name, server in self._servers.items()}
        return {**up, "dimse": self._dimse_up}

    @property
    def ports(self) -> Ports:
        """The ports that are listened on, with the real numbers where any was asked for."""
        found = {name: server.port for name, server in self._servers.items()}
        asked = self._services.config.ports
        return dataclasses.replace(asked, **found, dimse=self._services.receiver.port or asked.dimse)

    async def start(self) -> None:
        """Start all listeners; returns when they accept connections.

        Raises:
            OSError: a port is taken.
        """
        config, hosts = self._services.config, self._services.hosts()

        def elsewhere(host: str) -> str | None:
            return next((str(getattr(self.ports, port)) for port, apps in hosts.items() if host in apps), None)

        certificate = write_certificate(config.data_dir)
        refusals = self._services.refusals
        apps: dict[str, ASGIApp] = {
            name: HostDispatch({host: RefusalMiddleware(app, host, refusals) for host, app in table.items()}, elsewhere)
            for name, table in hosts.items()
        }
        connections = Connections(config.limits)
        apps["control"] = application(Control(self._services, self.listeners).routes())
        try:
            for name, app in apps.items():
                tls = certificate if name == "search" else None
                self._servers[name] = _Server(config.host, getattr(config.ports, name), app, tls, connections)
            self._tasks = [asyncio.create_task(server.serve()) for server in self._servers.values()]
            # importing the DICOM libraries takes longest: HTTP already answers
            await run_in_threadpool(self._services.receiver.start)
            await asyncio.gather(*(server.wait_started() for server in self._servers.values()))
        except BaseException:
            await self.stop()
            raise
        self._dimse_up = True
        self._services.inbox.start()
        self._services.provisioner.start()
        self._services.object_watch.start()
        self._services.metrics.start()

    async def stop(self) -> None:
        """Stop all listeners and threads."""
        self._dimse_up = False
        self._services.metrics.stop()
        for server in self._servers.values():
            server.should_exit = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers.values():
            server.socket.close()
        await run_in_threadpool(self._services.receiver.stop)
        await run_in_threadpool(self._services.inbox.stop)
        await run_in_threadpool(self._services.provisioner.stop)
        await run_in_threadpool(self._services.object_watch.stop)
        self._services.close()


class _Server(uvicorn.Server):
    """One HTTP listener on its own socket; signals are handled once, for all."""

    def __init__(
        self,
        host: str,
        port: int,
        app: ASGIApp,
        tls: tuple[os.PathLike[str], os.PathLike[str]] | None,
        connections: Connections,
    ):
        super().__init__(
            uvicorn.Config(
                app,
                http=connections.protocol(),
                lifespan="off",
                log_config=None,
                access_log=False,
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=_SHUTDOWN_S,
                timeout_keep_alive=KEEP_ALIVE_S,
                ssl_certfile=tls[0] if tls else None,
                ssl_keyfile=tls[1] if tls else None,
            )
        )
        self.socket = socket.create_server((host, port), backlog=256)
        # inherited by its connections; asyncio only does this for sockets that it made itself, and without it
        # the second part of an answer waits 40 ms for the peer's acknowledgement of the first
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = TlsListener.from_listener(self.socket, connections)
        self.port: int = self.socket.getsockname()[1]
        self._up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([self.socket])
        self._up.set()

    async def wait_started(self) -> None:
        """Wait until connections are accepted."""
        await self._up.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(config: ServicesConfig) -> None:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    for noisy in ("pynetdicom", "pydicom", "urllib3", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    _raise_file_limit()
    services = Services(config)
    # for temporary files of the libraries; cleared at the next start
    tempfile.tempdir = str(config.scratch)
    server = Server(services)
    await server.start()
    log.info("listening: %s", _listing(dataclasses.asdict(server.ports)))
    try:
        await ended.wait()
    finally:
        await server.stop()


def _raise_file_limit() -> None:
    """Allow as many open connections and files as the container may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listing(ports: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {port}" for name, port in ports.items())
