"""Serve the page in the foreground until it is interrupted."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn

from harness.common.progress import OnProgress, quiet
from harness.errors import PlatformError
from harness.page.access import TOKEN, Access
from harness.page.app import Pages, make_app
from harness.page.evidence import EvidenceFolder
from harness.page.observer import Hub, Observer
from harness.page.pictures import PictureMaker
from harness.page.source import Source
from harness.page.starter import Starter
from harness.page.views import Views
from harness.platform.environment import Environment

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_ADDRESS: Final = "127.0.0.1"
_STARTED_S: Final = 10.0
_END_S: Final = 10.0


def serve(
    environment: Environment,
    evidence: Path,
    *,
    started: str,
    show_address: Callable[[str], object],
    say: OnProgress,
) -> None:
    """Serve the page about a running environment, until Ctrl-C or SIGTERM; then let the environment go.

    Args:
        environment: one that continues afterwards.
        evidence: folder with the evidence of runs; it need not be there.
        started: when the environment was made, ISO 8601.
        show_address: gets the address, once it answers.
        say: gets what else happens.

    Raises:
        PlatformError: the server did not start.
    """
    try:
        with open_page(environment, evidence, started=started, say=say) as address:
            show_address(address)
            say(f"the page about environment {environment.id} is served until Ctrl-C")
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()
    finally:
        environment.detach()
    say("the page has ended; the environment keeps running")


@contextlib.contextmanager
def open_page(environment: Environment, evidence: Path, *, started: str = "", say: OnProgress = quiet) -> Iterator[str]:
    """Serve the page about an environment for the length of the block; yield its address with the token.

    Args:
        evidence: folder with the evidence of runs; it need not be there.
        started: when the environment was made, ISO 8601.
        say: gets what happens at the end.
    """
    source, folder, hub = Source(environment, started), EvidenceFolder(evidence), Hub()
    starter = Starter(environment, source.extensions, folder.root)
    views = Views(source, folder, starter.failures)
    watch = Observer(source, views.reads, hub, urgent=("runs",))
    pictures = PictureMaker(source.receipt_file, starter.sources, environment.scratch)
    watch.start()
    try:
        with listen(make_app(Pages(source, views, watch, hub, pictures, folder, starter)), hub) as address:
            yield address
    finally:
        watch.stop()
        starter.close(say)


@contextlib.contextmanager
def listen(app: ASGIApp, hub: Hub) -> Iterator[str]:
    """Serve an application behind its door on a free port of the loopback interface; yield its address with the token.

    Args:
        hub: is closed before the server ends, so that no stream keeps it.
    """
    with socket.create_server((_ADDRESS, 0)) as listener:
        port = listener.getsockname()[1]
        door = Access(app, [f"{_ADDRESS}:{port}", f"localhost:{port}"])
        server = uvicorn.Server(
            uvicorn.Config(
                door,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=3,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page server", daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield f"http://{_ADDRESS}:{port}/?{TOKEN}={door.token}"
        finally:
            hub.close()
            server.should_exit = True
            thread.join(_END_S)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    from harness.wire.polling import Polling

    polling = Polling(timeout_s=_STARTED_S, pause_s=0.02)
    while not server.started:
        ended = not thread.is_alive()
        if ended or not polling.again():
            raise PlatformError(
                "the server of the page did not start",
                last_seen="its thread ended" if ended else f"no start within {_STARTED_S:g} s",
                fix="run the command again",
            )
