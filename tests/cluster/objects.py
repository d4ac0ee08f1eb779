"""Short ways to write objects and to wait for them, for the tests of clusters."""

from __future__ import annotations

import contextlib
import itertools
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from harness.cluster import Cluster
from harness.kube import KubeApi, Manifest, NotFound

IMAGE = "test.invalid/small:1"
_DEADLINE_S = 120.0  # only a test that fails waits so long
_NUMBERS = itertools.count(1)


def shell(script: str, **container: Any) -> dict[str, Any]:
    """A container that runs a script."""
    return {"name": "main", "image": IMAGE, "command": ["sh", "-c", script], **container}


def python(script: str, **container: Any) -> dict[str, Any]:
    """A container that runs a Python program."""
    return {"name": "main", "image": IMAGE, "command": ["python", "-u", "-c", script], **container}


def http_server(port: int, text: str = "here") -> dict[str, Any]:
    """A container that answers every GET."""
    return python(
        "import http.server as h\n"
        "class A(h.BaseHTTPRequestHandler):\n"
        " def do_GET(self):\n"
        f"  self.send_response(200); self.end_headers(); self.wfile.write(b'{text}')\n"
        f"h.ThreadingHTTPServer(('', {port}), A).serve_forever()",
        readinessProbe={"httpGet": {"port": port, "path": "/"}},
    )


def fetch_script(url: str, *, reached: bool = False) -> str:
    """A Python program that prints what a URL answers, or ``no route`` when nothing does.

    Args:
        reached: something will, once the pod's node has heard of it: the nodes bring their rules up to date about
            once a second, without any event.
    """
    return (
        "import time, urllib.request\n"
        f"end = time.monotonic() + {_DEADLINE_S if reached else 0}\n"
        "while True:\n"
        f" try: print(urllib.request.urlopen('{url}', timeout=2).read().decode()); break\n"
        " except OSError as e:\n"
        "  if time.monotonic() > end: print('no route', e); break\n"
        "  time.sleep(0.1)"
    )


def connect_script(host: str, port: int) -> str:
    """A Python program that prints whether a TCP connection comes about."""
    return (
        "import socket\n"
        f"try: socket.create_connection(('{host}', {port}), timeout=2); print('connected')\n"
        "except OSError as e: print('no route', e)"
    )


def only_on_docker(cluster: Cluster, difference: str) -> None:
    """Skip the rest on other clusters; docs/fidelity.md has the difference."""
    if cluster.name != "docker":
        pytest.skip(f"differs on {cluster.name}: {difference}")


def not_on_docker(cluster: Cluster, difference: str) -> None:
    """Skip the rest on the docker cluster; docs/fidelity.md has the difference."""
    if cluster.name == "docker":
        pytest.skip(f"differs on docker: {difference}")


def fetched(url: str) -> bytes:
    """What a node port answers, once the nodes have heard that its pod is ready."""
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        try:
            data: bytes = urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            # the nodes bring their rules up to date once a second, without any event
            time.sleep(0.1)
        else:
            return data


class Objects:
    """The objects of one namespace."""

    def __init__(self, api: KubeApi, namespace: str, *, labels: dict[str, str] | None = None) -> None:
        self.api = api
        self.namespace = namespace
        self._labels = labels or {}
        self._made: list[tuple[str, str]] = []

    def create(self, kind: str, name: str, api_version: str = "v1", **fields: Any) -> Manifest:
        """Create an object; ``labels`` and ``annotations`` go into its metadata."""
        metadata = {"name": name, "namespace": self.namespace}
        metadata |= {key: fields.pop(key) for key in ("labels", "annotations") if key in fields}
        made = self.api.create({"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields})
        self._made.append((kind, name))
        return made

    def remove(self) -> None:
        """Remove what was created here, at once, and wait for it: the next test may use the same names."""
        for kind, name in reversed(self._made):
            with contextlib.suppress(NotFound):
                self.api.delete(kind, self.namespace, name, grace_period_s=0)
        for kind, name in self._made:
            with contextlib.suppress(NotFound):
                self.api.get(kind, self.namespace, name)
                self.gone(kind, name)
        self._made.clear()

    def pod(
        self, *containers: dict[str, Any], name: str = "", labels: Any = None, annotations: Any = None, **spec: Any
    ) -> str:
        """Create a pod that is not restarted; its name."""
        name = name or f"pod-{next(_NUMBERS)}"
        spec.setdefault("restartPolicy", "Never")
        metadata = {"labels": {**self._labels, **(labels or {})}, "annotations": annotations or {}}
        self.create("Pod", name, **metadata, spec={"containers": list(containers), **spec})
        return name

    def until(
        self, kind: str, name: str, holds: Callable[[Manifest], Any], deadline_s: float = _DEADLINE_S
    ) -> Manifest:
        """Watch an object until something holds."""
        latest: Manifest = {}
        for _, latest in self.api.watch(kind, self.namespace, name=name, timeout_s=deadline_s):
            if holds(latest):
                return latest
        raise AssertionError(f"{kind} {name} never got there; last: {latest.get('status') or latest}")

    def end(self, pod: str) -> Manifest:
        """Wait for the end of a pod."""
        return self.until("Pod", pod, lambda found: found["status"].get("phase") in ("Succeeded", "Failed"))

    def ready(self, pod: str) -> Manifest:
        """Wait until a pod is ready."""
        return self.until("Pod", pod, is_ready)

    def waiting(self, pod: str, reason: str) -> str:
        """Wait until the container of a pod waits for a reason; the message."""
        found = self.until("Pod", pod, lambda found: reason == _waiting(found).get("reason"))
        return str(_waiting(found).get("message", ""))

    def output(self, *containers: dict[str, Any], **spec: Any) -> str:
        """What a pod prints, which has to succeed."""
        name = self.pod(*containers, **spec)
        ended = self.end(name)
        text = self.log(name)
        assert ended["status"]["phase"] == "Succeeded", text
        return text

    def log(self, pod: str, container: str | None = None) -> str:
        """The output of a pod."""
        return "\n".join(self.api.logs(self.namespace, pod, container=container))

    def gone(self, kind: str, name: str, deadline_s: float = _DEADLINE_S) -> None:
        """Wait until an object does not exist."""
        deadline = time.monotonic() + deadline_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                self.api.get(kind, self.namespace, name)
            except NotFound:
                return
            # short, as it may be gone before the watch begins
            for change, _ in self.api.watch(kind, self.namespace, name=name, timeout_s=min(1.0, left)):
                if change == "DELETED":
                    return
        raise AssertionError(f"{kind} {name} is still there")

    def claim(self, name: str) -> None:
        """Create a claim."""
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        self.create("PersistentVolumeClaim", name, spec=spec)

    def service(self, name: str, port: int, app: str, **more: Any) -> Manifest:
        """Create a Service for the pods with the label ``app``."""
        annotations = more.pop("annotations", {})
        ports = [{"port": port, "targetPort": port}]
        return self.create(
            "Service", name, annotations=annotations, spec={"selector": {"app": app}, "ports": ports, **more}
        )


def is_ready(pod: Manifest) -> bool:
    """The condition ``Ready``."""
    return any(
        entry["type"] == "Ready" and entry["status"] == "True" for entry in pod["status"].get("conditions") or ()
    )


def terminated(pod: Manifest) -> dict[str, Any]:
    """How the only container of a pod ended."""
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return state


def _waiting(pod: Manifest) -> dict[str, Any]:
    statuses = pod["status"].get("containerStatuses") or [{}]
    waiting: dict[str, Any] = (statuses[0].get("state") or {}).get("waiting") or {}
    return waiting
