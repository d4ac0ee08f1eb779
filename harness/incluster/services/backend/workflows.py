"""Workflows and jobs of the backend: from a form to runs of a DAG (runtime 10.2)."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import itertools
import logging
import secrets
import string
import threading
import time
from typing import Any, Final

from harness.incluster.services.access.directory import ProjectRecord
from harness.incluster.services.backend.airflow import Airflow, AirflowError
from harness.incluster.services.backend.datasets import Datasets
from harness.incluster.services.records import Records, RecordTable, StorageError

log = logging.getLogger("harness.incluster.services.backend.workflows")

FINAL: Final = frozenset({"finished", "failed", "deleted"})
NAME_LIMIT: Final = 64
_REFRESH_S: Final = 0.5


class SubmissionError(Exception):
    """A workflow cannot be stored."""


@dataclasses.dataclass
class Job:
    """One run of a DAG, wanted or started. ``error`` says why there is no run."""

    id: int
    workflow_id: str
    workflow_name: str
    dag_id: str
    conf: dict[str, Any]
    instance: str
    time_created: str
    run_id: str | None = None
    status: str = "queued"
    error: str = ""
    refreshed: float = 0.0

    @property
    def data_form(self) -> dict[str, Any]:
        """The part of the conf that names the data; empty if it is missing or not an object."""
        form = self.conf.get("data_form")
        return form if isinstance(form, dict) else {}

    def as_json(self) -> dict[str, Any]:
        """Return the backend's job object; ``error`` is the harness's."""
        return {
            "id": self.id,
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "status": self.status,
            "conf_data": self.conf,
            "description": self.error or None,
            "error": self.error or None,
            "workflow_id": self.workflow_id,
            "workflow_name": self.workflow_name,
            "owner_kaapana_instance_name": self.instance,
            "time_created": self.time_created,
        }


@dataclasses.dataclass
class Workflow:
    """One start of a DAG from a form; ``created`` is set when its jobs are triggered or cannot be."""

    id: str
    name: str
    dag_id: str
    username: str
    project: ProjectRecord
    instances: list[str]
    time_created: str
    jobs: list[Job] = dataclasses.field(default_factory=list)
    error: str = ""
    created: threading.Event = dataclasses.field(default_factory=threading.Event)

    def as_json(self) -> dict[str, Any]:
        """Return the backend's workflow record."""
        return {
            "workflow_id": self.id,
            "workflow_name": self.name,
            "dag_id": self.dag_id,
            "username": self.username,
            "time_created": self.time_created,
            "time_updated": self.time_created,
            "automatic_execution": True,
            "involved_kaapana_instances": self.instances,
            "federated": False,
            "service_workflow": False,
        }


class Workflows:
    """All workflows of the environment. Safe to use from several threads.

    Args:
        records: where they are kept; in memory only by default.
    """

    def __init__(
        self, airflow: Airflow, datasets: Datasets, instance_name: str, records: Records | None = None
    ) -> None:
        self._airflow = airflow
        self._datasets = datasets
        self._instance = instance_name
        self._lock = threading.RLock()
        self._items: RecordTable[Workflow] = RecordTable(records or Records(), "workflows", _encode, _decode)
        self._numbers = itertools.count(
            1 + max((job.id for item in self._items.values() for job in item.jobs), default=0)
        )
        for item in self._items.values():
            if not item.created.is_set():
                # triggering again could start a run twice
                item.error = "the services were restarted before all of its runs were triggered"
                item.created.set()
                self._items.put(item.id, item)

    def start(
        self,
        *,
        name: str,
        dag_id: str,
        conf: dict[str, Any],
        project: ProjectRecord,
        username: str,
        instances: list[str],
    ) -> Workflow:
        """Store a workflow and create its jobs in a thread.

        Args:
            conf: ``conf_data`` as sent; it is completed in a copy.

        Raises:
            WorkflowError: a name is longer than the database takes.
        """
        workflow_id = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(6))
        full_name = f"{name}-{workflow_id}"
        for what, text in (("workflow_name with its suffix", full_name), ("dag_id", dag_id)):
            if len(text) > NAME_LIMIT:
                raise SubmissionError(f"{what} has {len(text)} characters, the database takes {NAME_LIMIT}: {text!r}")
        conf = copy.deepcopy(conf)
        runners = instances or [self._instance]
        form = conf.get("workflow_form")
        conf["project_form"] = project.as_json()
        conf["workflow_form"] = {
            **(form if isinstance(form, dict) else {}),
            "username": username,
            "workflow_id": workflow_id,
            "workflow_name": full_name,
            "involved_instances": runners,
            "runner_instances": runners,
        }
        workflow = Workflow(workflow_id, full_name, dag_id, username, project, runners, _now())
        self._items.put(workflow_id, workflow)
        threading.Thread(target=self._create_jobs, args=(workflow, conf), daemon=True).start()
        return workflow

    def _create_jobs(self, workflow: Workflow, conf: dict[str, Any]) -> None:
        try:
            for document in self._split(conf, workflow.project):
                self._trigger(workflow, document)
        except SubmissionError as problem:
            workflow.error = str(problem)
        except Exception as problem:  # recorded for callers that wait for the jobs
            log.exception("workflow %s", workflow.name)
            workflow.error = f"{type(problem).__name__}: {problem}"
        finally:
            workflow.created.set()
            self._keep(workflow)

    def _keep(self, workflow: Workflow | None) -> None:
        """Write the state of a workflow; on a full disk it is only known until the next start."""
        try:
            with self._lock:
                if workflow is not None and workflow.id in self._items:
                    self._items.put(workflow.id, workflow)
        except StorageError as problem:
            log.error("workflow %s: %s", workflow.name if workflow else "", problem)

    def _split(self, conf: dict[str, Any], project: ProjectRecord) -> list[dict[str, Any]]:
        """Return the conf of every job: one, or one per series with ``single_execution`` true."""
        data_form = conf.get("data_form")
        data_form = data_form if isinstance(data_form, dict) else {}
        name = data_form.get("dataset_name")
        if name is not None:
            dataset = self._datasets.get(project.id, str(name))
            if dataset is None:
                have = ", ".join(sorted(item["name"] for item in self._datasets.of_project(project.id))) or "none"
                raise SubmissionError(f"Dataset not found: {name!r} in project {project.name!r}, which has: {have}")
            data_form["identifiers"] = dataset["identifiers"]
        if conf["workflow_form"].get("single_execution") is not True:
            return [conf]
        if "identifiers" not in data_form:
            raise SubmissionError(
                "single_execution is true, but data_form has no identifiers (KeyError: 'identifiers')"
            )
        identifiers = data_form["identifiers"]
        if not isinstance(identifiers, list):
            raise SubmissionError(f"data_form.identifiers is not a list: {identifiers!r}")
        limit = data_form.get("dataset_limit")
        if limit is not None:  # a slice: 0 makes no job, a negative number leaves out the last ones
            try:
                identifiers = identifiers[: int(limit)]
            except (TypeError, ValueError):
                raise SubmissionError(f"data_form.dataset_limit is not a number: {limit!r}") from None
        jobs = []
        for identifier in identifiers:
            document = copy.deepcopy(conf)
            document["data_form"]["identifiers"] = [identifier]
            jobs.append(document)
        return jobs

    def _trigger(self, workflow: Workflow, conf: dict[str, Any]) -> None:
        with self._lock:
            number = next(self._numbers)
            job = Job(number, workflow.id, workflow.name, workflow.dag_id, conf, self._instance, _now())
            workflow.jobs.append(job)
        self._run(job)
        self._keep(workflow)

    def _run(self, job: Job) -> None:
        conf = {**job.conf, "client_job_id": job.id}
        job.status = "scheduled"
        try:
            job.run_id = self._airflow.trigger(job.dag_id, conf)
        except AirflowError as problem:
            job.status, job.error = "failed", str(problem)
        job.conf = conf

    def get(self, key: str) -> Workflow | None:
        """Return a workflow by id or by full name."""
        with self._lock:
            found = self._items.get(key)
            return found or next((item for item in self._items.values() if item.name == key), None)

    def of_project(self, project: ProjectRecord | None = None) -> list[Workflow]:
        """Return the workflows of a project, newest first."""
        with self._lock:
            found = [item for item in self._items.values() if project is None or item.project.id == project.id]
        return found[::-1]

    def jobs(self, *, workflow_name: str | None = None, status: str | None = None) -> list[Job]:
        """Return the jobs, newest first, with their present state."""
        with self._lock:
            found = [job for item in self._items.values() for job in item.jobs if workflow_name in {None, item.name}]
        for job in found:
            self._refresh(job)
        return [job for job in reversed(found) if status in {None, job.status}]

    def job(self, *, job_id: str | None, run_id: str | None) -> Job | None:
        """Return one job by number or by run id, with its present state."""
        with self._lock:
            every = [job for item in self._items.values() for job in item.jobs]
        for job in every:
            if str(job.id) == job_id or (run_id is not None and job.run_id == run_id):
                self._refresh(job)
                return job
        return None

    def _refresh(self, job: Job) -> None:
        """Ask Airflow unless it was asked a moment ago; an Airflow that is away leaves the state as it was."""
        if job.run_id is None or job.status in FINAL or time.monotonic() - job.refreshed < _REFRESH_S:
            return
        try:
            state = self._airflow.state(job.dag_id, job.run_id)
        except AirflowError as problem:
            log.warning("job %d: %s", job.id, problem)
            return
        job.refreshed = time.monotonic()
        before, job.status = job.status, "deleted" if state is None else {"success": "finished"}.get(state, state)
        if job.status in FINAL and before not in FINAL:
            self._keep(self._items.get(job.workflow_id))

    def abort(self, job: Job) -> None:
        """Fail a job's run."""
        if job.run_id is not None:
            self._airflow.abort(job.dag_id, job.run_id)
            job.refreshed = 0.0
            self._refresh(job)

    def restart(self, job: Job) -> None:
        """Trigger a new run with the same conf."""
        job.run_id, job.error, job.status = None, "", "queued"
        self._run(job)
        self._keep(self._items.get(job.workflow_id))

    def task_instances(self, job: Job) -> dict[str, Any]:
        """Return task id -> [execution date, state]."""
        if job.run_id is None:
            return {}
        tasks = self._airflow.task_instances(job.dag_id, job.run_id)
        return {task: [item.get("execution_date"), item.get("state")] for task, item in tasks.items()}

    def forget_project(self, project: ProjectRecord) -> None:
        """Drop the workflows of a project."""
        with self._lock:
            for key, item in self._items.items():
                if item.project.id == project.id:
                    self._items.remove(key)


def _encode(workflow: Workflow) -> dict[str, Any]:
    fields = {item.name: getattr(workflow, item.name) for item in dataclasses.fields(workflow)}
    return {
        **fields,
        "project": dataclasses.asdict(workflow.project),
        "jobs": [{**vars(job), "refreshed": 0.0} for job in workflow.jobs],
        "created": workflow.created.is_set(),
    }


def _decode(body: dict[str, Any]) -> Workflow:
    created = threading.Event()
    if body["created"]:
        created.set()
    jobs = [Job(**job) for job in body["jobs"]]
    return Workflow(**{**body, "project": ProjectRecord(**body["project"]), "jobs": jobs, "created": created})


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat()
