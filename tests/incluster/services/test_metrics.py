"""Annotated pods are asked for metrics; what they answer is kept, and what keeps them from answering is reported."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from harness.incluster.services.metrics import scraping
from harness.incluster.services.metrics.collector import Metrics
from harness.incluster.services.metrics.scraping import duration, targets_of

pytest.importorskip("prometheus_client")

PLAIN = """\
# HELP loss The loss.
# TYPE loss gauge
loss{fold="0"} %s
# TYPE epochs counter
epochs_total 3
"""


class Endpoint:
    """A pod's program: answers every path with ``answers[0]``, the last answer stays."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str, bytes]] = [(200, "text/plain; version=0.0.4", (PLAIN % 1).encode())]
        self.asked: list[str] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.asked.append(self.path)
                answers = endpoint.answers
                status, kind, body = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    result = Endpoint()
    yield result
    result.server.shutdown()
    result.server.server_close()


class Cluster:
    """An API server with the two calls that are made of it."""

    def __init__(self) -> None:
        self.changes: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.pods: dict[str, Any] = {}

    def list(self, kind: str) -> list[Any]:
        assert kind == "Pod"
        return list(self.pods.values())

    def watch(self, kind: str, namespace: str | None, *, timeout_s: float) -> Iterator[tuple[str, Any]]:
        assert (kind, namespace) == ("Pod", None)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            item = self.changes.get()
            if item[0] == "BREAK":
                return
            yield item

    def tell(self, change: str, pod: Any) -> None:
        self.pods[pod["metadata"]["uid"]] = pod
        if change == "DELETED":
            del self.pods[pod["metadata"]["uid"]]
        self.changes.put((change, pod))


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def metrics(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Metrics]:
    monkeypatch.setattr(scraping, "INTERVAL_S", 0.05)
    result = Metrics(lambda: cluster)  # type: ignore[arg-type, return-value]
    result.start()
    yield result
    result.stop()


def pod(port: int | None = None, *, phase: str = "Running", ip: str = "127.0.0.1", **annotations: str) -> Any:
    """A pod of the task ``train``; names of annotations without their prefix, ``__`` stands for none."""
    given = {"scrape": "true", **({"port": str(port)} if port else {}), **annotations}
    return {
        "metadata": {
            "name": "train-pod",
            "namespace": "project-a",
            "uid": "u1",
            "annotations": {
                "kaapana-harness/task": "run-1/train",
                **{f"prometheus.io/{name}": value for name, value in given.items()},
            },
        },
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": phase, "podIP": ip},
    }


def until(metrics: Metrics, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The only target, when it fulfils the condition."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = metrics.list_scraped("project-a")
        if found and condition(found[0]):
            return found[0]
        time.sleep(0.01)
    raise AssertionError(f"not within 10 s: {metrics.list_scraped('project-a')}")


def test_the_changes_of_every_series_are_kept_with_the_platforms_labels(
    metrics: Metrics, cluster: Cluster, endpoint: Endpoint
) -> None:
    endpoint.answers = [(200, "text/plain", (PLAIN % value).encode()) for value in (4, 2, 2, "NaN")]
    cluster.tell("ADDED", pod(endpoint.port, path="/own", custom_job_name="mine", scrape_interval="200ms"))
    found = until(metrics, lambda target: target["answers"] >= 5)
    assert set(endpoint.asked) == {"/own"}
    assert (found["task"], found["error"], found["dropped"]) == ("run-1/train", "", 0)
    loss, epochs = found["series"]
    assert [value for _, value in loss["values"]] == ["4.0", "2.0", "NaN"]
    assert [value for _, value in epochs["values"]] == ["3.0"]
    assert loss["metric"] == {
        "__name__": "loss",
        "fold": "0",
        "job": "kubernetes-pods",
        "custom_job_name": "mine",
        "instance": f"127.0.0.1:{endpoint.port}",
        "kubernetes_namespace": "project-a",
        "kubernetes_pod_name": "train-pod",
        "kubernetes_pod_uid": "u1",
    }


def test_a_label_of_the_pod_does_not_take_the_place_of_one_of_the_platforms(
    metrics: Metrics, cluster: Cluster, endpoint: Endpoint
) -> None:
    endpoint.answers = [(200, "text/plain", b'x{instance="mine"} 1\n')]
    cluster.tell("ADDED", pod(endpoint.port))
    labels = until(metrics, lambda target: target["answers"] > 0)["series"][0]["metric"]
    assert (labels["exported_instance"], labels["instance"]) == ("mine", f"127.0.0.1:{endpoint.port}")


def test_open_metrics_are_read_by_their_own_parser(metrics: Metrics, cluster: Cluster, endpoint: Endpoint) -> None:
    kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    endpoint.answers = [(200, kind, b"# TYPE x gauge\nx 1\n"), (200, kind, b"# TYPE x gauge\nx 1\n# EOF\n")]
    cluster.tell("ADDED", pod(endpoint.port))
    found = until(metrics, lambda target: target["answers"] > 0)
    assert found["answered_otherwise"] is True  # the first answer lacked the end


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, "text/html", b"<html>hello</html>"), "not in Prometheus' format"),
        ((200, "text/plain", b"\xff\xfe"), "not UTF-8"),
        ((404, "text/plain", b""), "HTTP 404"),
        ((302, "text/plain", b""), "HTTP 302"),
        ((200, "text/plain", b"x 1\n" * (3 << 20)), "longer than 8 MiB"),
    ],
)
def test_an_answer_without_metrics_is_reported(
    metrics: Metrics, cluster: Cluster, endpoint: Endpoint, answer: tuple[int, str, bytes], words: str
) -> None:
    endpoint.answers = [answer]
    cluster.tell("ADDED", pod(endpoint.port))
    found = until(metrics, lambda target: bool(target["error"]))
    assert words in found["error"]
    assert (found["answers"], found["answered_otherwise"], found["series"]) == (0, True, [])
    assert "/elsewhere" not in endpoint.asked


def test_an_endpoint_that_does_not_answer_is_asked_again_until_the_pod_ends(metrics: Metrics, cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    target = pod(port)
    cluster.tell("ADDED", target)
    found = until(metrics, lambda item: item["attempts"] >= 2)
    assert "does not answer" in found["error"]
    assert "refused" in found["error"]
    assert found["answered_otherwise"] is False
    target["status"]["phase"] = "Succeeded"
    cluster.tell("MODIFIED", target)
    _quiet(metrics)


def test_an_endpoint_that_sends_for_ever_is_left_after_its_timeout(metrics: Metrics, cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                while True:
                    connection.sendall(b"#\n")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        cluster.tell("ADDED", pod(server.getsockname()[1], scrape_timeout="300ms"))
        found = until(metrics, lambda item: item["attempts"] >= 1)
    assert "not answered within 0.3 s" in found["error"]


def test_nothing_is_asked_after_the_pod_was_deleted_unseen(
    metrics: Metrics, cluster: Cluster, endpoint: Endpoint
) -> None:
    cluster.tell("ADDED", pod(endpoint.port))
    until(metrics, lambda target: target["answers"] > 0)
    cluster.pods.clear()
    cluster.changes.put(("BREAK", None))
    _quiet(metrics)


def test_a_pod_that_had_ended_before_it_was_seen_says_so(metrics: Metrics, cluster: Cluster) -> None:
    cluster.tell("ADDED", pod(9000, phase="Succeeded"))
    found = until(metrics, lambda target: bool(target["error"]))
    assert (found["attempts"], "ended before it could be asked" in found["error"]) == (0, True)


def test_the_metrics_of_a_project_are_removed_with_it(metrics: Metrics, cluster: Cluster, endpoint: Endpoint) -> None:
    cluster.tell("ADDED", pod(endpoint.port))
    until(metrics, lambda target: target["answers"] > 0)
    metrics.forget("project-b")
    assert len(metrics.list_scraped("project-a")) == 1
    metrics.forget("project-a")
    assert metrics.list_scraped("project-a") == []


def _quiet(metrics: Metrics) -> None:
    """Return when the target is not asked any more: no attempt within half a second."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        before = metrics.list_scraped("project-a")[0]["attempts"]
        time.sleep(0.5)
        if metrics.list_scraped("project-a")[0]["attempts"] == before:
            return
    raise AssertionError("it is still asked")


@pytest.mark.parametrize(
    ("annotations", "ports", "urls"),
    [
        ({}, [], ["http://10.1.2.3:80/metrics"]),
        ({"scheme": "https"}, [], ["https://10.1.2.3:443/metrics"]),
        ({}, [8000, 9000], ["http://10.1.2.3:8000/metrics", "http://10.1.2.3:9000/metrics"]),
        ({"port": "8"}, [8000], ["http://10.1.2.3:8/metrics"]),
        ({"path": "m?x=1"}, [1], ["http://10.1.2.3:1/m?x=1"]),
        ({"scrape": "yes"}, [1], []),
        ({"scrape": "false", "scrape_2": "true", "port_2": "5", "path_2": "/two"}, [1], ["http://10.1.2.3:5/two"]),
    ],
)
def test_annotations_say_where_a_pod_is_asked(annotations: dict[str, str], ports: list[int], urls: list[str]) -> None:
    manifest = pod(ip="10.1.2.3", **annotations)
    manifest["spec"]["containers"][0]["ports"] = [{"containerPort": port} for port in ports]
    assert [target.url for target in targets_of(manifest)] == urls


def test_certificates_are_verified_unless_the_pod_says_otherwise() -> None:
    (verified,) = targets_of(pod(1, scheme="https"))
    (other,) = targets_of(pod(1, scheme="https", insecure_skip_verify="true"))
    assert (verified.verify, other.verify) == (True, False)


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15), ("500ms", 0.5), ("1m", 60), ("2", 2), ("", 7), ("soon", 7), ("0s", 0.2)]
)
def test_durations_are_read_as_prometheus_writes_them(text: str, seconds: float) -> None:
    assert duration(text, 7) == seconds
