"""A platform that plays one prepared run, with the interface of the real clients."""

from __future__ import annotations

import base64
import dataclasses
import secrets
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from harness.common.repositories import HeldRepository
from harness.extension import DagImageContents
from harness.run.execute import RunRequest
from harness.settings import Settings
from harness.wire.index_documents import IndexedDocument, IndexedDocuments
from harness.wire.notifications import Notification
from harness.wire.outcome import Outcome
from harness.wire.receipts import ReceivedObject
from harness.wire.records import RunEnd, RunRecord, TaskChange, TaskRecord
from harness.wire.scrape_targets import ScrapedTarget
from harness.wire.service_refusals import RefusedRequest

IMAGE = "localhost:5000/otsus-method:0.6.0"
START = "2026-11-24T20:00:0{}+00:00"


def task(
    task_id: str, state: str | None = "success", *, operator: str = "KaapanaBaseOperator", **extra: Any
) -> TaskRecord:
    """A task record of the harness API; ``outcome`` and everything else can be given."""
    started = state not in {"upstream_failed", "skipped"} or "outcome" in extra
    values = {
        "try_number": 1 if started else 0,
        "queued_at": START.format(0) if started else None,
        "start": START.format(1) if started else None,
        "end": START.format(5),
        "trigger_rule": "all_success",
    }
    return TaskRecord(task_id, operator, state, **{**values, **extra})


def outcome(reason: str, **extra: Any) -> Outcome:
    """What the operator publishes about its pod."""
    values = {
        "image": IMAGE,
        "pod": "otsus-method-1",
        "pod_ip": "10.1.0.7",
        "namespace": "project-t1",
        "started": START.format(1),
        "finished": START.format(5),
        "max_memory_bytes": 50 * 2**20,
    }
    return Outcome(reason, **{**values, **extra})


def run_request(dag_id: str, directory: Path, **more: Any) -> RunRequest:
    """A request of a run with the default settings."""
    settings = Settings()
    of_settings = {"timeout_s": settings.run_timeout, "platform": settings.platform, "cluster": settings.cluster}
    return RunRequest(dag_id, directory, **{**of_settings, **more})


@dataclasses.dataclass
class FakeProject:
    name: str = "t1"
    user: str = "project-t1-system-user"
    password: str = "secret"
    record: dict[str, Any] = dataclasses.field(default_factory=lambda: {"id": "1", "name": "t1"})

    @property
    def bucket(self) -> str:
        return f"project-{self.name}"


class FakeServices:
    def __init__(self) -> None:
        self.forms: dict[str, Any] = {}
        self.uploads: list[tuple[str, str, int]] = []
        self.started: list[dict[str, Any]] = []
        self.answers: list[list[dict[str, Any]]] = []
        self.received: list[ReceivedObject] = []
        self.files: dict[str, bytes] = {}
        self.refusal: Exception | None = None
        self.settled = 0
        self.restarted = False
        self.metrics: list[ScrapedTarget] = []
        self.known: list[dict[str, Any]] = []
        self.refused: list[RefusedRequest] = []
        self.notified: list[Notification] = []
        self.notified_later: list[Notification] = []
        self.indexed: list[IndexedDocument] = []

    def datasets(self, project: Any) -> list[dict[str, Any]]:
        return self.known

    def upload_series(self, project: str, dataset: str, archive: Path) -> dict[str, int]:
        self.uploads.append((project, dataset, archive.stat().st_size))
        return {}

    def settle(self, timeout_s: float) -> bool:
        self.settled += 1
        return self.restarted

    def receipts(self, project: str, since: str | None = None) -> list[ReceivedObject]:
        return list(self.received)

    def receipt_file(self, receipt_id: str) -> bytes:
        return self.files[receipt_id]

    def refusals(self, peers: Sequence[str]) -> list[RefusedRequest]:
        return [request for request in self.refused if request.peer in peers]

    def notifications(self, project: str) -> list[Notification]:
        return self.notified + (self.notified_later if self.started else [])

    def documents(self, project: str, after: int | None = None) -> IndexedDocuments:
        assert after in {None, len(self.uploads)}
        return IndexedDocuments(len(self.uploads), tuple(self.indexed if after is not None else ()))

    def scrape_targets(self, project: str) -> list[ScrapedTarget]:
        return self.metrics

    def dags(self, project: Any) -> list[str]:
        return sorted(self.forms)

    def form_schemas(self, project: Any, dag_id: str) -> dict[str, Any]:
        return self.forms.get(dag_id, {})

    def start_workflow(self, project: Any, body: dict[str, Any]) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        self.started.append(body)
        return {"workflow_name": f"{body['workflow_name']}-a1B2c3"}

    def jobs(self, project: Any, workflow_name: str) -> list[dict[str, Any]]:
        if len(self.answers) > 1:
            return self.answers.pop(0)
        return self.answers[0]


class FakeAirflow:
    """Plays ``tasks``; ``hang`` never ends until the run is aborted; ``interrupt`` acts like Ctrl-C while following."""

    def __init__(self, tasks: list[TaskRecord], state: str) -> None:
        self.tasks = tasks
        self.state = state
        self.logs: dict[str, str | None] = {}
        self.aborted: list[str] = []
        self.hang = False
        self._ended = threading.Event()

    def run(self, dag_id: str, run_id: str) -> RunRecord:
        running = self.hang and not self._ended.is_set()
        return RunRecord(dag_id, run_id, "running" if running else self.state, tasks=tuple(self.tasks))

    def events(self, dag_id: str, run_id: str) -> Iterator[TaskChange | RunEnd]:
        for item in self.tasks:
            yield TaskChange(item.task_id, "running", 1, item.start or "")
            if not self.hang:
                yield TaskChange(item.task_id, item.state or "", 1, item.end or "")
        if self.hang:
            self._ended.wait()
        yield RunEnd(self.state)

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> str | None:
        return self.logs.get(task_id, f"log of {task_id}\n")

    def abort(self, dag_id: str, run_id: str) -> None:
        self.aborted.append(run_id)
        self._ended.set()


class FakeStore:
    def __init__(self) -> None:
        self.now: dict[str, tuple[bytes, str]] = {}
        self.later: dict[str, tuple[bytes, str]] = {}
        self._listed = 0

    def list_objects(self, bucket: str, *, prefix: str = "", recursive: bool = False) -> list[Any]:
        self._listed += 1
        if self._listed > 1:
            self.now = {**self.now, **self.later}
        return [
            SimpleNamespace(object_name=key, etag=str(hash(data)), last_modified="t", is_dir=False)
            for key, (data, _) in self.now.items()
            if key.startswith(prefix)
        ]

    def get_object(self, bucket: str, key: str) -> Any:
        data, kind = self.now[key]
        return SimpleNamespace(
            stream=lambda size: iter([data]),
            read=lambda: data,
            headers={"Content-Type": kind},
            close=lambda: None,
            release_conn=lambda: None,
        )


class FakeCluster:
    """Holds the ConfigMaps of interactive steps, whose Secrets all have the same password."""

    # random, as a real one: the process hides parts of it from now on, and later tests may use its words
    PASSWORD = secrets.token_urlsafe(18)

    def __init__(self) -> None:
        self.api = self
        self.steps: list[dict[str, Any]] = []

    def list(self, kind: str, namespace: str | None = None, *, labels: dict[str, str]) -> list[dict[str, Any]]:
        assert (kind, namespace, labels) == ("ConfigMap", None, {"kaapana-harness/step": "true"})
        return self.steps

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        assert kind == "Secret"
        assert {"namespace": namespace, "name": name} in [step["metadata"] for step in self.steps]
        return {"data": {"password": base64.b64encode(self.PASSWORD.encode()).decode()}}

    def patch(self, kind: str, namespace: str, name: str, change: dict[str, Any]) -> None:
        (step,) = [step for step in self.steps if step["metadata"] == {"namespace": namespace, "name": name}]
        step["data"].update(change["data"])

    def address(self, namespace: str, service: str, port: int) -> tuple[str, int]:
        return "127.0.0.1", 40001

    def trouble(self) -> str:
        return ""

    def shell(self, namespace: str, pod: str) -> str:
        return f"docker exec -it {pod} sh"


class FakeEnvironment:
    """Everything that a run, the fixtures and the command line use of an environment."""

    def __init__(self, tasks: list[dict[str, Any]] | None = None, state: str = "success", **settings: Any) -> None:
        self.id = "fake"
        self.settings = Settings(**settings)
        self.scratch = self.settings.scratch
        self.services = FakeServices()
        self.airflow = FakeAirflow(tasks if tasks is not None else [task("otsus-method")], state)
        self.object_store = FakeStore()
        self.cluster = FakeCluster()
        self.registry = "localhost:1"
        self.platform_registry = SimpleNamespace(
            look_up=lambda repository: HeldRepository(None), digests=lambda reference: frozenset()
        )
        self.projects: list[FakeProject] = []
        self.removed: list[FakeProject] = []
        self.downs: list[bool] = []
        self.services.forms["otsus-method"] = {
            "workflow_form": {
                "type": "object",
                "properties": {"threshold_bins": {"type": "integer", "default": 128}},
            }
        }
        self.services.answers = [[{"id": 1, "run_id": "otsus-method-241124", "status": "running"}]]

    def create_project(self, name: str | None = None) -> FakeProject:
        project = FakeProject(name or f"t{len(self.projects) + 1}")
        self.projects.append(project)
        return project

    def remove_project(self, project: FakeProject) -> None:
        self.removed.append(project)

    def down(self, *, keep: bool = False) -> None:
        self.downs.append(keep)

    def __enter__(self) -> FakeEnvironment:
        return self

    def __exit__(self, *_: object) -> None:
        self.down(keep=self.settings.reuse)


def fake_source(path: Any, *parameters: Any, edk: bool = False) -> Any:
    """Stands in for reading an extension's tree."""
    return SimpleNamespace(chart=SimpleNamespace(parameters=parameters))


def fake_deploy(environment: Any, path: Any, project: Any, **_: Any) -> Any:
    """Stands in for the life cycle up to "add to project"."""
    return SimpleNamespace(
        dag_ids=("otsus-method",),
        visible_dag_ids=("otsus-method",),
        images=(),
        findings=(),
        params={},
        contents=DagImageContents(()),
        input_readers=(),
        uninstall=lambda on_progress: None,
    )
