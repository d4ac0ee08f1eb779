"""The HTTP side of the control plane: the paths of Kubernetes, and a few of the harness."""

from __future__ import annotations

import hmac
import math
import re
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from harness.incluster.controlplane import discovery, streams
from harness.incluster.controlplane.accounts import Account, Accounts
from harness.incluster.controlplane.admission import check_for_account
from harness.incluster.controlplane.errors import StatusError, bad_request
from harness.incluster.controlplane.plane import ControlPlane
from harness.incluster.controlplane.rbac import AccessRequest, Rbac, group_of
from harness.incluster.controlplane.registry import ServedName
from harness.incluster.controlplane.resources import Resources
from harness.incluster.controlplane.selectors import compile_selectors
from harness.kube import jsontext
from harness.kube.kinds import BY_PATH, KINDS, Kind
from harness.kube.pullsecrets import Login
from harness.wire import control_plane_routes
from harness.wire.control_plane_orders import NodeImages, Registries

_BODY_BYTES = 4 << 20
_WATCH_S = 1800.0
_VERSION = re.compile("[0-9]{1,18}")
_LONGEST_S = 10.0**9
# of a request's scope: the service account that asks, ``None`` for the owner
_ACCOUNT = "kaapana-harness.account"
_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}


def make_app(plane: ControlPlane) -> ASGIApp:
    """Return the application; every request needs the owner's token or that of a service account."""
    api = _Api(plane)
    routes = [
        Route(control_plane_routes.READY, api.ready),
        Route(control_plane_routes.NODE_IMAGES, api.node_images, methods=["GET", "POST"]),
        Route(control_plane_routes.REGISTRY, api.registry, methods=["POST"]),
        Route(control_plane_routes.OWNER, api.owner),
        Route(control_plane_routes.KEEP, api.keep, methods=["POST"]),
        Route(control_plane_routes.SHUTDOWN, api.shutdown, methods=["POST"]),
        *(Route(path, api.discovery) for path in ("/version", "/api", "/apis", "/apis/{group}")),
    ]
    for base in ("/api/{version}", "/apis/{group}/{version}"):
        routes.append(Route(base, api.discovery))
        # a name below the plural "namespaces" is an object; a plural below it is a collection in that namespace
        for collection in (base + "/namespaces/{namespace}/{plural}", base + "/{plural}"):
            routes += [
                Route(collection + "/{name}/log", api.log),
                Route(collection + "/{name}/{subresource}", api.item, methods=["GET", "PUT", "PATCH"]),
                Route(collection + "/{name}", api.item, methods=["GET", "PUT", "PATCH", "DELETE"]),
                Route(collection, api.collection, methods=["GET", "POST", "DELETE"]),
            ]
    routes.sort(key=_specific)
    handlers = {StatusError: _problem, HTTPException: _no_such_path, Exception: _internal_error}
    app = Starlette(routes=routes, exception_handlers=handlers)
    return _Authentication(app, plane.config.token, plane.accounts)


def _specific(route: Route) -> tuple[int, int]:
    """Return a sort key: long paths first, and of equal length those with fewer parameters."""
    parts = route.path.split("/")
    return -len(parts), sum(part.startswith("{") for part in parts)


class _Authentication:
    """Lets the owner everywhere, and pods with a service account to the paths of Kubernetes."""

    def __init__(self, app: ASGIApp, token: str, accounts: Accounts) -> None:
        self._app = app
        self._token = token.encode()
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._refusal(scope) if scope["type"] == "http" else None
        if problem is not None:
            await JSONResponse(problem.status, problem.code)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> StatusError | None:
        scheme, _, given = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        given = given.strip() if scheme.lower() == b"bearer" else b""
        if hmac.compare_digest(given, self._token):
            scope[_ACCOUNT] = None
            return None
        account = self._accounts.find_by_token(given.decode("latin-1"))
        if account is None:
            return StatusError(401, "Unauthorized", "Unauthorized")
        if scope["path"].startswith(f"{control_plane_routes.PREFIX}/"):
            return StatusError(403, "Forbidden", f"pods may not use {scope['path']}")
        scope[_ACCOUNT] = account
        return None


class _Api:
    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._resources = Resources(plane.store, plane.networks, plane.removal)
        self._rbac = Rbac(plane.store)

    # -- Kubernetes -----------------------------------------------------------------------------------------------

    async def ready(self, request: Request) -> Response:
        del request
        return JSONResponse({"environment": self._plane.config.environment, "kept": self._plane.reaper.kept})

    async def discovery(self, request: Request) -> Response:
        document = discovery.discovery_document(request.url.path.rstrip("/"))
        if document is None:
            raise _unknown(request)
        return JSONResponse(document)

    def _open_for(self, request: Request) -> None:
        if request.method != "GET" and self._plane.reaper.closing.is_set():
            raise StatusError(503, "ServiceUnavailable", "the environment is being removed")

    def _authorize(self, request: Request, verb: str, part: str = "", body: Any = None) -> None:
        """Authorize the owner for everything, and a service account for what its roles grant.

        Raises:
            StatusError: 403; 422, the object asks for what only the owner's may.
        """
        account: Account | None = request.scope[_ACCOUNT]
        if account is None:
            return
        kind, parameters = _kind(request), request.path_params
        namespace = parameters.get("namespace") or ""
        access = AccessRequest(
            verb, group_of(kind), kind.plural + (part and f"/{part}"), namespace, parameters.get("name") or ""
        )
        self._rbac.check(account, access)
        if body is not None:
            check_for_account(kind, body)
            self._rbac.check_grant(account, kind, body, namespace, is_whole=verb in ("create", "update"))

    async def collection(self, request: Request) -> Any:
        self._open_for(request)
        kind, namespace, query = _kind(request), request.path_params.get("namespace"), request.query_params
        store = self._plane.store
        is_watch = query.get("watch") in ("true", "1")
        if request.method == "POST":
            body = await _body(request)
            self._authorize(request, "create", body=body)
            created = self._resources.create(kind, namespace, body, dry_run=_dry(request))
            return JSONResponse(created, 201)
        selected = compile_selectors(query.get("labelSelector", ""), query.get("fieldSelector", ""))
        if request.method == "DELETE":
            self._authorize(request, "deletecollection")
            items = self._resources.delete_all(kind, namespace, selected)
        elif is_watch:
            self._authorize(request, "watch")
            version = query.get("resourceVersion", "")
            if version and not _VERSION.fullmatch(version):
                raise bad_request(f"invalid resource version {version!r}")
            timeout_s = _seconds(query.get("timeoutSeconds"), "timeoutSeconds") or _WATCH_S
            lines = streams.watch(store, kind.name, namespace, selected, version, timeout_s)
            return streams.Stream(lines, self._plane.reaper, "application/json")
        else:
            self._authorize(request, "list")
            items = [manifest for manifest in store.list(kind.name, namespace) if selected(manifest)]
        return JSONResponse(
            {
                "kind": f"{kind.name}List",
                "apiVersion": kind.api_version,
                "metadata": {"resourceVersion": str(store.version)},
                "items": items,
            }
        )

    async def item(self, request: Request) -> Response:
        self._open_for(request)
        kind, query = _kind(request), request.query_params
        namespace, name = request.path_params.get("namespace"), request.path_params["name"]
        sub = _subresource(request)
        if request.method == "GET":
            self._authorize(request, "get", sub or "")
            return JSONResponse(self._plane.store.get(kind.name, namespace, name))
        body = await _body(request)
        changed = None if request.method == "DELETE" else body
        self._authorize(request, _VERBS[request.method], sub or "", changed)
        if request.method == "DELETE":
            return JSONResponse(self._resources.delete(kind, namespace, name, query, body))
        if request.method == "PUT":
            return JSONResponse(self._resources.update(kind, namespace, name, body, sub))
        content_type = request.headers.get("content-type", "").split(";")[0]
        if content_type == "application/apply-patch+yaml":
            manager = query.get("fieldManager", "")
            if not manager:
                raise bad_request("fieldManager is required for apply patch")
            if self._plane.store.find(kind.name, namespace, name) is None:
                self._authorize(request, "create")
            applied, is_new = self._resources.apply(kind, namespace, name, body, manager, dry_run=_dry(request))
            return JSONResponse(applied, 201 if is_new else 200)
        return JSONResponse(self._resources.patch(kind, namespace, name, body, content_type, sub))

    async def log(self, request: Request) -> Any:
        if _kind(request).name != "Pod":
            raise _unknown(request)
        self._authorize(request, "get", "log")
        pod = self._plane.store.get("Pod", request.path_params.get("namespace"), request.path_params["name"])
        output = self._plane.kubelet.log(pod, request.query_params)
        return streams.Stream(output, self._plane.reaper, "text/plain")

    # -- the harness ----------------------------------------------------------------------------------------------

    async def node_images(self, request: Request) -> Response:
        images = self._plane.images
        if request.method == "POST":
            change = NodeImages.from_json(await _body(request))
            images.imported.update(change.imported)
            images.provide(change.provided, change.commands)
            for reference in change.withdrawn:
                images.imported.pop(reference, None)
        return JSONResponse(images.node)

    async def registry(self, request: Request) -> Response:
        given = Registries.from_json(await _body(request))
        registry = self._plane.images.registry
        registry.address, registry.internal = given.address, given.internal
        for entry in given.served:
            login = Login(entry.username, entry.password) if entry.username else None
            registry.served[entry.name] = ServedName(entry.prefix, login)
        return JSONResponse({})

    async def owner(self, request: Request) -> Any:
        """Stream beats while the owner lives; a lost connection means that the owner has ended."""
        del request
        reaper = self._plane.reaper
        reaper.owner_connected()
        return streams.Stream(streams.heartbeats(), reaper, "application/json", reaper.owner_disconnected)

    async def keep(self, request: Request) -> Response:
        del request
        self._plane.reaper.kept = True
        return JSONResponse({})

    async def shutdown(self, request: Request) -> Response:
        del request
        reaper = self._plane.reaper
        reaper.reap()
        await reaper.done.wait()
        return JSONResponse({})


def _kind(request: Request) -> Kind:
    parameters = request.path_params
    group = f"/apis/{parameters['group']}" if "group" in parameters else "/api"
    kind = BY_PATH.get((f"{group}/{parameters['version']}", parameters["plural"]))
    if kind is None or (parameters.get("namespace") and not kind.namespaced):
        raise _unknown(request)
    return kind


def _subresource(request: Request) -> str | None:
    name = request.path_params.get("subresource")
    if name not in (None, "status"):
        raise StatusError(404, "NotFound", f"subresource {name!r} does not exist on the docker cluster")
    return name


def _seconds(text: str | None, parameter: str) -> float:
    """Return a number of seconds of the query; 0 if it is missing."""
    try:
        value = float(text or 0)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _LONGEST_S:
        raise bad_request(f"invalid {parameter}: {text!r}")
    return value


def _dry(request: Request) -> bool:
    return request.query_params.get("dryRun") == "All"


def _unknown(request: Request) -> StatusError:
    known = ", ".join(sorted(kind.plural for kind in KINDS))
    return StatusError(404, "NotFound", f"the docker cluster has no resource {request.url.path}; it has: {known}")


async def _body(request: Request) -> Any:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _BODY_BYTES:
            raise StatusError(413, "RequestEntityTooLarge", f"at most {_BODY_BYTES} bytes")
    try:
        # every JSON document is YAML, and JSON is what clients send also for server-side apply
        value = jsontext.parse(bytes(data)) if data else {}
    except jsontext.JsonError as error:
        raise bad_request(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise bad_request("the body is not an object")
    return value


async def _problem(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, StatusError)
    return JSONResponse(error.status, error.code)


async def _internal_error(request: Request, error: Exception) -> Response:
    """Return an error in the shape of the API, so that clients see the problem; the log has the traceback."""
    text = f"{request.method} {request.url.path}: {type(error).__name__}: {error}"
    problem = StatusError(500, "InternalError", f"Internal error occurred: {text[:1000]}")
    return JSONResponse(problem.status, problem.code)


async def _no_such_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = _unknown(request)
    if error.status_code != 404:
        text = f"{request.method} {request.url.path}: {error.detail}"
        problem = StatusError(error.status_code, "MethodNotAllowed", text)
    return JSONResponse(problem.status, problem.code)
