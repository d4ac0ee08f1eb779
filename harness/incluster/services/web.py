"""What all HTTP parts share: bounded bodies, errors as JSON, HTML escaping, dispatch on the Host header."""

from __future__ import annotations

import errno
import html
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from harness.incluster.services.dicom.dicomfile import DicomError
from harness.incluster.services.records import StorageError
from harness.kube import jsontext

log = logging.getLogger("harness.incluster.services")

# the disk is full, or the process has too many open files
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE})


def error(status: int, detail: str) -> HTTPException:
    """Return an exception that is answered as ``{"detail": detail}``, the shape of the platform's FastAPI services."""
    return HTTPException(status, detail)


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body; 413 once it is longer than ``limit`` bytes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise error(413, f"the body is longer than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


async def read_json(request: Request, limit: int) -> Any:
    """Return the body as JSON; ``None`` for an empty one, 400 for anything that is not JSON."""
    body = await read_body(request, limit)
    if not body.strip():
        return None
    try:
        return jsontext.parse(body)
    except jsontext.JsonError as problem:
        raise error(400, f"the body is not JSON: {problem}") from None


async def read_object(request: Request, limit: int) -> dict[str, Any]:
    """Return the body as a JSON object; 422 for other JSON."""
    value = await read_json(request, limit)
    if not isinstance(value, dict):
        raise error(422, "the body must be a JSON object")
    return value


def escape_html(value: Any) -> Any:
    """Escape every string value of a JSON document, as the backend's middleware does (runtime 10.2)."""
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, list):
        return [escape_html(item) for item in value]
    if isinstance(value, dict):
        return {key: escape_html(item) for key, item in value.items()}
    return value


def text_field(body: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    """Return a string of a JSON object; 422 when it is missing or of another type."""
    value = body.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        raise error(422, f"{name} must be a non-empty string" if required else f"{name} must be a string")
    return value


def application(routes: Sequence[BaseRoute], *, prefix: str = "") -> ASGIApp:
    """Return an application with JSON errors and paths that are valid with and without ``prefix`` (services 1.3)."""
    app: ASGIApp = Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: _http_error,
            StorageError: _no_room,
            OSError: _os_error,
            DicomError: _answer_unreadable,
            ClientDisconnect: _answer_gone,
            Exception: _server_error,
        },
    )
    return StripPrefix(app, prefix) if prefix else app


async def _http_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    detail = problem.detail
    if problem.status_code == 404 and detail == "Not Found":
        detail = f"Not Found: {request.method} {request.scope['path']} is not emulated by the harness"
    if problem.status_code in {204, 304}:
        return Response(status_code=problem.status_code)
    return JSONResponse({"detail": detail}, problem.status_code, headers=problem.headers)


async def _no_room(request: Request, problem: Exception) -> Response:
    log.error("%s %s: %s", request.method, request.scope["path"], problem)
    return JSONResponse({"detail": f"the services cannot keep this: {problem}"}, 507)


async def _os_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, OSError)
    answer = _no_room if problem.errno in _NO_ROOM else _server_error
    return await answer(request, problem)


async def _answer_unreadable(request: Request, problem: Exception) -> Response:
    """Answer for an object of the archive that is not completely readable, as its sender stored it."""
    return JSONResponse({"detail": f"the archive cannot read the object: {problem}"}, 500)


async def _answer_gone(request: Request, problem: Exception) -> Response:
    """Answer a peer that went away in the middle of its request, and reads no answer."""
    return Response(status_code=400)


async def _server_error(request: Request, problem: Exception) -> Response:
    log.error("%s %s failed", request.method, request.scope["path"], exc_info=problem)
    return JSONResponse({"detail": f"error in the harness's services: {type(problem).__name__}: {problem}"}, 500)


class StripPrefix:
    """Serve ``/prefix/x`` as ``/x``, and ``/x`` unchanged."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == self.prefix or path.startswith(self.prefix + "/"):
            scope = {**scope, "path": path[len(self.prefix) :] or "/"}
            scope.pop("raw_path", None)
        await self.app(scope, receive, send)


class HostDispatch:
    """Choose the application by the first label of the Host header; unknown hosts get a 404 that lists the known."""

    def __init__(self, hosts: Mapping[str, ASGIApp], elsewhere: Callable[[str], str | None]) -> None:
        self.hosts = dict(hosts)
        self.elsewhere = elsewhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            return
        host = host_label(scope)
        app = self.hosts.get(host)
        if app is None:
            other = self.elsewhere(host)
            detail = f"{host!r} is served on port {other}" if other else f"no service is called {host!r}"
            answer = JSONResponse({"detail": detail, "hosts": sorted(self.hosts)}, 404)
            await answer(scope, receive, send)
            return
        await app(scope, receive, send)


def host_label(scope: Scope) -> str:
    """Return the first label of the Host header, lower case, without port; "" without the header."""
    for name, value in scope["headers"]:
        if name == b"host":
            return str(value.decode("latin-1")).split(":", 1)[0].split(".", 1)[0].lower()
    return ""
