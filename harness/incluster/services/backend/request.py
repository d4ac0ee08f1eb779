"""Read requests of the backend: the project, the body, the user."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from harness.incluster.services.access.directory import Directory, ProjectRecord
from harness.incluster.services.identity.jwt import TokenError
from harness.incluster.services.identity.routes import Identity, bearer
from harness.incluster.services.web import error, escape_html, read_json
from harness.kube import jsontext


class RequestReader:
    """Reads the parts of requests that all routes share.

    Args:
        json_bytes: the longest body that is read.
        software_mapping: whether projects have lists of their DAGs (services 20: not in 0.4).
    """

    def __init__(
        self, identity: Identity, directory: Directory, json_bytes: int, *, software_mapping: bool = True
    ) -> None:
        self._identity = identity
        self._directory = directory
        self._json_bytes = json_bytes
        self._software_mapping = software_mapping

    def project(self, request: Request) -> ProjectRecord:
        """Return the project of the header ``Project`` (a JSON object); missing is a 500 as on the platform."""
        header = request.headers.get("project")
        if header is None:
            raise error(500, "the header 'Project' (JSON of the project) is missing")
        try:
            key = jsontext.parse(header)
            key = str(key.get("id") or key["name"])
        except (ValueError, KeyError, AttributeError):
            raise error(500, "the header 'Project' is not the JSON of a project") from None
        project = self._directory.project(key)
        if project is None:
            raise error(404, f"Project not found: {key!r}")
        return project

    async def body(self, request: Request) -> dict[str, Any]:
        """Return the JSON body with every string HTML-escaped; {} without a body."""
        body = escape_html(await read_json(request, self._json_bytes))
        if body is None:
            return {}
        if not isinstance(body, dict):
            raise error(422, "the body must be a JSON object")
        return body

    def allows(self, project: ProjectRecord, dag_id: str) -> bool:
        """Return whether the project may start the DAG."""
        return not self._software_mapping or dag_id in self._directory.software(project.id)

    def is_admin(self, request: Request) -> bool:
        """Return whether a realm admin asks; 401 for a token that is not valid."""
        token = request.headers.get("x-forwarded-access-token") or bearer(request)
        if token is None:
            return False
        try:
            return "admin" in self._identity.verify(token)["realm_access"]["roles"]
        except TokenError as problem:
            raise error(401, str(problem)) from None


def whole_number(text: str | None, default: int) -> int:
    """Return a query parameter; 422 when it is not a whole number."""
    try:
        number = int(text) if text else default
    except ValueError:
        raise error(422, f"expected a whole number, got {(text or '')[:80]!r}") from None
    if abs(number) >= 1 << 63:
        raise error(422, f"expected a whole number that a database takes, got {text!r}")
    return number
