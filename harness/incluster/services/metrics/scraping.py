"""Scrape one pod as Prometheus does: where to ask, and what to take from the answer (services 15)."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from harness.wire.annotations import ANNOTATION_TASK
from harness.wire.scrape_targets import ScrapedTarget

ANNOTATION: Final = "prometheus.io"
# annotation suffix of each of the platform's pod jobs
_JOBS: Final = {"": "kubernetes-pods", "_2": "kubernetes-pods-extra"}
_ACCEPT: Final = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNITS: Final = {None: 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "h": 3600.0}
# the platform asks every 30 s, most runs of a test are shorter
INTERVAL_S: Final = 1.0
_TIMEOUT_S: Final = 10.0
_BODY_BYTES: Final = 8 << 20
_POINTS: Final = 100_000
# for a pod without ports: more would delay other pods
_PORTS: Final = 16


class ScrapeError(Exception):
    """The endpoint did not answer, or not with metrics; ``answered`` tells which."""

    def __init__(self, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.answered = answered


@dataclasses.dataclass
class Target:
    """One address of a pod to scrape while the pod runs.

    Attributes:
        task: ``<run id>/<task id>`` of an operator's pod, otherwise empty.
        series: points (seconds since 1970, value as text) by the labels; only changes are kept.
        answers, attempts: how often it answered with metrics, how often it was asked.
        error: the last failure; empty after an answer.
        refused: the annotations name no port of the pod itself, so it is never asked.
    """

    url: str
    labels: Mapping[str, str]
    task: str
    verify: bool
    interval_s: float
    timeout_s: float
    attempts: int = 0
    answers: int = 0
    answered_otherwise: bool = False
    error: str = ""
    refused: bool = False
    dropped: int = 0
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, str]]] = dataclasses.field(default_factory=dict)
    ended: threading.Event = dataclasses.field(default_factory=threading.Event)
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    _points: int = 0

    def keep(self, labels: tuple[tuple[str, str], ...], at: float, value: str) -> None:
        """Add a point where the value has changed."""
        points = self.series.get(labels, [])
        if points and points[-1][1] == value:
            return
        if self._points >= _POINTS:
            self.dropped += 1
            return
        self._points += 1
        self.series.setdefault(labels, points).append((at, value))

    def as_json(self) -> dict[str, Any]:
        """Return the target, with its series as Prometheus' own API writes a range: ``metric`` and ``values``."""
        with self.lock:
            scraped = ScrapedTarget(
                self.url,
                self.task,
                dict(self.labels),
                self.attempts,
                self.answers,
                self.answered_otherwise,
                self.error,
                self.dropped,
                [
                    {"metric": dict(labels), "values": [list(point) for point in points]}
                    for labels, points in self.series.items()
                ],
            )
            return scraped.as_json()


def targets_of(pod: Mapping[str, Any]) -> Iterator[Target]:
    """Yield the targets of a running pod's annotations, if any."""
    metadata = pod["metadata"]
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    address = str((pod.get("status") or {}).get("podIP") or "")
    for suffix, job in _JOBS.items():

        def annotation(name: str, suffix: str = suffix) -> str:
            return str(annotations.get(f"{ANNOTATION}/{name}{suffix}") or "")

        if annotation("scrape") != "true" or not address:
            continue
        scheme = annotation("scheme") or "http"
        wrong = _problem_of(scheme, annotation("port"), address)
        path = annotation("path") or "/metrics"
        host = f"[{address}]" if ":" in address else address
        for port in [annotation("port")] if wrong else _ports(pod, annotation("port"), scheme):
            labels = {
                "job": "kubernetes-pods" if not suffix else job,
                "instance": f"{host}:{port}",
                "kubernetes_namespace": str(metadata["namespace"]),
                "kubernetes_pod_name": str(metadata["name"]),
                "kubernetes_pod_uid": str(metadata.get("uid") or ""),
            }
            if annotation("custom_job_name"):
                labels["custom_job_name"] = annotation("custom_job_name")
            url = f"{scheme}://{host}:{port}/{path.lstrip('/')}"
            yield Target(
                url=url,
                error=f"{url}: {wrong}" if wrong else "",
                refused=bool(wrong),
                labels=labels,
                task=str(annotations.get(ANNOTATION_TASK) or ""),
                verify=annotation("insecure_skip_verify") != "true",
                interval_s=duration(annotation("scrape_interval"), INTERVAL_S),
                timeout_s=min(_TIMEOUT_S, duration(annotation("scrape_timeout"), _TIMEOUT_S)),
            )


def _ports(pod: Mapping[str, Any], annotated: str, scheme: str) -> list[str]:
    """Return the annotated port, or every declared one, or that of the scheme."""
    if annotated:
        return [annotated]
    declared = [
        str(port["containerPort"])
        for container in pod["spec"].get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("protocol", "TCP") == "TCP"
    ]
    return declared[:_PORTS] or ["443" if scheme == "https" else "80"]


def _problem_of(scheme: str, port: str, address: str) -> str:
    """Return why the annotations would lead to anywhere but a port of the pod itself; empty if they do not."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return f"the pod has no address but {address!r}"
    if scheme not in {"http", "https"}:
        return "prometheus.io/scheme must be http or https"
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 1 << 16):
        return f"prometheus.io/port must be a number from 1 to 65535, not {port!r}"
    return ""


def duration(text: str, default: float) -> float:
    """Return the seconds of a duration such as ``15s``; the default for other texts, and at least 0.2."""
    match = _DURATION.fullmatch(text.strip())
    return max(0.2, float(match[1]) * _UNITS[match[2]]) if match else default


def scrape(target: Target) -> None:
    """Scrape a target once, and keep its metrics or its error."""
    at = time.time()
    try:
        samples = list(_samples(*_fetch(target)))
    except ScrapeError as problem:
        with target.lock:
            target.attempts += 1
            target.answered_otherwise = target.answered_otherwise or problem.answered
            target.error = str(problem)
        return
    with target.lock:
        target.attempts += 1
        target.answers += 1
        target.error = ""
        for name, labels, value in samples:
            # a pod's own label with the name of a platform label is kept, as in Prometheus
            own = {f"exported_{key}" if key in target.labels else key: text for key, text in labels.items()}
            target.keep(tuple(sorted({"__name__": name, **target.labels, **own}.items())), round(at, 3), value)


def _fetch(target: Target) -> tuple[str, str]:
    """Return the body and its content type; bounded in size and in time, as a pod may answer with anything for ever."""
    import urllib3

    deadline = time.monotonic() + target.timeout_s
    pool = urllib3.PoolManager(
        retries=False,
        timeout=urllib3.Timeout(total=target.timeout_s),
        cert_reqs="CERT_REQUIRED" if target.verify else "CERT_NONE",
    )
    try:
        answer = pool.request(
            "GET", target.url, headers={"Accept": _ACCEPT}, preload_content=False, redirect=False, decode_content=False
        )
        try:
            if answer.status != 200:
                raise ScrapeError(f"{target.url} answers with HTTP {answer.status}", answered=True)
            if packed := answer.headers.get("Content-Encoding", ""):
                raise ScrapeError(f"{target.url} sends a compressed answer ({packed[:40]})", answered=True)
            body = b""
            while chunk := answer.read1(1 << 16):
                body += chunk
                if len(body) > _BODY_BYTES:
                    raise ScrapeError(f"{target.url}: the answer is longer than {_BODY_BYTES >> 20} MiB", answered=True)
                if time.monotonic() > deadline:
                    raise ScrapeError(f"{target.url}: not answered within {target.timeout_s:g} s", answered=False)
        finally:
            answer.close()
    except (urllib3.exceptions.HTTPError, ValueError) as problem:
        reason = getattr(problem, "reason", None) or problem
        raise ScrapeError(f"{target.url} does not answer: {_short(reason)}", answered=False) from None
    finally:
        pool.clear()
    try:
        return body.decode("utf-8"), str(answer.headers.get("Content-Type") or "")
    except UnicodeDecodeError as problem:
        raise ScrapeError(f"{target.url}: the answer is not UTF-8: {problem}", answered=True) from None


def _samples(body: str, content_type: str) -> Iterator[tuple[str, Mapping[str, str], str]]:
    """Yield name, labels and value of every sample; Prometheus' own parsers check the format."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
    from prometheus_client.parser import text_string_to_metric_families as plain
    from prometheus_client.utils import floatToGoString

    parse = open_metrics if content_type.startswith("application/openmetrics-text") else plain
    try:
        for family in parse(body):
            for sample in family.samples:
                yield sample.name, sample.labels, floatToGoString(sample.value)  # type: ignore[no-untyped-call]
    # the parsers raise ValueError for expected problems, and other errors for the rest
    except Exception as problem:
        raise ScrapeError(f"the answer is not in Prometheus' format: {_short(problem)}", answered=True) from None


def _short(problem: object) -> str:
    text = " ".join(str(problem).split())
    # the library puts its own object in front of what happened
    text = re.sub(r"^<[^>]*>:\s*|^\w*Connection\([^)]*\):\s*", "", text)
    return text[:300] or type(problem).__name__
