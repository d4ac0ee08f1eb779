"""Routes of DAGs and of the forms with which they are started (services 12.1, runtime 10.3)."""

from __future__ import annotations

import copy
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.incluster.services.access.directory import ProjectRecord
from harness.incluster.services.backend.airflow import Airflow, AirflowError
from harness.incluster.services.backend.datasets import Datasets
from harness.incluster.services.backend.request import RequestReader
from harness.incluster.services.web import error

_KINDS = {"dataset": "dataset_name", "minio": "bucket_name"}


class FormRoutes:
    """Routes of the DAGs that a user may start, and of their forms.

    Args:
        no_models_form: whether a form of models is replaced while no model is installed.
    """

    def __init__(
        self, read: RequestReader, datasets: Datasets, airflow: Airflow, *, no_models_form: bool = False
    ) -> None:
        self._read = read
        self._no_models_form = no_models_form
        self._datasets = datasets
        self._airflow = airflow

    async def _visible_dags(self, project: ProjectRecord) -> dict[str, dict[str, Any]]:
        """Return the visible DAGs of the project's software, equal for all users."""
        try:
            dags = await run_in_threadpool(self._airflow.dags)
        except AirflowError as problem:
            raise error(502, str(problem)) from None
        return {
            key: dag
            for key, dag in sorted(dags.items())
            if self._read.allows(project, key) and dag.get("ui_visible") is True
        }

    async def dags(self, request: Request) -> Response:
        """GET /client/dags, POST /client/get-dags: ids, or DAG objects with ``only_dag_names`` false."""
        body = await self._read.body(request) if request.method == "POST" else dict(request.query_params)
        dags = await self._visible_dags(self._read.project(request))
        kind = body.get("kind_of_dags") or "all"
        if not isinstance(kind, str):
            raise error(422, "kind_of_dags must be a string")
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
        """POST /client/get-ui-form-schemas: DAG id -> forms with the project's datasets filled in.

        404 for a DAG that is unknown, not visible or not in the project's software (runtime 10.1).
        """
        project = self._read.project(request)
        body = await self._read.body(request)
        dags = await self._visible_dags(project)
        wanted = body.get("dag_id")
        if wanted is not None and wanted not in dags:
            # as on the platform it is the last DAG of the list that is named, and without one there is no answer
            if not dags:
                raise error(500, "Internal Server Error")
            raise error(404, f"Dag {list(dags)[-1]} is not in the list of dags")
        datasets = self._datasets.of_project(project.id)
        return JSONResponse(
            {
                key: _fill(dag.get("ui_forms"), datasets, self._no_models_form)
                for key, dag in dags.items()
                if wanted in (None, key)
            }
        )

    def routes(self) -> list[Route]:
        """Return all paths, without the prefix ``/kaapana-backend``."""
        return [
            Route("/client/dags", self.dags, methods=["GET"]),
            Route("/client/get-dags", self.dags, methods=["POST"]),
            Route("/client/get-ui-form-schemas", self.form_schemas, methods=["POST"]),
        ]


def _properties(forms: Any, form: str) -> dict[str, Any]:
    data = forms.get(form) if isinstance(forms, dict) else None
    properties = data.get("properties") if isinstance(data, dict) else None
    return properties if isinstance(properties, dict) else {}


def _without_models(form: Any, no_models_form: bool) -> Any:
    """Return a form of models without installed models: no choice, or on 0.6.1 a text field (runtime 10.3, 11.2)."""
    if not isinstance(form, dict) or not set(form) >= {"models", "oneOf", "properties-template"}:
        return form
    if not no_models_form:
        return {**{key: value for key, value in form.items() if key != "properties-template"}, "oneOf": []}
    field = {"type": "string", "title": "Tasks", "description": "No tasks are available", "oneOf": [], "required": True}
    return {"type": "object", "properties": {"tasks": field}}


def _fill(forms: Any, datasets: list[dict[str, Any]], no_models_form: bool) -> dict[str, Any]:
    """Return forms with the datasets as choices; without any, the answer makes the page refuse (runtime 10.3)."""
    filled: dict[str, Any] = copy.deepcopy(forms) if isinstance(forms, dict) else {}
    if "workflow_form" in filled:
        filled["workflow_form"] = _without_models(filled["workflow_form"], no_models_form)
    field = _properties(filled, "data_form").get("dataset_name")
    if isinstance(field, dict):
        field["oneOf"] = [
            {"const": item["name"], "title": f"{item['name']} ({len(item['identifiers'])})"} for item in datasets
        ]
        if not datasets:
            # spelled like this on the platform
            filled["data_form"]["__emtpy__"] = "true"
    return filled
