"""kaapana-backend: workflow start, jobs, datasets, forms, results (services 12.1, runtime 10)."""

from __future__ import annotations

import copy
import fnmatch
import html
import json
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from harness.services.airflow import Airflow, AirflowError
from harness.services.config import Config
from harness.services.datasets import Datasets
from harness.services.identity import Identity, bearer
from harness.services.jwt import TokenError
from harness.services.objectstore import ObjectStore, ObjectStoreError
from harness.services.results import is_result, tree
from harness.services.state import Directory, Project
from harness.services.web import error, escape_html, read_json, text_field
from harness.services.workflows import Job, Workflow, WorkflowError, Workflows

_KINDS = {"dataset": "dataset_name", "minio": "bucket_name"}


class Backend:
    """Routes of the backend."""

    def __init__(
        self,
        config: Config,
        identity: Identity,
        directory: Directory,
        datasets: Datasets,
        workflows: Workflows,
        airflow: Airflow,
        store: ObjectStore,
    ) -> None:
        self._config = config
        self._identity = identity
        self._directory = directory
        self._datasets = datasets
        self._workflows = workflows
        self._airflow = airflow
        self._store = store
        self._settings: dict[str, Any] = {}
        self._models: dict[str, Any] = {}
        self.uploads = config.data_dir / "uploads"
        self.uploads.mkdir(parents=True, exist_ok=True)

    # --- request parts

    def _project(self, request: Request) -> Project:
        """The project of the header ``Project`` (a JSON object); missing is a 500 as on the platform."""
        header = request.headers.get("project")
        if header is None:
            raise error(500, "the header 'Project' (JSON of the project) is missing")
        try:
            key = json.loads(header)
            key = str(key.get("id") or key["name"])
        except (ValueError, KeyError, AttributeError, RecursionError):
            raise error(500, "the header 'Project' is not the JSON of a project") from None
        project = self._directory.project(key)
        if project is None:
            raise error(404, f"Project not found: {key!r}")
        return project

    async def _body(self, request: Request) -> dict[str, Any]:
        """The JSON body with every string HTML-escaped; {} for none."""
        body = escape_html(await read_json(request, self._config.limits.json_bytes))
        if body is None:
            return {}
        if not isinstance(body, dict):
            raise error(422, "the body must be a JSON object")
        return body

    def _is_admin(self, request: Request) -> bool:
        token = request.headers.get("x-forwarded-access-token") or bearer(request)
        if token is None:
            return False
        try:
            return "admin" in self._identity.verify(token)["realm_access"]["roles"]
        except TokenError as problem:
            raise error(401, str(problem)) from None

    # --- workflows

    async def start_workflow(self, request: Request) -> Response:
        """POST /client/workflow: the record at once, the jobs from a thread."""
        project = self._project(request)
        body = await self._body(request)
        dag_id, name = text_field(body, "dag_id"), text_field(body, "workflow_name")
        conf = body.get("conf_data") or {}
        if not isinstance(conf, dict):
            raise error(422, "conf_data must be an object")
        if body.get("federated"):
            raise error(501, "the harness's backend does not emulate federated workflows")
        if not self._is_admin(request) and not self._allowed(project, dag_id):
            raise error(403, f"DAG {dag_id!r} is not in the software of project {project.name!r}")
        username = body.get("username") or request.headers.get("x-forwarded-preferred-username")
        if not isinstance(username, str):
            raise error(400, "neither the body's username nor the header x-forwarded-preferred-username was sent")
        instances = body.get("instance_names") or []
        if not isinstance(instances, list) or not all(isinstance(item, str) for item in instances):
            raise error(422, "instance_names must be a list of strings")
        foreign = [item for item in instances if item != self._config.instance_name]
        if foreign:
            raise error(501, f"the harness has the instance {self._config.instance_name!r} only, not {foreign}")
        try:
            workflow = self._workflows.start(
                name=name, dag_id=dag_id, conf=conf, project=project, username=username, instances=instances
            )
        except WorkflowError as problem:
            raise error(500, str(problem)) from None
        return JSONResponse(workflow.as_json())

    def _workflow(self, source: Any) -> Workflow:
        key = source.get("workflow_id") or source.get("workflow_name")
        workflow = self._workflows.get(str(key)) if key else None
        if workflow is None:
            raise error(404, "Workflow not found")
        return workflow

    async def workflow(self, request: Request) -> Response:
        """GET /client/workflow."""
        return JSONResponse(self._workflow(request.query_params).as_json())

    async def change_workflow(self, request: Request) -> Response:
        """PUT /client/workflow: ``workflow_status`` abort or scheduled for all its jobs."""
        body = await self._body(request)
        workflow = self._workflow(body)
        for job in list(workflow.jobs):
            await self._change(job, body.get("workflow_status"))
        return JSONResponse(workflow.as_json())

    async def workflows(self, request: Request) -> Response:
        """GET /client/workflows: a pair [list, total]."""
        project, params = self._project(request), request.query_params
        found = [item for item in self._workflows.of_project(project) if params.get("search", "") in item.name]
        offset, limit = _whole(params.get("offset"), 0), _whole(params.get("limit"), -1)
        await run_in_threadpool(self._workflows.jobs)
        page = [
            {
                **item.as_json(),
                "workflow_jobs": [job.status for job in item.jobs],
                "dataset_name": next(
                    (job.conf.get("data_form", {}).get("dataset_name") for job in item.jobs if "data_form" in job.conf),
                    None,
                ),
            }
            for item in found[offset : offset + limit if limit >= 0 else None]
        ]
        return JSONResponse([page, len(found)])

    async def jobs(self, request: Request) -> Response:
        """GET /client/jobs: instance_name, workflow_name, status, limit."""
        params = request.query_params
        found = await run_in_threadpool(
            lambda: self._workflows.jobs(workflow_name=params.get("workflow_name"), status=params.get("status"))
        )
        if params.get("instance_name", self._config.instance_name) != self._config.instance_name:
            found = []
        limit = _whole(params.get("limit"), -1)
        return JSONResponse([job.as_json() for job in (found[:limit] if limit > 0 else found)])

    async def _job(self, source: Any) -> Job:
        job_id, run_id = source.get("job_id"), source.get("run_id")
        job = await run_in_threadpool(
            lambda: self._workflows.job(job_id=None if job_id is None else str(job_id), run_id=run_id)
        )
        if job is None:
            raise error(404, "Job not found")
        return job

    async def job(self, request: Request) -> Response:
        """GET /client/job?job_id= or ?run_id=."""
        return JSONResponse((await self._job(request.query_params)).as_json())

    async def change_job(self, request: Request) -> Response:
        """PUT /client/job: ``status`` abort or scheduled."""
        body = await self._body(request)
        job = await self._job(body)
        await self._change(job, body.get("status"))
        return JSONResponse(job.as_json())

    async def _change(self, job: Job, status: Any) -> None:
        if status not in {"abort", "scheduled"}:
            raise error(501, f"the harness's backend emulates status abort and scheduled, not {status!r}")
        try:
            await run_in_threadpool(self._workflows.abort if status == "abort" else self._workflows.restart, job)
        except AirflowError as problem:
            raise error(502, str(problem)) from None

    async def task_instances(self, request: Request) -> Response:
        """GET /client/get-job-taskinstances?job_id=."""
        job = await self._job(request.query_params)
        try:
            return JSONResponse(await run_in_threadpool(self._workflows.task_instances, job))
        except AirflowError as problem:
            raise error(502, str(problem)) from None

    # --- DAGs and forms

    async def _visible_dags(self, project: Project) -> dict[str, dict[str, Any]]:
        """Visible DAGs of the project's software, for everybody alike."""
        try:
            dags = await run_in_threadpool(self._airflow.dags)
        except AirflowError as problem:
            raise error(502, str(problem)) from None
        return {
            key: dag
            for key, dag in sorted(dags.items())
            if self._allowed(project, key) and dag.get("ui_visible") is True
        }

    def _allowed(self, project: Project, dag_id: str) -> bool:
        return not self._config.software_mapping or dag_id in self._directory.software(project.id)

    async def dags(self, request: Request) -> Response:
        """GET /client/dags, POST /client/get-dags: ids, or DAG objects with ``only_dag_names`` false."""
        body = await self._body(request) if request.method == "POST" else dict(request.query_params)
        dags = await self._visible_dags(self._project(request))
        kind = body.get("kind_of_dags") or "all"
        if kind in _KINDS:
            dags = {
                key: dag for key, dag in dags.items() if _KINDS[kind] in _properties(dag.get("ui_forms"), "data_form")
            }
        elif kind == "import":
            dags = {key: dag for key, dag in dags.items() if "import" in (dag.get("tags") or [])}
        elif kind != "all":
            raise error(422, f"kind_of_dags must be all, dataset, minio or import, not {kind!r}")
        names_only = str(body.get("only_dag_names", True)).lower() != "false"
        return JSONResponse(list(dags) if names_only else dags)

    async def form_schemas(self, request: Request) -> Response:
        """POST /client/get-ui-form-schemas: DAG id -> forms with the project's datasets filled in."""
        project = self._project(request)
        body = await self._body(request)
        dags = await self._visible_dags(project)
        wanted = body.get("dag_id")
        datasets = self._datasets.of_project(project.id)
        return JSONResponse(
            {key: _filled(dag.get("ui_forms"), datasets) for key, dag in dags.items() if wanted in {None, key}}
        )

    # --- datasets

    async def dataset(self, request: Request) -> Response:
        """GET, POST, PUT or DELETE /client/dataset."""
        project = self._project(request)
        if request.method in {"GET", "DELETE"}:
            name = request.query_params.get("name", "")
            found = self._datasets.get(project.id, name)
            if found is None:
                raise error(404, "Dataset not found")
            if request.method == "DELETE":
                self._datasets.remove(project.id, name)
            return JSONResponse(found)
        body = await self._body(request)
        name, uids = text_field(body, "name"), body.get("identifiers") or []
        if len(name) > 64:
            raise error(500, f"the dataset's name has {len(name)} characters, the database takes 64")
        if not isinstance(uids, list) or not all(isinstance(item, str) for item in uids):
            raise error(422, "identifiers must be a list of strings")
        username = request.headers.get("x-forwarded-preferred-username") or body.get("username") or "system"
        if request.method == "POST":
            if self._datasets.get(project.id, name) is not None:
                raise error(409, "Dataset already exists")
            return JSONResponse(self._datasets.replace(project.id, name, uids, username=str(username)))
        actions = {"ADD": self._datasets.add, "DELETE": self._datasets.take, "UPDATE": self._datasets.replace}
        action = actions.get(str(body.get("action")))
        if action is None:
            raise error(422, f"action must be one of {', '.join(actions)}, got {body.get('action')!r}")
        return JSONResponse(action(project.id, name, uids, username=str(username)))

    async def datasets(self, request: Request) -> Response:
        """GET /client/datasets."""
        return JSONResponse(self._datasets.of_project(self._project(request).id))

    # --- files, settings, models, instances

    async def files(self, request: Request) -> Response:
        """GET /client/files?pattern=: relative paths in the upload area (needed while DAG files are parsed)."""
        pattern = html.escape(request.query_params.get("pattern", "*"))
        return JSONResponse(await run_in_threadpool(_listing, self.uploads, pattern))

    async def workflow_settings(self, request: Request) -> Response:
        """GET or PUT /settings/workflows/{id}."""
        user = request.headers.get("x-forwarded-preferred-username")
        if user is None:
            raise error(400, "the header X-Forwarded-Preferred-Username is missing")
        key = request.path_params["id"]
        if request.method == "PUT":
            body = await self._body(request)
            self._settings[key] = body.get("value", body)
        return JSONResponse({"key": key, "username": user, "value": self._settings.get(key, {})})

    async def sync_models(self, request: Request) -> Response:
        """PUT /client/installed_models/sync."""
        project = self._project(request)
        body = await self._body(request)
        self._models[project.id] = body.get("installed_models", [])
        return JSONResponse({"installed_models": self._models[project.id]})

    async def instances(self, request: Request) -> Response:
        """GET the only instance, alone or in a list."""
        name = self._config.instance_name
        record = {"instance_name": name, "remote": False, "allowed_dags": [], "allowed_datasets": []}
        return JSONResponse(record if request.url.path.endswith("/kaapana-instance") else [record])

    # --- results

    async def results(self, request: Request) -> Response:
        """GET /get-static-website-results."""
        project = self._project(request)
        try:
            found = await run_in_threadpool(self._store.list, project.bucket, "staticwebsiteresults/")
        except ObjectStoreError as problem:
            raise error(502, str(problem)) from None
        return JSONResponse(tree([item.key for item in found]))

    async def result_page(self, request: Request) -> Response:
        """GET /get-static-website-results-html?object_name=."""
        project = self._project(request)
        key = request.query_params.get("object_name", "")
        if not is_result(key):
            raise error(404, f"{key!r} is not a page below staticwebsiteresults/")
        pieces = self._store.read(project.bucket, key)
        try:
            first = await run_in_threadpool(next, pieces, b"")
        except KeyError:
            raise error(404, f"there is no object {key!r} in {project.bucket}") from None
        except ObjectStoreError as problem:
            raise error(502, str(problem)) from None

        def body() -> Any:
            yield first
            yield from pieces

        return StreamingResponse(body(), media_type="text/html")

    async def health(self, request: Request) -> Response:
        """GET /health-check."""
        return PlainTextResponse("OK")

    def routes(self) -> list[Route]:
        """All paths, without the prefix ``/kaapana-backend``."""
        return [
            Route("/health-check", self.health),
            Route("/client/workflow", self.start_workflow, methods=["POST"]),
            Route("/client/workflow", self.workflow, methods=["GET"]),
            Route("/client/workflow", self.change_workflow, methods=["PUT"]),
            Route("/client/workflows", self.workflows),
            Route("/client/jobs", self.jobs),
            Route("/client/job", self.job, methods=["GET"]),
            Route("/client/job", self.change_job, methods=["PUT"]),
            Route("/client/get-job-taskinstances", self.task_instances),
            Route("/client/dags", self.dags, methods=["GET"]),
            Route("/client/get-dags", self.dags, methods=["POST"]),
            Route("/client/get-ui-form-schemas", self.form_schemas, methods=["POST"]),
            Route("/client/dataset", self.dataset, methods=["GET", "POST", "PUT", "DELETE"]),
            Route("/client/datasets", self.datasets),
            Route("/client/files", self.files),
            Route("/client/installed_models/sync", self.sync_models, methods=["PUT"]),
            Route("/client/kaapana-instance", self.instances),
            Route("/client/kaapana-instances", self.instances),
            Route("/settings/workflows/{id}", self.workflow_settings, methods=["GET", "PUT"]),
            Route("/get-static-website-results", self.results),
            Route("/get-static-website-results-html", self.result_page),
        ]


def _whole(text: str | None, default: int) -> int:
    try:
        return int(text) if text else default
    except ValueError:
        raise error(422, f"expected a whole number, got {text!r}") from None


def _listing(folder: Path, pattern: str) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if fnmatch.fnmatchcase(path, pattern))


def _properties(forms: Any, form: str) -> dict[str, Any]:
    data = forms.get(form) if isinstance(forms, dict) else None
    properties = data.get("properties") if isinstance(data, dict) else None
    return properties if isinstance(properties, dict) else {}


def _filled(forms: Any, datasets: list[dict[str, Any]]) -> dict[str, Any]:
    """Forms with the datasets as choices; without any, the UI is told to refuse (runtime 10.3)."""
    filled: dict[str, Any] = copy.deepcopy(forms) if isinstance(forms, dict) else {}
    field = _properties(filled, "data_form").get("dataset_name")
    if isinstance(field, dict):
        field["oneOf"] = [
            {"const": item["name"], "title": f"{item['name']} ({len(item['identifiers'])})"} for item in datasets
        ]
        if not datasets:
            # spelled like this on the platform
            filled["data_form"]["__emtpy__"] = "true"
    return filled
