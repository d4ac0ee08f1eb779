"""Answers to the browser."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from harness.common import crash, documents
from harness.common.redaction import REDACTOR, redact
from harness.errors import HarnessError, PlatformError, UsageError
from harness.kube import ApiError
from harness.page import access, streams
from harness.page.evidence import EvidenceFolder
from harness.page.facts import ENDED, ShownSeries
from harness.page.observer import Hub, Observer
from harness.page.pictures import PictureMaker
from harness.page.source import Source
from harness.page.starter import Starter, StartRequest
from harness.page.views import Views, address
from harness.report import frames, rendering

ASSETS: Final = Path(__file__).parent / "assets"

_LARGEST_BODY: Final = 1 << 20
_SCRIPT: Final = "text/javascript; charset=utf-8"
_SCRIPTS: Final = ("page.js", "start.js", "json-editor/jsoneditor.js")
_STYLE: Final = "text/css; charset=utf-8"
# the styles that JSON Editor sets as texts: an empty <style>, which it fills through the object model, and attributes
_STYLES: Final = (
    "",
    "margin: 0 10px 0 0;",
    "position: absolute;width: 1px;height: 1px;padding: 0;margin: -1px;overflow: hidden;clip: rect(0,0,0,0);border: 0;",
)
_POLICY_OF_FORMS: Final = access.make_policy(
    " ".join(["'self'", "'unsafe-hashes'", *(f"'sha256-{rendering.digest(text)}'" for text in _STYLES)])
)
# of a document that says by itself what it may do, as reports do
_SELF_CONTAINED: Final = "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
# of what a container has written: it does nothing, and belongs to no site
_PASSIVE: Final = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; media-src data:; "
    "frame-ancestors 'self'"
)
_TEXTS: Final = frozenset({".log", ".txt", ".csv", ".json", ".yaml", ".yml", ".md", ".xml"})
_IMAGES: Final = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif"}


class Pages:
    """The routes.

    Args:
        source: what is shown.
        views: make HTML of it.
        watch: knows whether the environment answers.
        hub: tells what has changed.
        pictures: draw what was received.
        evidence: where the reports of runs are.
        starter: starts runs.
    """

    def __init__(
        self,
        source: Source,
        views: Views,
        watch: Observer,
        hub: Hub,
        pictures: PictureMaker,
        evidence: EvidenceFolder,
        starter: Starter,
    ) -> None:
        self._source, self._views, self._watch, self._hub = source, views, watch, hub
        self._pictures, self._evidence, self._starter = pictures, evidence, starter

    def index(self, request: Request) -> Response:
        """GET /: the page, whose parts the browser asks for."""
        return HTMLResponse(self._views.page(self._watch.trouble))

    def part(self, request: Request) -> Response:
        """GET /parts/{name}: one part of it."""
        name = request.path_params["name"]
        read = self._views.reads.get(name)
        if read is None:
            return _not_found("There is no such part.")
        found = read()
        # the next look compares with what was shown
        self._watch.compare(name, found)
        return HTMLResponse(self._views.part(name, found))

    def run(self, request: Request) -> Response:
        """GET /run?dag=&run=: the page of one run; ``part`` for what changes while it is running."""
        dag_id, run_id = request.query_params.get("dag", ""), request.query_params.get("run", "")
        record = self._source.record(dag_id, run_id)
        if "part" in request.query_params:
            return HTMLResponse(str(self._views.run_part(record)))
        job = next((run for run in self._source.runs() if (run.dag_id, run.run_id) == (dag_id, run_id)), None)
        return HTMLResponse(self._views.run_page(job, record, self._watch.trouble))

    def start_page(self, request: Request) -> Response:
        """GET /start?dag=: the page with the form of a DAG."""
        page = self._views.start_page(request.query_params.get("dag", ""), self._watch.trouble)
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY_OF_FORMS})

    async def draw_form(self, request: Request) -> Response:
        """POST /forms ``{dag_id}``: what the browser draws of the DAG's form."""
        wanted = StartRequest.from_json(await _read_json(request))
        drawn = await run_in_threadpool(self._starter.draw, wanted.dag_id)
        return JSONResponse(REDACTOR.value(drawn.as_json()))

    async def start_run(self, request: Request) -> Response:
        """POST /runs, see :class:`harness.page.starter.StartRequest`: the address of the run that was started."""
        wanted = StartRequest.from_json(await _read_json(request))
        started = await run_in_threadpool(self._starter.start, wanted)
        return JSONResponse({"address": address("/run", dag=started.dag_id, run=started.run_ids[0])}, 201)

    async def events(self, request: Request) -> Response:
        """GET /events: what has changed, as it does."""
        return streams.stream(streams.changes(self._hub, lambda: self._watch.trouble))

    async def log(self, request: Request) -> Response:
        """GET /log?dag=&run=&task=&attempt=: the log of a task, as it is written."""
        asked = request.query_params
        dag_id, run_id, task_id = (asked.get(name, "") for name in ("dag", "run", "task"))
        attempt = asked.get("attempt", "")
        if not attempt.isdecimal() or len(attempt) > 4:
            return _not_found("The attempt must be a number.")
        read = functools.partial(self._source.log, dag_id, run_id, task_id, int(attempt))
        ended = functools.partial(self._attempt_ended, dag_id, run_id, task_id, int(attempt))
        return streams.stream(streams.log_lines(self._hub, read, ended))

    def _attempt_ended(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> bool:
        record = self._source.record(dag_id, run_id)
        task = next((task for task in record.tasks if task.task_id == task_id), None)
        over = task is None or task.try_number > attempt or (task.end is not None and task.state != "running")
        return over or record.state in ENDED

    def thumbnail(self, request: Request) -> Response:
        """GET /thumbnail?project=&uid=: a small picture of a series."""
        series = self._find_series(request)
        content = self._pictures.draw(series).thumbnail if series else b""
        return Response(content, media_type="image/jpeg") if content else _not_found("There is no picture.")

    def series(self, request: Request) -> Response:
        """GET /series?project=&uid=: the pictures of a series, to scroll through."""
        series = self._find_series(request)
        if series is None:
            return _not_found("There is no such series.")
        page = self._views.series(self._pictures.draw(series), f"{series.kind} of {series.project}")
        return HTMLResponse(page, headers={"Content-Security-Policy": _SELF_CONTAINED})

    def _find_series(self, request: Request) -> ShownSeries | None:
        wanted = request.query_params.get("project"), request.query_params.get("uid")
        return next((one for one in self._source.list_received() if (one.project, one.uid) == wanted), None)

    def result(self, request: Request) -> Response:
        """GET /result?project=&key=: a document of the results page, without anything that acts."""
        project = self._source.project(request.query_params.get("project", ""))
        if project is None:
            return _not_found("There is no such project.")
        content = self._source.result_document(project, request.query_params.get("key", ""))
        markup = frames.make_passive(content)
        if markup is None:
            return _not_found(f"The document cannot be shown: it is not HTML, or longer than {frames.LARGEST} bytes.")
        return HTMLResponse(redact(markup), headers={"Content-Security-Policy": _PASSIVE})

    def report(self, request: Request) -> Response:
        """GET /evidence/{path}: the report of a run, and the files that it links."""
        path = self._evidence.find(request.path_params["path"])
        if path is None:
            return _not_found("There is no such file.")
        if path.name == "report.html" and (path.parent / "run.json").is_file():
            return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": _SELF_CONTAINED})
        headers = {"Content-Security-Policy": _PASSIVE}
        ending = path.suffix.lower()
        if ending in {".html", ".htm"}:
            return FileResponse(path, media_type="text/html", headers=headers)
        if ending in _TEXTS:
            return FileResponse(path, media_type="text/plain; charset=utf-8", headers=headers)
        if ending in _IMAGES:
            return FileResponse(path, media_type=_IMAGES[ending], headers=headers)
        return FileResponse(path, media_type="application/octet-stream", filename=path.name, headers=headers)

    def routes(self) -> Sequence[Route]:
        """Return all paths."""
        return [
            Route("/", self.index),
            Route("/parts/{name}", self.part),
            Route("/run", self.run),
            Route("/start", self.start_page),
            Route("/forms", self.draw_form, methods=["POST"]),
            Route("/runs", self.start_run, methods=["POST"]),
            Route("/events", self.events),
            Route("/log", self.log),
            Route("/thumbnail", self.thumbnail),
            Route("/series", self.series),
            Route("/result", self.result),
            Route("/evidence/{path:path}", self.report),
            Route("/assets/page.css", _send(_style, _STYLE)),
            *(Route(f"/assets/{name}", _send(functools.partial(_asset, name), _SCRIPT)) for name in _SCRIPTS),
        ]


def make_app(pages: Pages) -> Starlette:
    """Return the application, without a door."""
    handlers: dict[Any, Any] = {HarnessError: _explain, ApiError: _explain, Exception: _explain_unexpected}
    app = Starlette(routes=pages.routes(), exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


def _explain(request: Request, error: Exception) -> Response:
    status = 503 if isinstance(error, (PlatformError, ApiError)) else 404
    if request.method != "POST":
        return PlainTextResponse(redact(str(error)), status)
    explained = error if isinstance(error, HarnessError) else PlatformError(str(error))
    parts = {"cause": explained.cause, "last_seen": explained.last_seen, "fix": explained.fix}
    return JSONResponse(REDACTOR.value(parts), 503 if status == 503 else 422)


def _explain_unexpected(request: Request, error: Exception) -> Response:
    return PlainTextResponse(redact(str(crash.explain(error))), 500)


def _not_found(why: str) -> Response:
    return PlainTextResponse(why, 404)


async def _read_json(request: Request) -> Any:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _LARGEST_BODY:
            raise UsageError(f"the request has more than {_LARGEST_BODY} bytes")
    try:
        return documents.parse_json(bytes(content))
    except ValueError as error:
        raise UsageError(f"the request cannot be read as JSON: {error}") from None


def _send(read: Callable[[], str], media_type: str) -> Callable[[Request], Response]:
    def send(request: Request) -> Response:
        return Response(read(), media_type=media_type)

    return send


def _style() -> str:
    return rendering.asset("style.css") + _asset("page.css")


@functools.cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")
