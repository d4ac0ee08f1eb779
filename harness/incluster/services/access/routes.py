"""The access information interface (AII): projects, users, roles and software (services 9).

It asks for no authentication. Who comes through the platform's ingress is checked there; the ingress is not part of its
own here, so a request that carries a user's token is checked at its end (services 2.4, build 15).
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.incluster.services.access.directory import RIGHTS, ROLE_IDS, Directory, ProjectRecord, StateError, User
from harness.incluster.services.identity.jwt import TokenError
from harness.incluster.services.identity.routes import Identity, bearer
from harness.incluster.services.objectstore import BucketStore, ObjectStoreError
from harness.incluster.services.web import error, read_json, read_object, text_field

_LIMIT = 1 << 20


class AccessRoutes:
    """Routes of the AII.

    Args:
        on_project: gets every new project (its index is made there).
        token: of the environment; with it, callers may change the password of an existing project's user.
    """

    def __init__(
        self,
        directory: Directory,
        identity: Identity,
        store: BucketStore,
        on_project: Callable[[ProjectRecord], None],
        token: str,
    ) -> None:
        self._directory = directory
        self._identity = identity
        self._store = store
        self._on_project = on_project
        self._token = token.encode()

    def _project(self, request: Request, *, uuid_only: bool = False) -> ProjectRecord:
        key = request.path_params["project"]
        if uuid_only:
            try:
                uuid.UUID(key)
            except ValueError:
                raise error(422, f"project_id must be a UUID, got {key!r}") from None
        project = self._directory.project(key)
        if project is None:
            raise error(404, "Project not found")
        return project

    def _user(self, request: Request) -> User:
        user = self._directory.user(request.path_params["user"])
        if user is None:
            raise error(404, "User not found")
        return user

    def _check_right(self, request: Request, project: ProjectRecord, right: str) -> None:
        """Refuse a user (of the token that the ingress forwards) who is not an admin and lacks the right."""
        token = request.headers.get("x-forwarded-access-token")
        if token is None:
            return
        try:
            claims = self._identity.verify(token)
        except TokenError as problem:
            raise error(401, str(problem)) from None
        if "admin" in claims["realm_access"]["roles"] or f"{right}_{project.id}" in claims["kaapana.ai/aii"]:
            return
        raise error(403, f"{claims['preferred_username']} has no right {right} in the project {project.name}")

    async def projects(self, request: Request) -> Response:
        """GET: all projects."""
        return JSONResponse([project.as_json() for project in self._directory.projects()])

    async def create_project(self, request: Request) -> Response:
        """POST ``{name, description, harness?: {project_user_password}}``: record, user, index, bucket, policy.

        Only the harness may change the password of a project that exists: 403 without its token.
        """
        body = await read_object(request, _LIMIT)
        extra = body.get("harness") or {}
        password = extra.get("project_user_password") if isinstance(extra, dict) else None
        if password is not None and not isinstance(password, str):
            raise error(422, "harness.project_user_password must be a string")
        name = text_field(body, "name")
        description = text_field(body, "description", required=False)
        known = self._directory.project(name)
        if known is not None and password is not None and known.name == name:
            self._check_password(request, known, password)
        try:
            project, created = self._directory.add_project(name, description, password)
        except StateError as problem:
            raise error(422, str(problem)) from None
        self._on_project(project)
        try:
            await run_in_threadpool(self._store.provide_project, project)
        except ObjectStoreError as problem:
            if created:
                self._directory.remove_project(project)
            raise error(503, f"MinIO: {problem}") from None
        return JSONResponse(project.as_json(), 201 if created else 200)

    def _check_password(self, request: Request, project: ProjectRecord, password: str) -> None:
        """Set the password of an existing project where the caller may; the same one again is fine."""
        user = self._directory.user_by_name(project.system_user)
        if user is not None and user.accepts(password):
            return
        if not hmac.compare_digest((bearer(request) or "").encode(), self._token):
            raise error(403, f"the project {project.name!r} exists, and its user has another password")
        self._directory.set_password(project, password)

    async def project(self, request: Request) -> Response:
        """GET by UUID or name."""
        return JSONResponse(self._project(request).as_json())

    async def project_users(self, request: Request) -> Response:
        """GET the members; the path must hold a UUID (a name gives 422)."""
        project = self._project(request, uuid_only=True)
        return JSONResponse([user.as_json() for user in self._directory.members(project.id)])

    async def user_roles(self, request: Request) -> Response:
        """GET the user's role in the project."""
        project, user = self._project(request, uuid_only=True), self._user(request)
        role = self._directory.role(project.id, user.id)
        if role is None:
            raise error(404, "User has no role in the project")
        return JSONResponse(_role(role))

    async def user_rights(self, request: Request) -> Response:
        """GET the user's rights in the project; 204 without any."""
        project, user = self._project(request, uuid_only=True), self._user(request)
        role = self._directory.role(project.id, user.id)
        if role is None:
            return Response(status_code=204)
        return JSONResponse(_rights(role, project))

    async def add_role(self, request: Request) -> Response:
        """POST a role mapping; 409 if the user has one."""
        project, user = self._project(request, uuid_only=True), self._user(request)
        role = request.path_params["role"]
        if role not in RIGHTS:
            raise error(404, f"Role {role!r} not found")
        if self._directory.role(project.id, user.id) is not None:
            raise error(409, "Mapping already exists")
        self._directory.set_role(project.id, user.id, role)
        return JSONResponse({"project_id": project.id, "user_id": user.id, "role_name": role})

    async def change_role(self, request: Request) -> Response:
        """PUT or DELETE a role mapping, ``?role_name=``."""
        project, user = self._project(request, uuid_only=True), self._user(request)
        if self._directory.role(project.id, user.id) is None:
            raise error(404, "Mapping not found")
        if request.method == "DELETE":
            self._directory.set_role(project.id, user.id, None)
            return Response(status_code=204)
        role = request.query_params.get("role_name", "")
        if role not in RIGHTS:
            raise error(404, f"Role {role!r} not found")
        self._directory.set_role(project.id, user.id, role)
        return JSONResponse({"project_id": project.id, "user_id": user.id, "role_name": role})

    async def software(self, request: Request) -> Response:
        """GET, POST or DELETE the DAGs that the project may start."""
        project = self._project(request)
        if request.method == "GET":
            return JSONResponse([{"software_uuid": item} for item in self._directory.software(project.id)])
        self._check_right(request, project, "manage_software")
        dags = _software_ids(await read_json(request, _LIMIT))
        if request.method == "DELETE":
            self._directory.set_software(project.id, [], dags)
            return Response(status_code=204)
        self._directory.set_software(project.id, dags, [])
        return JSONResponse([{"software_uuid": item} for item in self._directory.software(project.id)])

    async def roles(self, request: Request) -> Response:
        """GET the roles, ``?name=`` for one."""
        name = request.query_params.get("name")
        return JSONResponse([_role(role) for role in RIGHTS if name in {None, role}])

    async def rights(self, request: Request) -> Response:
        """GET the rights."""
        pairs = dict.fromkeys(pair for rights in RIGHTS.values() for pair in rights)
        return JSONResponse([{"claim_key": key, "claim_value": value} for key, value in pairs])

    async def users(self, request: Request) -> Response:
        """GET all users of the realm."""
        return JSONResponse([user.as_json(with_roles=True) for user in self._directory.users()])

    async def current_user(self, request: Request) -> Response:
        """GET the user named by the header ``x-forwarded-user``."""
        user = self._directory.user(request.headers.get("x-forwarded-user", ""))
        if user is None:
            raise error(404, "User not found")
        return JSONResponse(user.as_json(with_roles=True))

    async def user(self, request: Request) -> Response:
        """GET one user by id."""
        return JSONResponse(self._user(request).as_json(with_roles=True))

    async def user_by_name(self, request: Request) -> Response:
        """GET one user by name."""
        user = self._directory.user_by_name(request.path_params["name"])
        if user is None:
            raise error(404, "User not found")
        return JSONResponse(user.as_json(with_roles=True))

    async def user_projects(self, request: Request) -> Response:
        """GET the projects of a user, with the role in each."""
        found = self._directory.memberships(self._user(request).id)
        return JSONResponse(
            [{**project.as_json(), "role_id": ROLE_IDS[role], "role_name": role} for project, role in found]
        )

    async def all_user_rights(self, request: Request) -> Response:
        """GET the rights of a user in all projects."""
        found = self._directory.memberships(self._user(request).id)
        return JSONResponse([right for project, role in found for right in _rights(role, project)])

    def routes(self) -> list[Route]:
        """Return all paths, without the prefix ``/aii``."""
        member = "/projects/{project}/users/{user}"
        return [
            Route("/projects", self.projects, methods=["GET"]),
            Route("/projects", self.create_project, methods=["POST"]),
            Route("/projects/roles", self.roles),
            Route("/projects/rights", self.rights),
            Route("/projects/{project}", self.project),
            Route("/projects/{project}/users", self.project_users),
            Route(f"{member}/roles", self.user_roles),
            Route(f"{member}/rights", self.user_rights),
            Route("/projects/{project}/role/{role}/user/{user}", self.add_role, methods=["POST"]),
            Route("/projects/{project}/user/{user}/rolemapping", self.change_role, methods=["PUT", "DELETE"]),
            Route("/projects/{project}/software-mappings", self.software, methods=["GET", "POST", "DELETE"]),
            Route("/users", self.users),
            Route("/users/current", self.current_user),
            Route("/users/username/{name}", self.user_by_name),
            Route("/users/{user}", self.user),
            Route("/users/{user}/projects", self.user_projects),
            Route("/users/{user}/rights", self.all_user_rights),
        ]


def _role(name: str) -> dict[str, Any]:
    return {"id": ROLE_IDS[name], "name": name}


def _rights(role: str, project: ProjectRecord) -> list[dict[str, Any]]:
    return [{"claim_key": key, "claim_value": value, "project_id": project.id} for key, value in RIGHTS[role]]


def _software_ids(body: Any) -> list[str]:
    """Return DAG ids from a list of ``{software_uuid}`` (or of strings); 422 for other bodies."""
    items = body if isinstance(body, list) else [body]
    found = [item.get("software_uuid") if isinstance(item, dict) else item for item in items]
    if not found or not all(isinstance(item, str) and 0 < len(item) <= 72 for item in found):
        raise error(422, "expected a list of objects with software_uuid, at most 72 characters each")
    return [str(item) for item in found]
