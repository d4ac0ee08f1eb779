"""An environment that is not there: what the page reads of one, as values that a test changes."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import quote

from harness.common.repositories import HeldRepository
from harness.errors import PlatformError
from harness.findings import Finding
from harness.platform import releases
from harness.platform.dags import Dags
from harness.platform.http import RefusalError
from harness.platform.manifests import Rendered
from harness.platform.notes import Note
from harness.platform.projects import Project
from harness.platform.releases import HelmRelease
from harness.settings import Settings
from harness.wire.index_documents import IndexedDocuments
from harness.wire.notifications import Notification
from harness.wire.outcome import Outcome
from harness.wire.receipts import ReceivedObject
from harness.wire.records import RunEnd, RunRecord, TaskChange, TaskRecord
from harness.wire.scrape_targets import ScrapedTarget
from harness.wire.service_refusals import RefusedRequest

DAG: Final = "otsus-method"
RUN: Final = "otsus-method-241124"
PASSWORD: Final = "KaapanaPassword0123456789abcdef01"
STARTED: Final = "2026-11-24T20:00:01+00:00"


def project_record(name: str) -> dict[str, Any]:
    space = f"project-{name}"
    return {"id": f"id-{name}", "name": name, "kubernetes_namespace": space, "s3_bucket": space}


def job(dag_id: str = DAG, run_id: str = RUN, status: str = "running", project: str = "t1") -> dict[str, Any]:
    return {
        "id": 1,
        "dag_id": dag_id,
        "run_id": run_id,
        "status": status,
        "workflow_name": f"{dag_id}-a1B2c3",
        "time_created": STARTED,
        "conf_data": {"workflow_form": {"threshold_bins": 64}, "project_form": project_record(project)},
        "error": None,
    }


def task(task_id: str, state: str | None, **more: Any) -> TaskRecord:
    begun = state not in {None, "queued", "scheduled"}
    given = {"try_number": int(begun), "start": STARTED if begun else None, **more}
    return TaskRecord(task_id, "KaapanaBaseOperator", state, **given)


class FakeServices:
    def __init__(self) -> None:
        self.names = ["admin", "t1"]
        self.programs = {"t1": [DAG]}
        self.known: list[dict[str, Any]] = [{"name": "brain", "identifiers": ["1.2.3"]}]
        self.started: list[dict[str, Any]] = [job()]
        self.received: list[ReceivedObject] = []
        self.files: dict[str, bytes] = {}
        self.pages: dict[str, bytes] = {}
        self.targets: list[ScrapedTarget] = []
        self.refused: list[RefusedRequest] = []
        self.lost = ""
        self.forms: dict[str, Any] = {}
        self.posted: list[dict[str, Any]] = []
        self.uploads: list[tuple[str, str]] = []
        self.refusal: Exception | None = None

    def projects(self) -> list[dict[str, Any]]:
        if self.lost:
            raise PlatformError(self.lost)
        return [project_record(name) for name in self.names]

    def software(self, project: Any) -> list[str]:
        return self.programs.get(project.name, [])

    def datasets(self, project: Any) -> list[dict[str, Any]]:
        return self.known if project.name == "t1" else []

    def all_jobs(self, project: Any) -> list[dict[str, Any]]:
        return self.started

    def dags(self, project: Any) -> list[str]:
        return self.programs.get(project.name, [])

    def add_software(self, project: Any, dag_ids: list[str]) -> None:
        self.programs.setdefault(project.name, []).extend(dag_ids)

    def form_schemas(self, project: Any, dag_id: str) -> dict[str, Any]:
        return self.forms if dag_id in self.dags(project) else {}

    def start_workflow(self, project: Any, body: dict[str, Any]) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        self.posted.append(body)
        self.started = [job(body["dag_id"], project=project.name)]
        return {"workflow_name": f"{body['workflow_name']}-a1B2c3"}

    def jobs(self, project: Any, workflow_name: str) -> list[dict[str, Any]]:
        return self.started

    def upload_series(self, project: str, dataset: str, archive: Path) -> dict[str, int]:
        self.uploads.append((project, dataset))
        return {}

    def notifications(self, project: str) -> list[Notification]:
        return []

    def documents(self, project: str, after: int | None = None) -> IndexedDocuments:
        return IndexedDocuments(0, ())

    def settle(self, timeout_s: float) -> bool:
        return False

    def receipts(self, project: str, since: str | None = None) -> list[ReceivedObject]:
        return [receipt for receipt in self.received if receipt.project == project]

    def receipt_file(self, receipt_id: str) -> bytes:
        return self.files[receipt_id]

    def results(self, project: Any) -> list[dict[str, Any]]:
        path = "/kaapana-backend/get-static-website-results-html?object_name="
        leaves = [{"name": key, "file": "html", "path": path + quote(key)} for key in self.pages]
        return [{"name": "folder", "path": "x", "children": leaves}] if project.name == "t1" else []

    def result_document(self, project: Any, key: str) -> bytes:
        return self.pages[key]

    def scrape_targets(self, project: str) -> list[ScrapedTarget]:
        if project not in self.names:
            raise RefusalError("the emulated platform", 404, f"there is no project {project}")
        return self.targets if project == "t1" else []

    def refusals(self, peers: Sequence[str]) -> list[RefusedRequest]:
        return [request for request in self.refused if request.peer in peers]


class FakeAirflow:
    """Has one run; its followers get each change."""

    def __init__(self) -> None:
        self.tasks = [task("get-input", "success"), task(DAG, "running", upstream=["get-input"])]
        self.state = "running"
        self.logs: dict[str, str] = {}
        self.aborted: list[str] = []
        self._changes: list[TaskChange | RunEnd] = []
        self._changed = threading.Condition()

    def run(self, dag_id: str, run_id: str) -> RunRecord:
        if run_id != RUN:
            raise RefusalError("Airflow", 404, f"no run {run_id!r} of {dag_id!r}")
        return RunRecord(dag_id, run_id, self.state, {}, STARTED, None, tuple(self.tasks))

    def events(self, dag_id: str, run_id: str) -> Iterator[TaskChange | RunEnd]:
        at = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: len(self._changes) > at)  # noqa: B023 (called at once)
                change = self._changes[at]
            at += 1
            yield change
            if isinstance(change, RunEnd):
                return

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> str | None:
        return self.logs.get(task_id)

    def change(self, task_id: str, state: str, **more: Any) -> None:
        """A task changes its state."""
        self.tasks = [
            dataclasses.replace(one, state=state, **more) if one.task_id == task_id else one for one in self.tasks
        ]
        self._tell(TaskChange(task_id, state, 1, STARTED))

    def end(self, state: str) -> None:
        """The run ends."""
        self.state = state
        self._tell(RunEnd(state))

    def close(self) -> None:
        """End the streams of those who still follow the run."""
        self._tell(RunEnd(self.state))

    def abort(self, dag_id: str, run_id: str) -> None:
        self.aborted.append(run_id)
        self.end("failed")

    def _tell(self, change: TaskChange | RunEnd) -> None:
        with self._changed:
            self._changes.append(change)
            self._changed.notify_all()


class FakeApi:
    def __init__(self) -> None:
        self.releases: list[HelmRelease] = [release()]

    def list(self, kind: str, namespace: str | None = None, *, labels: dict[str, str]) -> list[dict[str, Any]]:
        if kind == "ConfigMap":
            return []  # no step waits for a person
        assert (kind, labels) == ("Secret", {"owner": "helm"})
        return [releases._encode(one) for one in self.releases]


def release(
    name: str = "otsus-method-workflow", findings: Sequence[Finding] = (), *, visible: bool = True
) -> HelmRelease:
    note = Note("0", Dags((DAG,), (DAG,) if visible else (), tuple(findings)), {})
    return HelmRelease(name, name, "0.1.0", "deployed", Rendered((), ()), {}, note.text())


class FakeCluster:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.why = ""

    def address(self, namespace: str, service: str, port: int) -> tuple[str, int]:
        raise AssertionError("nothing here has a port")

    def trouble(self) -> str:
        return self.why


class FakeEnvironment:
    def __init__(self, folder: Path) -> None:
        self.id = "fake0001"
        self.settings = Settings()
        self.scratch = folder / "scratch"
        self.credentials = SimpleNamespace(user_password=PASSWORD)
        self.services = FakeServices()
        self.airflow = FakeAirflow()
        self.cluster = FakeCluster()
        self.object_store = SimpleNamespace(list_objects=lambda bucket, recursive: [])
        self.platform_registry = SimpleNamespace(
            look_up=lambda repository: HeldRepository(None), digests=lambda reference: frozenset()
        )
        self.made: list[str] = []
        self.removed: list[str] = []

    def create_project(self, name: str) -> Project:
        self.made.append(name)
        self.services.names.append(name)
        return Project(name, project_record(name), "the-password")

    def remove_project(self, project: Project) -> None:
        self.removed.append(project.name)
        self.services.names.remove(project.name)


def receipt(number: int, content: bytes, **more: Any) -> ReceivedObject:
    given = {
        "received_at": f"2026-11-24T20:00:{number:02}+00:00",
        "calling_ae": "otsus",
        "called_ae": "kp-t1",
        "sop_class": "1.2.840.10008.5.1.4.1.1.7",
        "sop_instance_uid": f"1.2.{number}",
        "series_instance_uid": "1.2",
        "size": len(content),
        "project": "t1",
        **more,
    }
    return ReceivedObject(f"r{number}", **given)


def outcome(**more: Any) -> Outcome:
    given = {"pod_ip": "10.1.0.7", "started": STARTED, "finished": "2026-11-24T20:00:09+00:00", **more}
    return Outcome("Completed", **given)
