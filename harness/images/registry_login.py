"""Log in to a registry as its specification has it: HTTP basic, or a token that another server gives out.

The token server also takes an identity token of the user in place of name and password (OAuth 2).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator

import httpx

from harness.engine.logins import FoundLogin, StoredLogin, find_login
from harness.errors import PlatformError

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_CLIENT = "kaapana-harness"


class RegistryLogin(httpx.Auth):
    """Answers the challenge of a registry, and reuses the answer while it works.

    Args:
        host: of the registry, as in references.

    Attributes:
        found: the user's login, when the registry has wanted one.
    """

    requires_response_body = True

    def __init__(self, host: str) -> None:
        self.found = FoundLogin()
        self._host = host
        self._header = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See :class:`httpx.Auth`.

        Raises:
            PlatformError: the registry names no token server, or that one gives no token out.
        """
        if self._header:
            request.headers["Authorization"] = self._header
        response = yield request
        if response.status_code != 401:
            return
        scheme, _, rest = response.headers.get("www-authenticate", "").partition(" ")
        self.found = find_login(self._host)
        login = self.found.login
        basic = _basic(login) if login else ""
        if scheme.lower() == "basic" and basic:
            self._header = basic
        elif scheme.lower() == "bearer":
            asking = self._token_request(dict(_CHALLENGE.findall(rest)), login, basic)
            answer = yield asking
            if answer.status_code != 200:
                return
            self._header = f"Bearer {self._token_in(answer, asking)}"
        else:
            return
        request.headers["Authorization"] = self._header
        yield request

    def _token_request(self, challenge: dict[str, str], login: StoredLogin | None, basic: str) -> httpx.Request:
        """Return a token request by the registry's specification; an identity token is an OAuth 2 refresh token."""
        realm = challenge.get("realm", "")
        query: dict[str, str] = {key: challenge[key] for key in ("service", "scope") if key in challenge}
        try:
            url = httpx.URL(realm)
            if url.scheme not in {"http", "https"} or not url.host:
                raise httpx.InvalidURL("no URL of a server")
            if login and login.identity_token:
                form = {"grant_type": "refresh_token", "client_id": _CLIENT, "refresh_token": login.identity_token}
                return httpx.Request("POST", url, data={**form, **query})
            # also without a login: that is how a public repository is read
            return httpx.Request("GET", url, params=query, headers={"Authorization": basic} if basic else {})
        except httpx.InvalidURL as error:
            raise PlatformError(
                f"the registry {self._host} asks for a token from {realm!r}, which is not the URL of a server",
                last_seen=str(error),
            ) from None

    def _token_in(self, answer: httpx.Response, asking: httpx.Request) -> str:
        try:
            given = answer.json()
        except (ValueError, RecursionError):
            given = None
        token = (given.get("token") or given.get("access_token")) if isinstance(given, dict) else None
        # it becomes a header
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            server = asking.url.copy_with(query=None)
            raise PlatformError(
                f"the registry {self._host} sends for a token to {server}, whose answer to {asking.method} has none",
                last_seen=answer.text[:500],
            )
        return token


def _basic(login: StoredLogin) -> str:
    if login.identity_token:
        return ""
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode("ascii")
