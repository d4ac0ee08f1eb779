"""The notification service: receivers and notifications (services 12.2)."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.incluster.services.access.directory import Directory
from harness.incluster.services.records import Records, RecordTable
from harness.incluster.services.web import error, read_object, text_field

_LIMIT = 1 << 20


class Notifications:
    """Routes of the service; everything sent is kept for the tests to look at."""

    def __init__(self, directory: Directory, records: Records | None = None) -> None:
        self._directory = directory
        self._records = records = records or Records()
        self._sent: RecordTable[dict[str, Any]] = RecordTable(records, "notifications")

    def sent(self, project_id: str | None = None) -> list[dict[str, Any]]:
        """Return the notifications (of a project), oldest first; ``project_id`` is the call's key, or null."""
        return [item for item in self._sent.values() if project_id in {None, item["project_id"]}]

    def forget_project(self, project_id: str) -> None:
        """Drop the notifications of a project."""
        with self._records.transaction():
            for item in self.sent():
                if item["project_id"] == project_id:
                    self._sent.remove(item["id"])

    def _receivers(self, key: str) -> list[str]:
        """Return the ids of the non-system users of a project.

        The service asks AII by UUID: with the project's name AII answers 422, which becomes a 502 here.
        """
        try:
            uuid.UUID(key)
        except ValueError:
            raise error(502, f"AII failed: project_id must be a UUID, got {key!r}") from None
        project = self._directory.project(key)
        if project is None:
            raise error(502, f"AII failed: there is no project {key}")
        return [user.id for user in self._directory.members(project.id) if not user.system]

    async def to_project(self, request: Request) -> Response:
        """POST /v1/{project_id}: 404 if the project has no users, 502 if AII fails."""
        body, key = await read_object(request, _LIMIT), request.path_params["project"]
        receivers = self._receivers(key)
        if not receivers:
            raise error(404, "No users found in the project")
        return self._send(body, receivers, key)

    async def to_user(self, request: Request) -> Response:
        """POST /v1/{project_id}/{user_id}: 404 if the user is not in the project."""
        body, key = await read_object(request, _LIMIT), request.path_params["project"]
        user = request.path_params["user"]
        if user not in self._receivers(key):
            raise error(404, "User not found in the project")
        return self._send(body, [user], key)

    async def to_users(self, request: Request) -> Response:
        """POST /v1/ with ``receivers``: 404 for unknown users."""
        body = await read_object(request, _LIMIT)
        receivers = body.get("receivers")
        if not isinstance(receivers, list) or not all(isinstance(item, str) for item in receivers):
            raise error(422, "receivers must be a list of user ids")
        unknown = [item for item in receivers if self._directory.user(item) is None]
        if unknown:
            raise error(404, f"Users not found: {', '.join(unknown)}")
        return self._send(body, receivers, None)

    def _send(self, body: dict[str, Any], receivers: list[str], project_id: str | None) -> Response:
        notification: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat(),
            "topic": text_field(body, "topic", required=False) or None,
            "title": text_field(body, "title"),
            "description": text_field(body, "description"),
            "icon": text_field(body, "icon", required=False) or None,
            "link": text_field(body, "link", required=False) or None,
            "receivers": receivers,
            # spelled like this on the platform
            "receviers_read": {},
        }
        self._sent.put(notification["id"], {**notification, "project_id": project_id})
        return JSONResponse(notification)

    async def mine(self, request: Request) -> Response:
        """GET /v1/: of the user in ``x-forwarded-user``."""
        user = request.headers.get("x-forwarded-user")
        return JSONResponse([item for item in self.sent() if user in item["receivers"]])

    async def read(self, request: Request) -> Response:
        """PUT /v1/{id}/read."""
        user = request.headers.get("x-forwarded-user", "")
        for item in self.sent():
            if item["id"] == request.path_params["id"] and user in item["receivers"]:
                now = datetime.datetime.now(datetime.timezone.utc).isoformat()
                item = {**item, "receviers_read": {**item["receviers_read"], user: now}}
                self._sent.put(item["id"], item)
                return JSONResponse(item)
        raise error(404, "Notification not found")

    def routes(self) -> list[Route]:
        """Return all paths, without the prefix ``/notifications``."""
        return [
            Route("/v1/", self.mine, methods=["GET"]),
            Route("/v1/", self.to_users, methods=["POST"]),
            Route("/v1", self.to_users, methods=["POST"]),
            Route("/v1/{id}/read", self.read, methods=["PUT"]),
            Route("/v1/{project}", self.to_project, methods=["POST"]),
            Route("/v1/{project}/{user}", self.to_user, methods=["POST"]),
        ]
