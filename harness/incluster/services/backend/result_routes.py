"""Routes of the "Workflow Results" page (services 10.3)."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from harness.incluster.services.backend.request import RequestReader
from harness.incluster.services.backend.results import is_result, tree
from harness.incluster.services.objectstore import BucketStore, ObjectStoreError
from harness.incluster.services.web import error


class ResultRoutes:
    """The reports in a project's bucket."""

    def __init__(self, read: RequestReader, store: BucketStore) -> None:
        self._read = read
        self._store = store

    async def results(self, request: Request) -> Response:
        """GET /get-static-website-results."""
        project = self._read.project(request)
        try:
            found = await run_in_threadpool(self._store.list, project.bucket, "staticwebsiteresults/")
        except ObjectStoreError as problem:
            raise error(502, str(problem)) from None
        return JSONResponse(tree([item.key for item in found]))

    async def result_page(self, request: Request) -> Response:
        """GET /get-static-website-results-html?object_name=."""
        project = self._read.project(request)
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

    def routes(self) -> list[Route]:
        """Return all paths, without the prefix ``/kaapana-backend``."""
        return [
            Route("/get-static-website-results", self.results),
            Route("/get-static-website-results-html", self.result_page),
        ]
