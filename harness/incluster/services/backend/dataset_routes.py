"""Routes of datasets (services 12.1)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.incluster.services.backend.datasets import Datasets
from harness.incluster.services.backend.request import RequestReader
from harness.incluster.services.web import error, text_field


class DatasetRoutes:
    """Named lists of series of a project."""

    def __init__(self, read: RequestReader, datasets: Datasets) -> None:
        self._read = read
        self._datasets = datasets

    async def dataset(self, request: Request) -> Response:
        """GET, POST, PUT or DELETE /client/dataset."""
        project = self._read.project(request)
        if request.method in {"GET", "DELETE"}:
            name = request.query_params.get("name", "")
            found = self._datasets.get(project.id, name)
            if found is None:
                raise error(404, "Dataset not found")
            if request.method == "DELETE":
                self._datasets.remove(project.id, name)
            return JSONResponse(found)
        body = await self._read.body(request)
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
        return JSONResponse(self._datasets.of_project(self._read.project(request).id))

    def routes(self) -> list[Route]:
        """Return all paths, without the prefix ``/kaapana-backend``."""
        return [
            Route("/client/dataset", self.dataset, methods=["GET", "POST", "PUT", "DELETE"]),
            Route("/client/datasets", self.datasets),
        ]
