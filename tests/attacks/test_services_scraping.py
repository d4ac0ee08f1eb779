"""Annotations of pods cannot make the services scrape other addresses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.incluster.services.metrics.collector import Metrics
from harness.incluster.services.metrics.scraping import targets_of
from tests.attacks.services_fuzz import bounded

POD_ADDRESS = "127.0.0.77"


class Victim:
    """A server at another address than the pod's; remembers whether it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        victim = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                victim.asked.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def victim() -> Iterator[Victim]:
    running = Victim()
    yield running
    running.close()


def pod(**annotations: str) -> dict[str, Any]:
    said = {f"prometheus.io/{key}": value for key, value in annotations.items()}
    return {
        "metadata": {
            "name": "p", "namespace": "project-a", "uid": "u", "annotations": {"prometheus.io/scrape": "true", **said}
        },
        "spec": {},
        "status": {"podIP": POD_ADDRESS, "phase": "Running"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "annotations",
    [
        {"port": "x@{victim}"},
        {"port": "80@{victim}"},
        {"port": "@{victim}"},
        {"port": "80/@{victim}"},
        {"port": "1\n@{victim}"},
        {"scheme": "http://{victim}/?"},
        {"scheme": "http://{victim}#"},
        {"scheme": "HTTP://{victim}/x?"},
        {"port": "80", "scheme": "http://x@{victim}/"},
    ],
)
def test_annotations_that_name_another_host_are_not_followed(annotations: dict[str, str], victim: Victim) -> None:
    filled = {key: value.format(victim=victim.address) for key, value in annotations.items()}
    metrics = Metrics()
    # as the watch hands a pod on
    metrics._see("ADDED", pod(**filled))
    (found,) = metrics.list_scraped("project-a")
    metrics.stop()
    assert "must be" in found["error"]
    assert found["attempts"] == 0
    assert victim.asked == []


@given(st.dictionaries(st.sampled_from(["port", "scheme", "path"]), st.text(max_size=20)))
@bounded
def test_whatever_the_annotations_say_only_the_pod_itself_is_asked(annotations: dict[str, str]) -> None:
    for target in targets_of(pod(**annotations)):
        if not target.refused:
            parts = urlsplit(target.url)
            assert parts.scheme in {"http", "https"}
            assert parts.hostname == POD_ADDRESS
            assert parts.username is None
            assert 0 < (parts.port or 80) < 65536


def test_a_pod_without_an_address_of_its_own_is_not_asked() -> None:
    without = pod()
    without["status"]["podIP"] = "metadata.example"
    (target,) = targets_of(without)
    assert target.refused


def test_a_pod_with_many_ports_leaves_room_for_others() -> None:
    many = pod()
    many["spec"]["containers"] = [{"ports": [{"containerPort": number} for number in range(1, 1000)]}]
    assert len(list(targets_of(many))) == 16
