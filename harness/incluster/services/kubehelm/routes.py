"""kube-helm as far as pods call it; releases are made by the harness, not through this API (services 14.1)."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from harness.incluster.services.records import Records, RecordTable
from harness.incluster.services.web import error, read_json, read_object, text_field

_LIMIT = 1 << 20


class KubeHelm:
    """Routes of the API; ``pulls`` are the images that installers asked for."""

    def __init__(self, records: Records | None = None) -> None:
        self._pulls: RecordTable[dict[str, str]] = RecordTable(records or Records(), "pulls")

    @property
    def pulls(self) -> list[dict[str, str]]:
        """The images, in the order of the requests."""
        return self._pulls.values()

    async def health(self, request: Request) -> Response:
        """GET /health-check: the installer's init container waits for it (build 9)."""
        return PlainTextResponse("Kube-Helm api is up and running!")

    async def chart_status(self, request: Request) -> Response:
        """GET /view-chart-status?release_name=: no application runs here, so 404."""
        release = request.query_params.get("release_name")
        if not release:
            raise error(400, "release_name is missing")
        raise error(404, f"release {release!r} not found")

    async def pull_image(self, request: Request) -> Response:
        """POST /pull-docker-image: 202; images are pulled when a pod needs them."""
        body = await read_object(request, _LIMIT)
        keys = ("docker_registry_url", "docker_image", "docker_version")
        self._pulls.put(uuid.uuid4().hex, {key: text_field(body, key) for key in keys})
        return Response("Trying to download the docker container", 202, media_type="text/plain")

    async def not_emulated(self, request: Request) -> Response:
        """Answer requests that would need Helm."""
        what: Any = dict(request.query_params)
        if request.method == "POST":
            body = await read_json(request, _LIMIT)
            what |= body if isinstance(body, dict) else {}
        chart = what.get("name") or what.get("release_name") or "a chart"
        action = request.scope["path"].rsplit("/", 1)[-1]
        raise error(
            501,
            f"the harness's kube-helm does not emulate {action} ({chart!r}): dev_server and applications that a "
            "workflow launches need a real platform",
        )

    async def empty(self, request: Request) -> Response:
        """GET of lists that are empty here."""
        return JSONResponse([])

    def routes(self) -> list[Route]:
        """Return all paths, without the prefix ``/kube-helm-api``."""
        install = ("helm-install-chart", "helm-delete-chart", "complete-active-application", "file", "filepond-upload")
        return [
            Route("/health-check", self.health),
            Route("/view-chart-status", self.chart_status),
            Route("/pull-docker-image", self.pull_image, methods=["POST"]),
            Route("/active-applications", self.empty),
            *(Route(f"/{path}", self.not_emulated, methods=["POST"]) for path in install),
            *(Route(f"/{path}", self.not_emulated) for path in ("extensions", "update-extensions", "platforms")),
            Route("/import-container", self.not_emulated),
        ]
