"""Port forwards against an API server and a pod of our own, which close connections when a node would not tell."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve

from harness.cluster.context.forwarding import Forwarders
from harness.cluster.context.http_exchanges import HttpExchanges
from harness.kube.access import ClusterAccess

REQUEST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
SERVICE: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "services"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
}


def test_a_connection_is_between_two_requests_only_when_all_of_the_answer_is_there() -> None:
    exchanges = HttpExchanges()
    assert exchanges.between_requests
    for _ in range(2):
        exchanges.note_request(REQUEST[:20])
        assert not exchanges.between_requests
        exchanges.note_request(REQUEST[20:])
        assert not exchanges.between_requests
        exchanges.note_response(ANSWER[:-1])
        assert not exchanges.between_requests
        exchanges.note_response(ANSWER[-1:])
        assert exchanges.between_requests


def test_an_answer_that_comes_in_pieces_without_a_length_is_followed_to_its_end() -> None:
    exchanges = HttpExchanges()
    exchanges.note_request(b"GET /log HTTP/1.1\r\nHost: a\r\n\r\n")
    exchanges.note_response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert not exchanges.between_requests
    exchanges.note_response(b"0\r\n\r\n")
    assert exchanges.between_requests


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"\x01\x00\x00\x00\x00\xcd not http \r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", ANSWER),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nxx",
        ),
    ],
)
def test_bytes_that_are_no_sequence_of_requests_are_left_alone(sent: bytes, received: bytes) -> None:
    exchanges = HttpExchanges()
    exchanges.note_request(sent)
    exchanges.note_response(received)
    assert not exchanges.between_requests


class FakeCluster:
    """An API server that only gets port forwards, and never reports that a pod closed one.

    A pod answers one request after the other. ``opened`` are the paths of the forwards, ``closed`` is set when one of
    them ends.
    """

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.closed = threading.Event()
        self.pods = ["web-1"]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    async def _listen(self) -> int:
        server = await serve(self._forward, "127.0.0.1", 0, subprotocols=["v4.channel.k8s.io"])  # type: ignore[list-item]
        return int(server.sockets[0].getsockname()[1])

    async def _forward(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.opened.append(connection.request.path)
        for channel in (0, 1):
            await connection.send(bytes([channel]) + (8000).to_bytes(2, "little"))
        waiting = b""
        async for message in connection:
            assert isinstance(message, bytes)
            waiting += message[1:]
            if waiting.endswith(b"hi"):
                waiting = b""
                await connection.send(b"\x00" + ANSWER)
            elif waiting.endswith(b"refuse"):
                await connection.send(b"\x01no such port")
        self.closed.set()

    def list(self, kind: str, namespace: str, labels: dict[str, str]) -> list[dict[str, Any]]:
        assert (kind, namespace, labels) == ("Pod", "services", {"app": "web"})
        ports = [{"name": "http", "containerPort": 8000}]
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        return [
            {"metadata": {"name": name}, "spec": {"containers": [{"ports": ports}]}, "status": ready}
            for name in self.pods
        ]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    made = FakeCluster()
    yield made
    made.close()


@pytest.fixture
def client(cluster: FakeCluster) -> Iterator[httpx.Client]:
    """A client that keeps its connection for as long as it likes."""
    access = ClusterAccess(url=f"http://127.0.0.1:{cluster.port}", context="lab", token="t")
    forwarders = Forwarders(cluster, access)  # type: ignore[arg-type]
    host, port = forwarders.open(SERVICE, 80, "kh-1-services")
    with httpx.Client(
        base_url=f"http://{host}:{port}",
        trust_env=False,
        timeout=10,
        limits=httpx.Limits(max_connections=1, keepalive_expiry=60),
    ) as made:
        yield made
    forwarders.close()


def test_requests_one_after_the_other_share_the_way_to_the_pod(cluster: FakeCluster, client: httpx.Client) -> None:
    for _ in range(3):
        assert client.post("/a", content=b"hi").text == "hello"
    assert cluster.opened == ["/api/v1/namespaces/kh-1-services/pods/web-1/portforward?ports=8000"]


def test_a_client_that_goes_on_after_a_while_reaches_the_pod_that_is_there_now(
    cluster: FakeCluster, client: httpx.Client
) -> None:
    with client.stream("POST", "/a", content=b"hi") as first:
        kept = first.extensions["network_stream"].get_extra_info("client_addr")
        first.read()
    cluster.pods = ["web-2"]
    assert cluster.closed.wait(10)
    with client.stream("POST", "/a", content=b"hi") as second:
        assert second.read() == b"hello"
        assert second.extensions["network_stream"].get_extra_info("client_addr") == kept
    assert [path.split("/")[6] for path in cluster.opened] == ["web-1", "web-2"]


def test_a_port_without_a_listener_closes_the_connection(client: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/a", content=b"refuse")


def test_without_a_ready_pod_the_connection_is_closed(cluster: FakeCluster, client: httpx.Client) -> None:
    cluster.pods = []
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.post("/a", content=b"hi")
    cluster.pods = ["web-1"]
    assert client.post("/a", content=b"hi").text == "hello"
