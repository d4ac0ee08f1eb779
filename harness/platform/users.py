"""The users of projects: their tokens, and their requests as the platform's ingress passes them on (services 2.4)."""

from __future__ import annotations

import json
import time
from typing import Any, Protocol

from harness.platform.http import Endpoint
from harness.wire import names


class ProjectLike(Protocol):
    """What requests on behalf of a project need of it."""

    @property
    def name(self) -> str: ...

    @property
    def record(self) -> dict[str, Any]: ...

    @property
    def user(self) -> str: ...

    @property
    def password(self) -> str: ...


class Users:
    """Log users in, and keep their tokens as long as they are valid.

    Args:
        identity: of Keycloak; :meth:`close` closes it.
        client_secret: of the OIDC client.
    """

    def __init__(self, identity: Endpoint, client_secret: str) -> None:
        self._identity = identity
        self._client_secret = client_secret
        self._tokens: dict[str, tuple[str, float]] = {}

    def close(self) -> None:
        """Close the connection."""
        self._identity.close()

    def headers(self, project: ProjectLike) -> dict[str, str]:
        """Return the headers that the ingress adds to a request of the project's user.

        Raises:
            PlatformError: the user cannot log in.
        """
        return {
            "x-forwarded-preferred-username": project.user,
            "x-forwarded-access-token": self._token(project),
        }

    def headers_in_project(self, project: ProjectLike) -> dict[str, str]:
        """Return the headers of a request of the project's user who has chosen the project on the page.

        Raises:
            PlatformError: the user cannot log in.
        """
        return {"Project": json.dumps(project.record), **self.headers(project)}

    def _token(self, project: ProjectLike) -> str:
        token, until = self._tokens.get(project.user, ("", 0.0))
        if time.monotonic() < until:
            return token
        form = {
            "username": project.user,
            "password": project.password,
            "client_id": names.OIDC_CLIENT_ID,
            "client_secret": self._client_secret,
            "grant_type": "password",
        }
        path = f"/auth/realms/{names.REALM}/protocol/openid-connect/token"
        answer = self._identity.json("POST", path, form=form)
        token = str(answer["access_token"])
        # half of its life: a token must not end while a request is under way
        self._tokens[project.user] = (token, time.monotonic() + float(answer.get("expires_in", 60)) / 2)
        return token
