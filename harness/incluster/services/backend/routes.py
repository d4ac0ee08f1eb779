"""All routes of the backend, and those that stand alone: files, settings, models, instances."""

from __future__ import annotations

import fnmatch
import html
import re
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from harness.incluster.services import wildcard
from harness.incluster.services.access.directory import Directory
from harness.incluster.services.backend.airflow import Airflow
from harness.incluster.services.backend.dataset_routes import DatasetRoutes
from harness.incluster.services.backend.datasets import Datasets
from harness.incluster.services.backend.form_routes import FormRoutes
from harness.incluster.services.backend.request import RequestReader
from harness.incluster.services.backend.result_routes import ResultRoutes
from harness.incluster.services.backend.workflow_routes import WorkflowRoutes
from harness.incluster.services.backend.workflows import Workflows
from harness.incluster.services.config import ServicesConfig
from harness.incluster.services.identity.routes import Identity
from harness.incluster.services.objectstore import BucketStore
from harness.incluster.services.records import Records, RecordTable
from harness.incluster.services.web import error


class Backend:
    """Routes of the backend."""

    def __init__(
        self,
        config: ServicesConfig,
        identity: Identity,
        directory: Directory,
        datasets: Datasets,
        workflows: Workflows,
        airflow: Airflow,
        store: BucketStore,
        records: Records,
    ) -> None:
        self._instance_name = config.instance_name
        self._read = RequestReader(
            identity, directory, config.limits.json_bytes, software_mapping=config.software_mapping
        )
        self._parts = (
            WorkflowRoutes(self._read, workflows, config.instance_name),
            FormRoutes(self._read, datasets, airflow, no_models_form=config.no_models_form),
            DatasetRoutes(self._read, datasets),
            ResultRoutes(self._read, store),
        )
        self._settings: RecordTable[Any] = RecordTable(records, "settings")
        self._models: RecordTable[Any] = RecordTable(records, "models")
        self.uploads = config.data_dir / "uploads"
        self.uploads.mkdir(parents=True, exist_ok=True)

    async def files(self, request: Request) -> Response:
        """GET /client/files?pattern=: relative paths in the upload area (needed while DAG files are parsed)."""
        try:
            pattern = wildcard.check_bounds(html.escape(request.query_params.get("pattern", "*")))
        except wildcard.WildcardError as problem:
            raise error(422, str(problem)) from None
        return JSONResponse(await run_in_threadpool(_listing, self.uploads, pattern))

    async def workflow_settings(self, request: Request) -> Response:
        """GET or PUT /settings/workflows/{id}."""
        user = request.headers.get("x-forwarded-preferred-username")
        if user is None:
            raise error(400, "the header X-Forwarded-Preferred-Username is missing")
        key = request.path_params["id"]
        if request.method == "PUT":
            body = await self._read.body(request)
            self._settings.put(key, body.get("value", body))
        value = self._settings.get(key) if key in self._settings else {}
        return JSONResponse({"key": key, "username": user, "value": value})

    async def sync_models(self, request: Request) -> Response:
        """PUT /client/installed_models/sync."""
        project = self._read.project(request)
        body = await self._read.body(request)
        models = body.get("installed_models", [])
        self._models.put(project.id, models)
        return JSONResponse({"installed_models": models})

    async def instances(self, request: Request) -> Response:
        """GET the only instance, alone or in a list."""
        name = self._instance_name
        record = {"instance_name": name, "remote": False, "allowed_dags": [], "allowed_datasets": []}
        return JSONResponse(record if request.scope["path"].endswith("/kaapana-instance") else [record])

    async def refuse_federated(self, request: Request) -> Response:
        """Refuse a request of federated workflows with 501 and its path (services 4.3)."""
        raise error(501, f"{request.method} {request.scope['path']}: the harness's backend has no federated workflows")

    async def health(self, request: Request) -> Response:
        """GET /health-check."""
        return PlainTextResponse("OK")

    def routes(self) -> list[Route]:
        """Return all paths, without the prefix ``/kaapana-backend``."""
        return [
            *(route for part in self._parts for route in part.routes()),
            Route("/health-check", self.health),
            Route("/client/files", self.files),
            Route("/client/installed_models/sync", self.sync_models, methods=["PUT"]),
            Route("/client/kaapana-instance", self.instances),
            Route("/client/kaapana-instances", self.instances),
            Route("/client/get-kaapana-instances", self.instances, methods=["GET", "POST"]),
            Route("/client/workflow_jobs", self.refuse_federated, methods=["GET", "POST", "PUT"]),
            Route("/settings/workflows/{id}", self.workflow_settings, methods=["GET", "PUT"]),
        ]


def _listing(folder: Path, pattern: str) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    try:
        return sorted(path for path in found if fnmatch.fnmatchcase(path, pattern))
    except re.error as problem:
        raise error(422, f"pattern cannot be read: {problem}") from None
