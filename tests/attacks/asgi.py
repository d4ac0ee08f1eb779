"""Requests to an application without a server between."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp


class Caller:
    """Asks an application; what it raises is raised here.

    Args:
        app: the application.
        headers: sent with every request.
    """

    def __init__(self, app: ASGIApp, headers: dict[str, str] | None = None) -> None:
        self._app = app
        self._headers = headers or {}

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send one request."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=self._headers) as client:
                return await client.request(method, path, **arguments)

        return asyncio.run(ask())
