"""Reports about images that could not be pulled, against a registry that answers from a table."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import cast

import pytest

from harness.cluster import Cluster
from harness.platform import failed_pulls
from harness.platform.registry import PlatformRegistry

_ANSWERS = {
    "/v2/tool/tags/list": {"tags": ["2", "1"]},
    "/v2/_catalog": {"repositories": ["tool", "other"]},
}


def registry_at(address: str) -> PlatformRegistry:
    """The registry of a platform whose nodes need nothing."""
    cluster = SimpleNamespace(registry=address, push_address=address, serve_registry=lambda *arguments, **more: None)
    return PlatformRegistry(cast(Cluster, cluster), pull=None, push=None)


@pytest.fixture
def registry() -> Iterator[PlatformRegistry]:
    """A registry with ``tool:1``, ``tool:2`` and ``other``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = _ANSWERS.get(self.path)
            self.send_response(200 if answer else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answer or {}).encode())

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield registry_at(f"127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()


def test_a_missing_tag_is_reported_with_the_existing_ones(registry: PlatformRegistry) -> None:
    assert (
        failed_pulls.explain(registry, f"{registry.name}/tool:3", "not found\n")
        == "not found; tag 3 is not in the registry, which has 1, 2"
    )


def test_an_image_without_a_tag_is_the_latest_one(registry: PlatformRegistry) -> None:
    image = f"{registry.name}/tool"
    expected = "not found; tag latest is not in the registry, which has 1, 2"
    assert failed_pulls.explain(registry, image, "not found") == expected


def test_a_missing_repository_is_reported_with_the_existing_ones(registry: PlatformRegistry) -> None:
    expected = "not found; the registry has no repository toll; the registry has: other, tool"
    assert failed_pulls.explain(registry, f"{registry.name}/toll:3", "not found") == expected


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("{registry}/tool:2", "i/o timeout"),
        ("elsewhere.example/tool:3", "not found"),
        ("{registry}/tool@sha256:0", "not found"),
    ],
)
def test_nothing_is_added_where_it_would_be_wrong(registry: PlatformRegistry, image: str, message: str) -> None:
    assert failed_pulls.explain(registry, image.format(registry=registry.name), message) == message


def test_an_unreachable_registry_is_named() -> None:
    explained = failed_pulls.explain(registry_at("127.0.0.1:9"), "127.0.0.1:9/tool:1", "connection refused")
    assert explained == "connection refused; the registry 127.0.0.1:9 does not answer"


def test_of_many_names_only_the_first_ones_are_listed(
    registry: PlatformRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_ANSWERS, "/v2/tool/tags/list", {"tags": [f"{number:02}" for number in range(23)]})
    explained = failed_pulls.explain(registry, f"{registry.name}/tool:x", "not found")
    assert explained.endswith("18, 19 and 3 more")
