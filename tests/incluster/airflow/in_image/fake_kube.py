"""A Kubernetes API over HTTP, as far as a pod operator needs it; a pod's image decides what its container does.

=====================  ==================================================================
``lines/exit-<n>``     writes two lines, exits with n
``lines/oom``          is killed for its memory
``lines/hang``         runs until its pod is deleted
``missing/<any>``      waits with ErrImagePull and the tags that the registry has
``private/<any>``      waits with ErrImagePull because a login is missing
``pending/<any>``      never starts
``flaky/exit-<n>``     exits with n at its first start, with 0 afterwards
``held/exit-<n>``      runs until :meth:`FakeKube.release`, then exits with n
``lines/worker``       runs its command for real, in a process of its own
=====================  ==================================================================
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

WORKER_IMAGE = "lines/worker"
_PATH = re.compile(
    r"^/api/v1/namespaces/(?P<ns>[^/]+)/(?P<plural>pods|configmaps|services|secrets|events)(/(?P<name>[^/]+))?"
    r"(?P<log>/log)?$"
)


class FakeKube:
    """Holds the objects; ``url`` is where it listens. ``created`` remembers every object ever made."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.created: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        # seconds between SIGTERM and SIGKILL that a deletion asked for
        self.graces: dict[str, str] = {}
        self.starts: dict[str, int] = {}
        self.released: set[str] = set()
        # of containers that run for real: what they wrote, and what they need in their environment
        self.outputs: dict[str, str] = {}
        self.environ: dict[str, str] = {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

            def do_POST(self) -> None:
                fake._create(self)

            def do_PATCH(self) -> None:
                fake._patch(self)

            def do_GET(self) -> None:
                fake._get(self)

            def do_DELETE(self) -> None:
                fake._delete(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _work(self, manifest: dict[str, Any]) -> int:
        """Run the command of a container for real."""
        container = manifest["spec"]["containers"][0]
        done = subprocess.run(
            [sys.executable, *container["command"][1:], *container["args"]],
            env=worker_environment({"PATH": "/opt/venv/bin:/usr/bin:/bin", **self.environ}, manifest),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        self.outputs[manifest["metadata"]["name"]] = done.stdout
        return done.returncode

    def close(self) -> None:
        """Stop listening; watches end."""
        self._server.shutdown()
        self._server.server_close()

    def pods(self) -> list[dict[str, Any]]:
        """The pods that were ever created, in order."""
        return [manifest for manifest in self.created if manifest["kind"] == "Pod"]

    def release(self, pod: str) -> None:
        """Let the container of a pod go on that is held."""
        with self.changed:
            self.released.add(pod)
            self.changed.notify_all()

    def put(self, manifest: dict[str, Any]) -> None:
        """Place an object as if another client had created it."""
        metadata = manifest["metadata"]
        plural = manifest["kind"].lower() + "s"
        with self.changed:
            self.objects[metadata["namespace"], plural, metadata["name"]] = manifest
            self._publish("ADDED", manifest)

    # -- inner parts -------------------------------------------------------------------------------------

    def _publish(self, change: str, manifest: dict[str, Any]) -> None:
        self.events.append((change, json.loads(json.dumps(manifest))))
        manifest["metadata"]["resourceVersion"] = str(len(self.events))
        self.events[-1][1]["metadata"]["resourceVersion"] = str(len(self.events))
        self.changed.notify_all()

    def _answer(self, handler: BaseHTTPRequestHandler, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _refuse(self, handler: BaseHTTPRequestHandler, status: int, reason: str, message: str) -> None:
        self._answer(handler, status, {"kind": "Status", "code": status, "reason": reason, "message": message})

    def _place(self, handler: BaseHTTPRequestHandler) -> re.Match[str]:
        match = _PATH.match(urlsplit(handler.path).path)
        assert match, handler.path
        return match

    def _create(self, handler: BaseHTTPRequestHandler) -> None:
        place = self._place(handler)
        manifest = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        key = (place["ns"], place["plural"], manifest["metadata"]["name"])
        with self.changed:
            if key in self.objects:
                return self._refuse(handler, 409, "AlreadyExists", f"{key[2]} already exists")
            self.created.append(json.loads(json.dumps(manifest)))
            self.objects[key] = manifest
            if place["plural"] == "pods":
                manifest["status"] = {"phase": "Pending"}
            self._publish("ADDED", manifest)
            created = json.loads(json.dumps(manifest))
        if place["plural"] == "pods":
            threading.Thread(target=self._run, args=(manifest,), daemon=True).start()
        return self._answer(handler, 201, created)

    def _patch(self, handler: BaseHTTPRequestHandler) -> None:
        place = self._place(handler)
        change = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self.changed:
            manifest = self.objects[place["ns"], place["plural"], place["name"]]
            manifest["data"].update(change["data"])
            self._publish("MODIFIED", manifest)
        return self._answer(handler, 200, manifest)

    def _delete(self, handler: BaseHTTPRequestHandler) -> None:
        place = self._place(handler)
        with self.changed:
            manifest = self.objects.pop((place["ns"], place["plural"], place["name"]), None)
            if manifest is None:
                return self._refuse(handler, 404, "NotFound", f"{place['name']} not found")
            self.deleted.append(place["name"])
            query = parse_qs(urlsplit(handler.path).query)
            self.graces[place["name"]] = query.get("gracePeriodSeconds", ["30"])[0]
            self._publish("DELETED", manifest)
        return self._answer(handler, 200, manifest)

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        place = self._place(handler)
        query = {key: values[0] for key, values in parse_qs(urlsplit(handler.path).query).items()}
        if query.get("watch"):
            return self._watch(handler, place["plural"], query)
        if not place["name"]:
            return self._list(handler, place, query)
        manifest = self.objects.get((place["ns"], place["plural"], place["name"]))
        if manifest is None:
            return self._refuse(handler, 404, "NotFound", f"{place['name']} not found")
        if place["log"]:
            return self._log(handler, manifest)
        return self._answer(handler, 200, manifest)

    def _list(self, handler: BaseHTTPRequestHandler, place: re.Match[str], query: dict[str, str]) -> None:
        wanted = dict(part.split("=", 1) for part in query.get("labelSelector", "").split(",") if part)
        with self.changed:
            items = [
                manifest
                for (namespace, plural, _), manifest in self.objects.items()
                if (namespace, plural) == (place["ns"], place["plural"])
                and wanted.items() <= manifest["metadata"].get("labels", {}).items()
            ]
        self._answer(handler, 200, {"kind": "List", "items": items})

    def _stream(self, handler: BaseHTTPRequestHandler, lines: Iterator[str]) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            for line in lines:
                data = f"{line}\n".encode()
                handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                handler.wfile.flush()
            handler.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True

    def _watch(self, handler: BaseHTTPRequestHandler, plural: str, query: dict[str, str]) -> None:
        name = query["fieldSelector"].split("=", 1)[1]

        def lines() -> Iterator[str]:
            position = int(query.get("resourceVersion") or 0)
            if not position:
                with self.changed:
                    position = len(self.events)
                    present = [
                        json.dumps({"type": "ADDED", "object": m})
                        for k, m in self.objects.items()
                        if k[1:] == (plural, name)
                    ]
                yield from present
            while True:
                with self.changed:
                    arrived = self.changed.wait_for(
                        lambda at=position: len(self.events) > at, float(query["timeoutSeconds"])
                    )
                    if not arrived:
                        return
                    fresh, position = self.events[position:], len(self.events)
                for change, manifest in fresh:
                    if manifest["metadata"]["name"] == name and manifest["kind"].lower() + "s" == plural:
                        yield json.dumps({"type": change, "object": manifest})

        self._stream(handler, lines())

    def _log(self, handler: BaseHTTPRequestHandler, manifest: dict[str, Any]) -> None:
        image = manifest["spec"]["containers"][0]["image"]
        name = manifest["metadata"]["name"]

        def lines() -> Iterator[str]:
            if image == WORKER_IMAGE:
                with self.changed:
                    self.changed.wait_for(lambda: self._gone(manifest) or manifest["status"]["phase"] != "Running")
                yield from self.outputs.get(name, "").splitlines()
                return
            yield f"this is {image}"
            with self.changed:
                self.changed.wait_for(lambda: self._gone(manifest) or manifest["status"]["phase"] != "Running")
            yield f"the end of {name}"

        self._stream(handler, lines())

    def _gone(self, manifest: dict[str, Any]) -> bool:
        return manifest not in self.objects.values()

    def _set(self, manifest: dict[str, Any], status: dict[str, Any]) -> None:
        with self.changed:
            if not self._gone(manifest):
                manifest["status"] = status
                self._publish("MODIFIED", manifest)

    def _run(self, manifest: dict[str, Any]) -> None:
        image = manifest["spec"]["containers"][0]["image"]
        kind, _, what = image.split(":")[0].partition("/")
        self.starts[image] = self.starts.get(image, 0) + 1
        container = manifest["spec"]["containers"][0]["name"]

        def status(phase: str, state: dict[str, Any]) -> dict[str, Any]:
            return {"phase": phase, "podIP": "10.1.2.3", "containerStatuses": [{"name": container, "state": state}]}

        if kind == "pending":
            return
        if kind == "missing":
            message = f"{image}: not found; tags of {what}: 1.0, 2.0"
            self._set(manifest, status("Pending", {"waiting": {"reason": "ErrImagePull", "message": message}}))
            return
        if kind == "private":
            message = f"pulling {image}: 401 Unauthorized"
            self._set(manifest, status("Pending", {"waiting": {"reason": "ErrImagePull", "message": message}}))
            return
        self._set(manifest, status("Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}}))
        if what == "hang":
            return
        if kind == "held":
            name = manifest["metadata"]["name"]
            with self.changed:
                self.changed.wait_for(lambda: name in self.released or self._gone(manifest))
        if image == WORKER_IMAGE:
            what = f"exit-{self._work(manifest)}"
        times = {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z"}
        if what == "oom":
            ended = {"exitCode": 137, "reason": "OOMKilled", **times}
        else:
            code = int(what.rpartition("-")[2])
            if kind == "flaky" and self.starts[image] > 1:
                code = 0
            ended = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", **times}
        phase = "Succeeded" if ended["exitCode"] == 0 else "Failed"
        manifest["metadata"].setdefault("annotations", {})["kaapana-harness/max-memory-bytes"] = "4096"
        self._set(manifest, status(phase, {"terminated": ended}))


def worker_environment(base: dict[str, str], manifest: dict[str, Any]) -> dict[str, str]:
    """The environment of a worker's container; secrets have no value."""
    entries = manifest["spec"]["containers"][0]["env"]
    return {**base, **{entry["name"]: entry.get("value", "secret") for entry in entries}}


def wait_until(condition: Callable[[], bool], fake: FakeKube, timeout_s: float = 10.0) -> bool:
    """Wait for a condition on the fake's objects."""
    with fake.changed:
        return fake.changed.wait_for(condition, timeout_s)
