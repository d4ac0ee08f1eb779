"""What the HTTP clients of the platform share: one connection pool, and errors in an author's terms."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from harness.errors import PlatformError

_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
# all is plain HTTP; loading certificates would take longer than the first request
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class RefusalError(PlatformError):
    """A service of the platform answers, but refuses a request: its answer is 4xx or 5xx.

    Args:
        service: for messages, e.g. ``Airflow``.
        status: the HTTP status.
        detail: the answer's ``detail``, ``error`` or ``message``, otherwise its text.
    """

    def __init__(self, service: str, status: int, detail: str) -> None:
        super().__init__(f"{service} refused a request: {detail}", last_seen=f"HTTP {status}")
        self.status = status
        self.detail = detail


class Endpoint:
    """One port of one service. The requests carry the service's own DNS name as ``Host``.

    Args:
        name: for messages, e.g. ``Airflow``.
        address: host and port as reachable from this process.
        host: value of the Host header, by which the stand-ins are distinguished.
        headers: sent with every request.
    """

    def __init__(
        self,
        name: str,
        address: tuple[str, int],
        *,
        host: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.base = f"http://{address[0]}:{address[1]}"
        all_headers = dict(headers or {})
        if host:
            all_headers["Host"] = host
        # a proxy of the environment must not get requests that stay on this machine
        self._client = httpx.Client(
            base_url=self.base, headers=all_headers, timeout=_TIMEOUT, trust_env=False, verify=_NO_CERTIFICATES
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: bytes | Iterator[bytes] | None = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Send one request.

        Raises:
            RefusalError: the answer is 4xx or 5xx.
            PlatformError: there is no answer.
        """
        arguments: dict[str, Any] = {"params": params, "headers": dict(headers or {})}
        if body is not None:
            arguments["json"] = body
        if content is not None:
            arguments["content"] = content
        if form is not None:
            arguments["data"] = dict(form)
        if timeout_s is not None:
            arguments["timeout"] = httpx.Timeout(timeout_s, connect=5.0)
        try:
            response = self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise self._describe_loss(method, path, error) from error
        if response.status_code >= 400:
            raise RefusalError(self.name, response.status_code, _detail(response.text))
        return response

    def json(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request as :meth:`request` does; return the decoded answer, ``None`` when it is empty."""
        response = self.request(method, path, **arguments)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise PlatformError(
                f"{self.name} answers {method} {path} with something that is not JSON",
                last_seen=response.text[:400],
            ) from None

    @contextmanager
    def lines(self, path: str, *, read_timeout_s: float | None = None) -> Iterator[Iterator[str]]:
        """Yield the lines of a streamed answer."""
        timeout = httpx.Timeout(read_timeout_s, connect=5.0)
        try:
            with self._client.stream("GET", path, timeout=timeout) as response:
                if response.status_code >= 400:
                    raise RefusalError(
                        self.name, response.status_code, _detail(response.read().decode("utf-8", "replace"))
                    )
                yield response.iter_lines()
        except httpx.HTTPError as error:
            raise self._describe_loss("GET", path, error) from error

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _describe_loss(self, method: str, path: str, error: Exception) -> PlatformError:
        return PlatformError(
            f"{self.name} at {self.base} does not answer",
            last_seen=f"{method} {path}: {error or type(error).__name__}",
            fix="kaapana-harness status",
        )


def _detail(text: str) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        return text.strip()[:2000]
    if isinstance(document, dict):
        for key in ("detail", "error", "message"):
            if document.get(key):
                return str(document[key])
    return str(document)[:2000]
