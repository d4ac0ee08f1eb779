"""Routes of workflows and their jobs (services 12.1, runtime 10.2)."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.incluster.services.backend.airflow import AirflowError
from harness.incluster.services.backend.request import RequestReader, whole_number
from harness.incluster.services.backend.workflows import Job, SubmissionError, Workflow, Workflows
from harness.incluster.services.web import error, text_field


class WorkflowRoutes:
    """Start, list, abort and restart."""

    def __init__(self, read: RequestReader, workflows: Workflows, instance_name: str) -> None:
        self._read = read
        self._workflows = workflows
        self._instance_name = instance_name

    async def start_workflow(self, request: Request) -> Response:
        """POST /client/workflow: the record at once, the jobs from a thread."""
        project = self._read.project(request)
        body = await self._read.body(request)
        dag_id, name = text_field(body, "dag_id"), text_field(body, "workflow_name")
        conf = body.get("conf_data") or {}
        if not isinstance(conf, dict):
            raise error(422, "conf_data must be an object")
        if body.get("federated"):
            raise error(501, "the harness's backend does not emulate federated workflows")
        if not self._read.is_admin(request) and not self._read.allows(project, dag_id):
            raise error(403, f"DAG {dag_id!r} is not in the software of project {project.name!r}")
        username = body.get("username") or request.headers.get("x-forwarded-preferred-username")
        if not isinstance(username, str):
            raise error(400, "neither the body's username nor the header x-forwarded-preferred-username was sent")
        instances = body.get("instance_names") or []
        if not isinstance(instances, list) or not all(isinstance(item, str) for item in instances):
            raise error(422, "instance_names must be a list of strings")
        foreign = [item for item in instances if item != self._instance_name]
        if foreign:
            raise error(501, f"the harness has the instance {self._instance_name!r} only, not {foreign}")
        try:
            workflow = self._workflows.start(
                name=name, dag_id=dag_id, conf=conf, project=project, username=username, instances=instances
            )
        except SubmissionError as problem:
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
        body = await self._read.body(request)
        workflow = self._workflow(body)
        for job in list(workflow.jobs):
            await self._change(job, body.get("workflow_status"))
        return JSONResponse(workflow.as_json())

    async def workflows(self, request: Request) -> Response:
        """GET /client/workflows: a pair [list, total]."""
        project, params = self._read.project(request), request.query_params
        found = [item for item in self._workflows.of_project(project) if params.get("search", "") in item.name]
        offset, limit = whole_number(params.get("offset"), 0), whole_number(params.get("limit"), -1)
        await run_in_threadpool(self._workflows.jobs)
        page = [
            {
                **item.as_json(),
                "workflow_jobs": [job.status for job in item.jobs],
                "dataset_name": next((form.get("dataset_name") for job in item.jobs if (form := job.data_form)), None),
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
        if params.get("instance_name", self._instance_name) != self._instance_name:
            found = []
        limit = whole_number(params.get("limit"), -1)
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
        body = await self._read.body(request)
        job = await self._job(body)
        await self._change(job, body.get("status"))
        return JSONResponse(job.as_json())

    async def _change(self, job: Job, status: Any) -> None:
        if status not in ("abort", "scheduled"):
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

    def routes(self) -> list[Route]:
        """Return all paths, without the prefix ``/kaapana-backend``."""
        return [
            Route("/client/workflow", self.start_workflow, methods=["POST"]),
            Route("/client/workflow", self.workflow, methods=["GET"]),
            Route("/client/workflow", self.change_workflow, methods=["PUT"]),
            Route("/client/workflows", self.workflows),
            Route("/client/jobs", self.jobs),
            Route("/client/job", self.job, methods=["GET"]),
            Route("/client/job", self.change_job, methods=["PUT"]),
            Route("/client/get-job-taskinstances", self.task_instances),
        ]
