"""The client against a scripted server: what goes over the wire, and what becomes of the answers."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.kube import ApiError, Conflict, Forbidden, Invalid, KubeApi, NotFound, Unavailable
from tests.http_answers import send_json

Answer = Callable[[BaseHTTPRequestHandler], None]


class _Server:
    """Answers each path by a function and keeps the requests."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                parts = urlsplit(self.path)
                outer.requests.append(
                    {
                        "method": self.command,
                        "path": parts.path,
                        "query": {key: value[0] for key, value in parse_qs(parts.query).items()},
                        "body": json.loads(self.rfile.read(length) or b"null"),
                        "type": self.headers.get("Content-Type"),
                        "authorization": self.headers.get("Authorization"),
                        "client": self.client_address,
                    }
                )
                outer.answers.pop(0)(self)

            do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - names of the base class

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[_Server]:
    made = _Server()
    yield made
    made.close()


def _json(document: Any, status: int = 200) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        send_json(handler, status, document)

    return answer


def _chunks(*pieces: bytes, cut: bool = False) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if cut:
            handler.close_connection = True
        else:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def test_paths_follow_group_namespace_and_name(server: _Server) -> None:
    api = KubeApi(server.url, token="word")
    server.answers = [_json({"metadata": {}})] * 4
    api.get("Pod", "ns", "p")
    api.get("Namespace", None, "ns")
    api.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "ns"}})
    api.delete("Deployment", "ns", "d", grace_period_s=0)
    assert [(request["method"], request["path"]) for request in server.requests] == [
        ("GET", "/api/v1/namespaces/ns/pods/p"),
        ("GET", "/api/v1/namespaces/ns"),
        ("POST", "/apis/batch/v1/namespaces/ns/jobs"),
        ("DELETE", "/apis/apps/v1/namespaces/ns/deployments/d"),
    ]
    assert server.requests[3]["query"] == {"propagationPolicy": "Background", "gracePeriodSeconds": "0"}
    assert server.requests[0]["authorization"] == "Bearer word"
    # one connection carries them all
    assert len({request["client"] for request in server.requests}) == 1


def test_apply_and_patch_say_what_they_are(server: _Server) -> None:
    api = KubeApi(server.url)
    server.answers = [_json({})] * 2
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}}
    api.apply(manifest, field_manager="me")
    api.patch("Pod", "ns", "p", {"status": {"phase": None}}, subresource="status")
    first, second = server.requests
    assert (first["method"], first["path"]) == ("PATCH", "/api/v1/namespaces/ns/secrets/s")
    assert first["type"] == "application/apply-patch+yaml"
    assert first["query"] == {"fieldManager": "me", "force": "true"}
    assert first["body"] == manifest
    assert second["path"] == "/api/v1/namespaces/ns/pods/p/status"
    assert second["type"] == "application/merge-patch+json"


@pytest.mark.parametrize(
    ("status", "kind"), [(403, Forbidden), (404, NotFound), (409, Conflict), (422, Invalid), (500, ApiError)]
)
def test_an_answer_other_than_success_is_an_error_with_the_servers_words(
    server: _Server, status: int, kind: type[ApiError]
) -> None:
    server.answers = [_json({"kind": "Status", "reason": "Because", "message": "it is so"}, status)]
    with pytest.raises(kind) as caught:
        KubeApi(server.url).get("Pod", "ns", "p")
    assert (caught.value.status, caught.value.reason, caught.value.message) == (status, "Because", "it is so")
    assert type(caught.value) is kind


def test_an_answer_that_is_not_json_is_quoted(server: _Server) -> None:
    def interceptor(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "9")
        handler.end_headers()
        handler.wfile.write(b"<a proxy>")

    server.answers = [interceptor]
    with pytest.raises(ApiError, match="<a proxy>"):
        KubeApi(server.url).get("Pod", "ns", "p")


def test_a_missing_server_is_unavailable(server: _Server) -> None:
    url = server.url
    server.close()
    with pytest.raises(Unavailable, match="does not answer GET /api/v1/pods"):
        KubeApi(url).list("Pod")


def test_items_of_a_list_know_their_kind(server: _Server) -> None:
    server.answers = [_json({"items": [{"metadata": {"name": "a"}}]})]
    found = KubeApi(server.url).list("ConfigMap", "ns", labels={"a": "b", "c": "d"})
    assert found == [{"metadata": {"name": "a"}, "kind": "ConfigMap", "apiVersion": "v1"}]
    assert server.requests[0]["query"] == {"labelSelector": "a=b,c=d"}


def _event(what: str, version: int) -> bytes:
    return json.dumps({"type": what, "object": {"metadata": {"resourceVersion": str(version)}}}).encode() + b"\n"


def test_a_watch_is_cut_into_events_wherever_the_pieces_end(server: _Server) -> None:
    whole = _event("ADDED", 1) + _event("MODIFIED", 2)
    server.answers = [_chunks(whole[:20], whole[20:70], whole[70:]), _chunks(_event("DELETED", 3))]
    watch = KubeApi(server.url).watch("Pod", "ns", name="p", labels={"a": "b"}, timeout_s=10)
    assert [change for change, _ in (next(watch), next(watch), next(watch))] == ["ADDED", "MODIFIED", "DELETED"]
    watch.close()  # type: ignore[attr-defined]
    first, second = (request["query"] for request in server.requests)
    assert first["watch"] == "true"
    assert first["fieldSelector"] == "metadata.name=p"
    assert first["labelSelector"] == "a=b"
    assert "resourceVersion" not in first
    # the server ended it early: it goes on after what was seen
    assert second["resourceVersion"] == "2"


def test_a_bookmark_is_kept_to_itself_and_an_error_is_raised(server: _Server) -> None:
    trouble = {"type": "ERROR", "object": {"code": 500, "reason": "InternalError", "message": "etcd is full"}}
    server.answers = [_chunks(_event("BOOKMARK", 9), json.dumps(trouble).encode() + b"\n")]
    with pytest.raises(ApiError, match="etcd is full") as caught:
        next(KubeApi(server.url).watch("Pod", "ns", timeout_s=5))
    assert caught.value.status == 500


def test_output_comes_in_lines_and_the_last_needs_no_end(server: _Server) -> None:
    server.answers = [_chunks(b"one\ntw", b"o\nthr", b"ee")]
    lines = KubeApi(server.url).logs("ns", "p", container="main", follow=True)
    assert list(lines) == ["one", "two", "three"]
    assert server.requests[0]["query"] == {"follow": "true", "container": "main"}


def test_output_that_breaks_off_is_an_error(server: _Server) -> None:
    server.answers = [_chunks(b"one\n", cut=True)]
    lines = KubeApi(server.url).logs("ns", "p", follow=True)
    assert next(lines) == "one"
    with pytest.raises(Unavailable):
        next(lines)


def test_a_custom_kind_is_asked_for_once(server: _Server) -> None:
    resources = {"resources": [{"kind": "Tab", "name": "tabs", "namespaced": True}]}
    server.answers = [_json(resources), _json({}), _json({})]
    api = KubeApi(server.url)
    for name in ("a", "b"):
        api.create({"apiVersion": "x.org/v1", "kind": "Tab", "metadata": {"name": name, "namespace": "ns"}})
    assert [request["path"] for request in server.requests] == [
        "/apis/x.org/v1",
        "/apis/x.org/v1/namespaces/ns/tabs",
        "/apis/x.org/v1/namespaces/ns/tabs",
    ]


def test_an_object_of_a_custom_kind_is_deleted_by_its_api_version(server: _Server) -> None:
    resources = {"resources": [{"kind": "Tab", "name": "tabs", "namespaced": True}]}
    server.answers = [_json(resources), _json({})]
    KubeApi(server.url).delete("Tab", "ns", "a", api_version="x.org/v1")
    assert [(request["method"], request["path"].partition("?")[0]) for request in server.requests] == [
        ("GET", "/apis/x.org/v1"),
        ("DELETE", "/apis/x.org/v1/namespaces/ns/tabs/a"),
    ]


def test_a_forked_process_has_a_connection_of_its_own(server: _Server) -> None:
    server.answers = [_json({"items": []})] * 2
    api = KubeApi(server.url)
    api.list("Pod")
    child = os.fork()
    if child == 0:
        try:
            api.list("Pod")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert len({request["client"] for request in server.requests}) == 2


def test_outside_a_cluster_there_is_no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Unavailable, match="KUBERNETES_SERVICE_HOST"):
        KubeApi.in_cluster()


def test_output_without_line_breaks_comes_in_parts_and_loses_nothing(server: _Server) -> None:
    server.answers.append(_chunks(b"a" * 40_000, b"b" * 10_000 + b"\nend"))
    lines = list(KubeApi(server.url).logs("ns", "p", follow=True))
    assert max(map(len, lines)) <= 16 * 1024
    assert "".join(lines) == "a" * 40_000 + "b" * 10_000 + "end"


def test_only_the_last_lines_can_be_asked_for(server: _Server) -> None:
    server.answers.append(_chunks(b"last\n"))
    assert list(KubeApi(server.url).logs("ns", "p", tail=3)) == ["last"]
    assert server.requests[-1]["query"] == {"tailLines": "3"}
