"""The harness's own interface to the services, on a separate port, with a bearer token."""

from __future__ import annotations

import datetime
import hmac
import json
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from harness.incluster.services.access.directory import ProjectRecord
from harness.incluster.services.control.upload import UploadError, unpack
from harness.incluster.services.dicom.dicomfile import DicomError
from harness.incluster.services.dicom.receiver import remove_tree
from harness.incluster.services.identity.routes import bearer
from harness.incluster.services.objectstore import ObjectStoreError
from harness.incluster.services.search.document import IndexedDocumentError
from harness.incluster.services.search.indices import StoredDocument
from harness.incluster.services.services import Services
from harness.incluster.services.web import error, read_json
from harness.wire import names, services_routes
from harness.wire.index_documents import IndexedDocument, IndexedDocuments

_MAX_WAIT_S = 3600.0
# MinIO tells of a request within milliseconds
_CATCH_UP_S = 10.0
_MAX_DATASET_NAME = 64


class Control:
    """Routes for the host side: seeding, receipts, settling, workflows, forgetting projects.

    Args:
        services: the controlled services.
        listeners: listener -> whether it accepts connections, asked at each health check.
    """

    def __init__(self, services: Services, listeners: Callable[[], Mapping[str, bool]]) -> None:
        self._services, self._listeners = services, listeners

    async def health(self, request: Request) -> Response:
        """GET /health: 200 when all listeners are up; without the token only that.

        ``object_store`` says whether MinIO is ready, ``starts`` how often this environment's services were started.
        """
        listeners = dict(self._listeners())
        ready = all(listeners.values())
        status = 200 if ready else 503
        if not self._has_token(request):
            return JSONResponse({"ready": ready}, status)
        provisioner = self._services.provisioner
        body: dict[str, Any] = {
            "ready": ready,
            "listeners": listeners,
            "object_store": provisioner.done.is_set(),
            "starts": self._services.starts,
        }
        if provisioner.last_error:
            body["object_store_error"] = provisioner.last_error
        return JSONResponse(body, status)

    def _project(self, name: str) -> ProjectRecord:
        project = self._services.directory.project(name)
        if project is None:
            have = ", ".join(item.name for item in self._services.directory.projects())
            raise error(404, f"there is no project {name!r}; there are: {have}")
        return project

    async def add_series(self, request: Request) -> Response:
        """POST /series?project=&dataset= with a ZIP of DICOM files: ingested as if it had been sent."""
        project = self._project(request.query_params.get("project", ""))
        dataset = request.query_params.get("dataset", "")
        if not 0 < len(dataset) <= _MAX_DATASET_NAME:
            raise error(422, f"dataset must have 1 to {_MAX_DATASET_NAME} characters")
        folder = Path(tempfile.mkdtemp(dir=self._services.config.scratch, prefix="upload-"))
        try:
            archive = folder / "archive"
            await self._save(request, archive)
            counts = await run_in_threadpool(self._ingest, archive, folder, project, dataset)
        except (UploadError, DicomError, IndexedDocumentError, UnicodeError) as problem:
            raise error(422, str(problem)) from None
        finally:
            await run_in_threadpool(remove_tree, folder)
        return JSONResponse({"series": counts})

    async def _save(self, request: Request, path: Path) -> None:
        limit, size = self._services.config.limits.upload_bytes, 0
        with path.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise error(413, f"the body is longer than {limit} bytes")
                await run_in_threadpool(file.write, chunk)

    def _ingest(self, archive: Path, folder: Path, project: ProjectRecord, dataset: str) -> dict[str, int]:
        series = unpack(archive, folder, self._services.config.limits)
        now = datetime.datetime.now(datetime.timezone.utc)
        for files in series.values():
            self._services.ingestion.ingest(files, project_name=project.name, dataset_name=dataset, now=now)
        return {uid: len(files) for uid, files in series.items()}

    async def receipts(self, request: Request) -> Response:
        """GET /receipts?project=&since=<ISO 8601>: what arrived at the receiver."""
        since = None
        if text := request.query_params.get("since"):
            try:
                # a "+" that was not quoted arrives as a blank
                since = datetime.datetime.fromisoformat(text.replace(" ", "+").replace("Z", "+00:00"))
            except ValueError:
                raise error(422, f"since must be an ISO 8601 time, got {text!r}") from None
            if since.tzinfo is None:
                since = since.replace(tzinfo=datetime.timezone.utc)
        found = self._services.receipts.find(project=request.query_params.get("project"), since=since)
        return JSONResponse([item.as_json() for item in found])

    async def receipt_file(self, request: Request) -> Response:
        """GET /receipts/{id}/file: the object as the receiver keeps it."""
        receipt = self._services.receipts.get(request.path_params["id"])
        if receipt is None:
            raise error(404, "there is no such receipt")
        return FileResponse(receipt.path, media_type="application/dicom")

    async def settle(self, request: Request) -> Response:
        """POST /settle ``{timeout_s}``: 200 when all data is ingested; after the time 504 with the rest."""
        body = await read_json(request, 1 << 16) or {}
        timeout = _seconds(body.get("timeout_s", 30) if isinstance(body, dict) else None)
        inbox = self._services.inbox
        settled = await run_in_threadpool(inbox.settle, timeout)
        if not settled:
            pending = inbox.describe_pending()
            detail = (
                f"not settled within {timeout:g} s: {pending['associations']} open associations, "
                f"series not ingested: {', '.join(pending['series']) or 'none'}"
            )
            return JSONResponse({"settled": False, "pending": pending, "detail": detail}, 504)
        errors = {item.id: item.error for item in self._services.receipts.find() if item.error}
        return JSONResponse({"settled": True, "errors": errors})

    async def notifications(self, request: Request) -> Response:
        """GET /notifications?project=<name or id>."""
        key = request.query_params.get("project")
        project_id = self._project(key).id if key else None
        return JSONResponse(self._services.notifications.sent(project_id))

    async def documents(self, request: Request) -> Response:
        """GET /documents?project=&after=: what was written to the project's index after a change, if one is given."""
        project = self._project(request.query_params.get("project", ""))
        indices, after = self._services.indices, request.query_params.get("after")
        latest, written = indices.latest, list[StoredDocument]()
        if after is not None:
            if not (after.isascii() and after.isdigit()):
                raise error(422, f"after must be a number, got {after!r}")
            written = await run_in_threadpool(indices.list_written_after, project.index, int(after))
        found = tuple(IndexedDocument(item.id, item.source) for item in written)
        return JSONResponse(IndexedDocuments(latest, found).as_json())

    async def refusals(self, request: Request) -> Response:
        """GET /refusals?peer=<address>,<address>: requests of these addresses that the services and MinIO refused."""
        await run_in_threadpool(self._services.object_watch.catch_up, _CATCH_UP_S)
        found = self._services.refusals.find(request.query_params.get("peer", "").split(","))
        return JSONResponse([item.as_json() for item in found])

    async def pulls(self, request: Request) -> Response:
        """GET /image-pulls: images that installers asked kube-helm for."""
        return JSONResponse(self._services.kube_helm.pulls)

    async def list_scrape_targets(self, request: Request) -> Response:
        """GET /scraped?project=: what annotated pods of the project said when they were asked for metrics."""
        project = self._project(request.query_params.get("project", ""))
        namespace = names.project_namespace(project.name)
        return JSONResponse(await run_in_threadpool(self._services.metrics.list_scraped, namespace))

    async def workflow(self, request: Request) -> Response:
        """GET /workflows/{id}?wait_s=: error and jobs; waits until the jobs are triggered or cannot be."""
        workflow = self._services.workflows.get(request.path_params["id"])
        if workflow is None:
            raise error(404, "there is no such workflow")
        wait = _seconds(request.query_params.get("wait_s", "0"))
        created = await run_in_threadpool(workflow.created.wait, wait)
        jobs = await run_in_threadpool(lambda: self._services.workflows.jobs(workflow_name=workflow.name))
        return JSONResponse(
            {
                **workflow.as_json(),
                "created": created,
                "error": workflow.error or None,
                "jobs": [job.as_json() for job in reversed(jobs)],
            }
        )

    async def forget_project(self, request: Request) -> Response:
        """DELETE /projects/{name}."""
        project = self._project(request.path_params["name"])
        if project is self._services.directory.admin:
            raise error(409, "the admin project stays")
        try:
            await run_in_threadpool(self._services.forget_project, project)
        except ObjectStoreError as problem:
            raise error(503, f"the project is forgotten but for its bucket: {problem}") from None
        return Response(status_code=204)

    def routes(self) -> list[Route]:
        """Return all paths; everything but /health needs the token."""
        check_token_first: list[tuple[str, Callable[[Request], Awaitable[Response]], str]] = [
            (services_routes.SERIES, self.add_series, "POST"),
            (services_routes.RECEIPTS, self.receipts, "GET"),
            (services_routes.receipt_file("{id}"), self.receipt_file, "GET"),
            (services_routes.SETTLE, self.settle, "POST"),
            (services_routes.NOTIFICATIONS, self.notifications, "GET"),
            (services_routes.DOCUMENTS, self.documents, "GET"),
            (services_routes.REFUSALS, self.refusals, "GET"),
            (services_routes.IMAGE_PULLS, self.pulls, "GET"),
            (services_routes.SCRAPED, self.list_scrape_targets, "GET"),
            (services_routes.workflow("{id}"), self.workflow, "GET"),
            (services_routes.project("{name}"), self.forget_project, "DELETE"),
        ]
        routes = [Route(path, self._guard(handler), methods=[method]) for path, handler, method in check_token_first]
        return [Route(services_routes.HEALTH, self.health), *routes]

    def _has_token(self, request: Request) -> bool:
        return hmac.compare_digest((bearer(request) or "").encode(), self._services.config.token.encode())

    def _guard(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def check_token_first(request: Request) -> Response:
            if not self._has_token(request):
                raise error(401, "the control interface needs the environment's token")
            return await handler(request)

        return check_token_first


def _seconds(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise error(422, f"expected a number of seconds, got {json.dumps(value)}") from None
    if not 0 <= number <= _MAX_WAIT_S:
        raise error(422, f"expected 0 to {_MAX_WAIT_S:.0f} seconds")
    return number
