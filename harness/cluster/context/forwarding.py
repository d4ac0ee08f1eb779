"""Reach Services of a cluster through its API server: a port on the loopback address for each of them.

Nodes of a shared cluster may not be reachable from here; the API server is. A connection to the port becomes a
WebSocket to ``pods/portforward`` of a pod that is ready at that moment, so a pod that was replaced does no harm.
Kubernetes' protocol ``v4.channel.k8s.io``: the first byte of a message is the channel (0 data, 1 error), and the first
message of each channel is the port's number, two bytes, least significant first.

A node does not pass on that the pod has closed a connection: a client that keeps using one would wait for
ever. So the way to the pod is closed here first, between two HTTP requests, and opened again for the next one; the
client's own connection stays. All of it runs in one thread with an event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from harness.cluster.context.http_exchanges import HttpExchanges
from harness.errors import PlatformError
from harness.kube import ApiError, KubeApi, Manifest

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from websockets.asyncio.client import ClientConnection

    from harness.kube.access import ClusterAccess

_LOG = logging.getLogger("harness.context")
_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_BLOCK = 1 << 16
_OPEN_S = 30.0
_LISTEN_S = 10.0
# servers close what is idle for some seconds; this has to be sooner
_IDLE_S = 1.0
_LOOK_S = 0.25


class Forwarders:
    """Ports of Services of one environment on 127.0.0.1, until :meth:`close`.

    Args:
        api: the cluster, as the caller sees its namespaces.
        access: how the API server is reached.
    """

    def __init__(self, api: KubeApi, access: ClusterAccess) -> None:
        self._api = api
        self._access = access
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="forward", daemon=True)
        self._thread.start()

    def open(self, service: Manifest, port: int, namespace: str) -> tuple[str, int]:
        """Listen for connections to a port of a Service.

        Args:
            service: as the caller sees it.
            port: one of its ports.
            namespace: its namespace on the cluster.

        Returns:
            Host and port of this machine.
        """

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # cancelled by close; to the event loop that would be news
            with contextlib.suppress(asyncio.CancelledError):
                await self._serve(service, port, namespace, reader, writer)

        async def listen() -> tuple[str, int]:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            host, number = server.sockets[0].getsockname()[:2]
            return host, number

        found: tuple[str, int] = self._run(listen(), _LISTEN_S)
        return found

    def close(self) -> None:
        """End all listeners and connections."""

        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        if self._loop.is_closed():
            return
        with contextlib.suppress(PlatformError):
            self._run(end(), _LISTEN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LISTEN_S)
        if not self._thread.is_alive():
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)
        except TimeoutError:
            raise PlatformError("the port forwards of this process do not answer") from None

    async def _serve(
        self,
        service: Manifest,
        port: int,
        namespace: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        from websockets.exceptions import WebSocketException

        exchanges, first = HttpExchanges(), b""
        try:
            while True:
                pod, target = await asyncio.to_thread(self._target, service, port)
                async with await self._connect(namespace, pod, target) as upstream:
                    if not await _relay(reader, writer, upstream, exchanges, first):
                        return
                first = await reader.read(_BLOCK)
                if not first:
                    return
        except (ApiError, LookupError, OSError, WebSocketException) as problem:
            # the client sees a closed connection, and tries again within its own deadline
            name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            _LOG.info("no connection to port %s of Service %s: %s", port, name, problem)
        finally:
            writer.close()

    def _target(self, service: Manifest, port: int) -> tuple[str, int]:
        """Return a pod that is ready, and the port in it."""
        spec = service["spec"]
        for pod in self._api.list("Pod", service["metadata"]["namespace"], labels=spec.get("selector")):
            if _is_ready(pod):
                entry = next(entry for entry in spec["ports"] if entry["port"] == port)
                return pod["metadata"]["name"], _container_port(pod, entry)
        raise LookupError("no pod of it is ready")

    async def _connect(self, namespace: str, pod: str, port: int) -> ClientConnection:
        from websockets.asyncio.client import connect
        from websockets.typing import Subprotocol

        token = self._access.token
        if self._access.token_file:
            token = self._access.token_file.read_text("ascii").strip()
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward?{urlencode({'ports': port})}"
        return await connect(
            "ws" + self._access.url.rstrip("/").removeprefix("http") + path,
            ssl=self._access.tls,
            subprotocols=[Subprotocol(_PROTOCOL)],
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            compression=None,
            max_size=None,
            open_timeout=_OPEN_S,
            # idle connections are closed here, so a busy API server need not answer pings
            ping_interval=None,
            proxy=None,
        )


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream: ClientConnection,
    exchanges: HttpExchanges,
    first: bytes,
) -> bool:
    """Move bytes until a side closes, or nothing was asked for a while; whether the client may ask again."""
    loop = asyncio.get_running_loop()
    latest = loop.time()

    async def up() -> None:
        nonlocal latest
        block = first or await reader.read(_BLOCK)
        while block:
            latest = loop.time()
            exchanges.note_request(block)
            await upstream.send(bytes([_DATA]) + block)
            block = await reader.read(_BLOCK)

    async def down() -> None:
        nonlocal latest
        begun: set[int] = set()
        async for message in upstream:
            assert isinstance(message, bytes)
            channel, content = message[0], message[1:]
            if channel not in begun:
                # the port's number, and what may have come with it
                begun.add(channel)
                content = content[2:]
            if channel == _ERROR and content:
                raise LookupError(content.decode("utf-8", "replace").strip())
            if channel == _DATA and content:
                latest = loop.time()
                exchanges.note_response(content)
                writer.write(content)
                await writer.drain()

    tasks = {asyncio.create_task(up()), asyncio.create_task(down())}
    try:
        while True:
            done, _ = await asyncio.wait(tasks, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if done:
                return False
            if exchanges.between_requests and loop.time() - latest >= _IDLE_S:
                return True
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _container_port(pod: Manifest, entry: dict[str, Any]) -> int:
    """Return the target port of an entry of a Service's ports, which may be a name."""
    target = entry.get("targetPort") or entry["port"]
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == target:
                return int(port["containerPort"])
    raise LookupError(f"no container has a port {target!r}")
