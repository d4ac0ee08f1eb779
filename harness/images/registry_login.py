"""Log in to a registry as its specification has it: HTTP basic, or a token that another server gives out.

The user's name and password are those that ``docker login`` has left, in its configuration or in a credential helper.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator

import httpx

from harness.redaction import REDACTOR

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


def credentials(host: str) -> tuple[str, str] | None:
    """Name and password of this user for a registry, or ``None``; the password shows in no text of the harness.

    Args:
        host: as it is written in references, ``registry.site:5000``.
    """
    import docker.auth
    import docker.errors

    try:
        found = docker.auth.load_config().resolve_authconfig(host) or {}
    except docker.errors.DockerException:
        # a credential helper that fails: the registry will say whether it needs a login
        return None
    known = {str(key).lower(): str(value) for key, value in found.items() if value}
    if "username" not in known or "password" not in known:
        return None
    REDACTOR.add_login(known["username"], known["password"])
    return known["username"], known["password"]


class RegistryLogin(httpx.Auth):
    """Answers the challenge of a registry, and goes on with what worked as long as it works.

    Args:
        host: of the registry, as it is written in references.
    """

    requires_response_body = True

    def __init__(self, host: str) -> None:
        self._host = host
        self._header = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See :class:`httpx.Auth`."""
        if self._header:
            request.headers["Authorization"] = self._header
        response = yield request
        if response.status_code != 401:
            return
        scheme, _, rest = response.headers.get("www-authenticate", "").partition(" ")
        login = credentials(self._host)
        basic = "Basic " + base64.b64encode(":".join(login).encode()).decode("ascii") if login else ""
        if scheme.lower() == "basic" and basic:
            self._header = basic
        elif scheme.lower() == "bearer":
            challenge = dict(_CHALLENGE.findall(rest))
            query = {key: challenge[key] for key in ("service", "scope") if key in challenge}
            # also without a login: that is how a public repository is read
            headers = {"Authorization": basic} if basic else {}
            answer = yield httpx.Request("GET", challenge.get("realm", ""), params=query, headers=headers)
            if answer.status_code != 200:
                return
            given = answer.json()
            self._header = f"Bearer {given.get('token') or given.get('access_token')}"
        else:
            return
        request.headers["Authorization"] = self._header
        yield request
