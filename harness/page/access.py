"""Access to the page: a browser exchanges the one-time token of its address for a cookie."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN: Final = "token"


def make_policy(styles: str = "'self'") -> str:
    """Return a Content-Security-Policy: the files of this server, and nothing inline.

    Args:
        styles: sources of styles.
    """
    return (
        f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data: blob:; connect-src 'self'; "
        "frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )


_HEADERS: Final = {
    "Content-Security-Policy": make_policy(),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_METHODS: Final = frozenset({"GET", "HEAD", "POST"})
_OWN: Final = frozenset({"", "same-origin", "none"})
_USED: Final = "This address does not open the page (any more): each works once. Start `kaapana-harness page` again."
# a redirect would still count as coming from the site that has the link, which gets no cookie
_ENTRY: Final = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>kaapana-harness</title>'
    '<link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0; url=/"></head><body><p><a href="/">Open the page</a></p></body></html>'
)


class Access:
    """An application behind its door. Everything that does not come in is answered with 403.

    A request comes in when it names this server (another host's name that resolves to it does not), was not made by
    another site, and has the cookie that the one-time token is exchanged for.

    Args:
        app: the application.
        hosts: how this server is called: ``127.0.0.1:<port>``, ``localhost:<port>``.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = frozenset(f"http://{host}" for host in self._hosts)
        # cookies of one address are shared by all of its ports
        self._cookie = f"kaapana_page_{secrets.token_hex(4)}"
        self._session = secrets.token_urlsafe(32)
        self._token = secrets.token_urlsafe(32)
        self._lock = threading.Lock()

    @property
    def token(self) -> str:
        """What the address of the page ends with; it is good for one exchange."""
        return self._token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refuse(scope)
        await (self._app if refusal is None else refusal)(scope, receive, guarded)

    def _refuse(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is refused or brings the token; ``None`` lets it in."""
        headers = Headers(scope=scope)
        hosts, origin = headers.getlist("host"), headers.get("origin")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return _forbid("This is not the address of the page.")
        if origin is not None and origin not in self._origins:
            return _forbid("The request comes from another site.")
        token = QueryParams(scope["query_string"]).get(TOKEN)
        if scope["path"] == "/" and scope["method"] == "GET" and token is not None:
            return self._exchange(token)
        if headers.get("sec-fetch-site", "") not in _OWN:
            return _forbid("The request comes from another site.")
        if not self._has_session(headers):
            return _forbid("Open the address that `kaapana-harness page` has printed.")
        if scope["method"] not in _METHODS or (scope["method"] == "POST" and origin is None):
            return _forbid("The page does not send such requests.")
        return None

    def _exchange(self, token: str) -> Response:
        with self._lock:
            good = bool(self._token) and hmac.compare_digest(token.encode(), self._token.encode())
            if good:
                self._token = ""
        if not good:
            return _forbid(_USED)
        answer = HTMLResponse(_ENTRY)
        answer.set_cookie(self._cookie, self._session, httponly=True, samesite="strict", path="/")
        return answer

    def _has_session(self, headers: Headers) -> bool:
        try:
            cookies: SimpleCookie = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        given = cookies.get(self._cookie)
        return given is not None and hmac.compare_digest(given.value.encode(), self._session.encode())


def _forbid(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", 403)
