"""The services as one test runs them: the real application on free ports, MinIO and Airflow as small twins."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import queue
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from harness.incluster.services.access.directory import ProjectRecord
from harness.incluster.services.config import Ports, ServicesConfig
from harness.incluster.services.objectstore import ObjectEntry, ObjectStoreError
from harness.incluster.services.objecttrace import ObjectRequest
from harness.incluster.services.server import Server
from harness.incluster.services.services import Services
from tests.http_answers import send_json

TOKEN = "token-of-the-harness"
CLIENT_SECRET = "client-secret"
SYSTEM_PASSWORD = "system-password"
USER_PASSWORD = "person's-password"


class MemoryStore:
    """The object store's twin: buckets in memory; ``away`` makes it refuse like a MinIO that is not up."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {}
        self.away = False
        self._asked: queue.Queue[ObjectRequest] = queue.Queue()

    def _answer(self) -> None:
        if self.away:
            raise ObjectStoreError("connection refused")

    def provide_shared(self) -> None:
        self._answer()
        self.buckets.setdefault("uploads", {})

    def provide_project(self, project: ProjectRecord) -> None:
        self._answer()
        self.buckets.setdefault(project.bucket, {})

    def remove_project(self, project: ProjectRecord) -> None:
        self._answer()
        self.buckets.pop(project.bucket, None)

    def list(self, bucket: str, prefix: str) -> list[ObjectEntry]:
        found = self.buckets[bucket].items()
        return [ObjectEntry(key, len(data)) for key, data in found if key.startswith(prefix)]

    def read(self, bucket: str, key: str) -> Iterator[bytes]:
        yield self.buckets[bucket][key]

    def requests(self) -> Iterator[ObjectRequest | None]:
        while True:
            yield None
            with contextlib.suppress(queue.Empty):
                yield self._asked.get(timeout=0.2)

    def touch(self, name: str) -> None:
        self.ask("127.0.0.9", f"/{name}", 403)

    def ask(self, peer: str, path: str, status: int) -> None:
        """A client requests an object."""
        self._asked.put(ObjectRequest(peer, "GET", path, status, time.time(), "AccessDenied", "Access Denied."))


class FakeAirflow:
    """Answers the plugin API over HTTP and remembers what was triggered."""

    def __init__(self) -> None:
        self.dags: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.states: dict[str, str] = {}
        airflow = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = self.path.split("/")
                if parts[-1] == "getdags":
                    send_json(self, 200, airflow.dags)
                elif parts[-1] in airflow.runs:
                    run_id = parts[-1]
                    send_json(self, 200, {"run_id": run_id, "state": airflow.states.get(run_id, "queued")})
                else:
                    send_json(self, 400, "unknown run")

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                parts = self.path.split("/")
                if "abort" in parts:
                    airflow.states[parts[-1]] = "failed"
                    send_json(self, 200, {"message": []})
                elif "get_dagrun_tasks" in parts:
                    send_json(self, 200, {"a": {"state": "success", "execution_date": "2026-01-01", "duration": "1.0"}})
                elif parts[-1] not in airflow.dags:
                    send_json(self, 404, {"error": f"Dag id {parts[-1]} not found"})
                else:
                    run_id = f"{parts[-1]}-{len(airflow.runs)}"
                    airflow.runs[run_id] = body["conf"]
                    created = {"dag_id": parts[-1], "run_id": run_id}
                    send_json(self, 200, {"message": [f"{parts[-1]} created!", created]})

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/flow"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class RunningServices:
    """Services in a thread with an event loop of their own, and a client per service."""

    def __init__(self, data_dir: Path, **config: Any) -> None:
        self.airflow = FakeAirflow()
        self.store = MemoryStore()
        self.config = ServicesConfig(
            token=TOKEN,
            client_secret=CLIENT_SECRET,
            system_password=SYSTEM_PASSWORD,
            minio_user="unused",
            minio_password="unused",
            user_password=USER_PASSWORD,
            data_dir=data_dir,
            host="127.0.0.1",
            ports=Ports.from_base(0),
            airflow_url=self.airflow.url,
            **{"quiet_s": 0.2, **config},
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.services = Services(self.config, self.store)
        self._listening = Server(self.services)
        self._call(self._listening.start())
        ports = self.ports = self._listening.ports
        self.keycloak = self._client(ports.web, "keycloak-external-service.admin.svc:80")
        self.notification = self._client(ports.web, "notification-service.services.svc:80")
        self.aii = self._client(ports.apps, "aii-service.services.svc:8080")
        self.filter = self._client(ports.apps, "dicom-web-filter-service.services.svc:8080")
        self.backend = self._client(ports.backend, "kaapana-backend-service.services.svc:5000")
        self.kube_helm = self._client(ports.backend, "kube-helm-service.admin.svc:5000")
        self.stow = self._client(ports.ctp_stow, "ctp-internal-service.services.svc:7777")
        self.control = self._client(ports.control, "localhost", Authorization=f"Bearer {TOKEN}")

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    @staticmethod
    def _client(port: int, host: str, **headers: str) -> httpx.Client:
        url = f"http://127.0.0.1:{port}"
        return httpx.Client(base_url=url, headers={"Host": host, **headers}, trust_env=False, timeout=30)

    def open_search(self, token: str) -> httpx.Client:
        """A client of the search index for the bearer of a token."""
        url = f"https://127.0.0.1:{self.ports.search}"
        headers = {"Host": "opensearch-service.services.svc", **bearer(token)}
        # the certificate is made at each start, so no client can know it
        return httpx.Client(base_url=url, headers=headers, verify=False, trust_env=False, timeout=30)

    def close(self) -> None:
        self._call(self._listening.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
        self.airflow.close()

    # --- what most tests need

    def new_project(self, name: str | None = None) -> dict[str, Any]:
        """A project; its JSON with the system user's name and password added."""
        name = name or f"p{uuid.uuid4().hex[:10]}"
        body = {"name": name, "description": "of a test", "harness": {"project_user_password": "pass§word"}}
        answer = self.aii.post("/projects", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def grant(self, username: str, password: str) -> httpx.Response:
        form = {"username": username, "password": password, "grant_type": "password"}
        return self.token_endpoint(form)

    def token_endpoint(self, form: dict[str, str]) -> httpx.Response:
        client = {"client_id": "kaapana", "client_secret": CLIENT_SECRET}
        return self.keycloak.post("/auth/realms/kaapana/protocol/openid-connect/token", data={**client, **form})

    def project_token(self, project: dict[str, Any]) -> str:
        answer = self.grant(f"project-{project['name']}-system-user", "pass§word")
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def system_token(self) -> str:
        return self.grant("system", SYSTEM_PASSWORD).json()["access_token"]

    def send_series(self, project: dict[str, Any], dataset: str, files: list[bytes]) -> httpx.Response:
        """Seed through the control interface."""
        archive = zip_of({f"{number}.dcm": data for number, data in enumerate(files)})
        params = {"project": project["name"], "dataset": dataset}
        return self.control.post("/series", params=params, content=archive)

    def settle(self) -> dict[str, Any]:
        answer = self.control.post("/settle", json={"timeout_s": 20})
        assert answer.status_code == 200, answer.text
        return answer.json()


def zip_of(files: dict[str, bytes]) -> bytes:
    """A ZIP archive of names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def project_header(project: dict[str, Any]) -> dict[str, str]:
    """The header by which the backend learns the project."""
    return {"Project": json.dumps(project), "x-forwarded-preferred-username": "kaapana"}
