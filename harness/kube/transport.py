"""Send requests to an API server by urllib3, and decode what comes back.

A client (:class:`harness.kube.KubeApi`) has the verbs, a transport sends. One that works on another, such as
:class:`harness.kube.scope.ScopedTransport`, changes requests on their way out and answers on their way back.
"""

from __future__ import annotations

import dataclasses
import json
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import urllib3

from harness.kube.access import ClusterAccess
from harness.kube.errors import ApiError, Unavailable, api_error
from harness.kube.manifest import Manifest
from harness.wire.names import KUBE_SCHEME_VARIABLE

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CONNECT_S = 5.0
ANSWER_S = 60.0
"""How long an answer may take unless a request says so."""


@dataclasses.dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        method: ``GET``, ``POST`` ...
        path: below the server's URL, without the query.
        query: of the URL.
        body: a JSON document, or ``None``.
        content_type: of the body.
        read_timeout: seconds without an answer until it is given up; ``None``: never.
    """

    method: str
    path: str
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    read_timeout: float | None = ANSWER_S


class Transport(Protocol):
    """What a client sends its requests by. All methods raise :class:`ApiError` or one of its subclasses."""

    @property
    def url(self) -> str:
        """The server's address, for messages."""

    def send(self, request: Request) -> Manifest:
        """Return the JSON object that a request is answered with; an empty answer is an empty object."""

    def stream(self, request: Request, *, longest: int | None = None) -> Iterator[str]:
        """Yield the lines of an answer as they come. Closing the iterator closes the connection.

        Args:
            request: with the method ``GET``.
            longest: bytes after which a line is broken in two.
        """

    def namespaces(self) -> Sequence[str] | None:
        """Return the namespaces that are asked one after the other for the objects in all namespaces.

        ``None``: one request covers all.
        """

    def with_token(self, token: str | None) -> Transport:
        """Return a transport to the same server with another token; ``None``: with none."""


class HttpTransport:
    """Sends requests unchanged.

    Args:
        url: e.g. ``http://127.0.0.1:40123``.
        token: bearer token.
        ca_file: PEM file that the server's certificate is checked against.
        authority: PEM text of the same.
        tls: certificates of both sides, instead of these two.
        token_file: file with the token, read again for each request.

    An object may be used by many threads, and by a process that was forked after it was made.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca_file: str | None = None,
        authority: str = "",
        tls: ssl.SSLContext | None = None,
        token_file: Path | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._token_file = token_file
        self._ca_file = ca_file
        self._authority = authority
        self._tls = tls
        self._pool: urllib3.PoolManager | None = None
        self._pool_pid = 0

    @classmethod
    def in_cluster(cls) -> HttpTransport:
        """Return a transport to the API server of the pod that this process runs in.

        Raises:
            Unavailable: the pod has no service account, or this is not a pod.
        """
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
        token_file = _SERVICE_ACCOUNT / "token"
        if not host or not port or not token_file.is_file():
            raise Unavailable(0, "NotInCluster", "no service account: KUBERNETES_SERVICE_HOST or its token is missing")
        scheme = os.environ.get(KUBE_SCHEME_VARIABLE, "https")
        ca_file = str(_SERVICE_ACCOUNT / "ca.crt") if scheme == "https" else None
        # the file, because a cluster replaces the token of a long-lived pod in place
        return cls(f"{scheme}://{host}:{port}", ca_file=ca_file, token_file=token_file)

    @classmethod
    def from_access(cls, access: ClusterAccess) -> HttpTransport:
        """Return a transport to the API server of a context of a kubeconfig."""
        return cls(
            access.url,
            token=access.token or None,
            tls=access.tls,
            authority=access.authority,
            token_file=access.token_file,
        )

    def with_token(self, token: str | None) -> HttpTransport:
        """See :class:`Transport`; without a client certificate, which would authenticate too."""
        return HttpTransport(self.url, token=token, ca_file=self._ca_file, authority=self._authority)

    def namespaces(self) -> None:
        """See :class:`Transport`."""

    def send(self, request: Request) -> Manifest:
        """See :class:`Transport`."""
        response = self._request(request, stream=False)
        return _decode(response.status, response.data) or {}

    def stream(self, request: Request, *, longest: int | None = None) -> Iterator[str]:
        """See :class:`Transport`."""
        response = self._request(request, stream=True)
        try:
            if response.status >= 300:
                _decode(response.status, response.read())
            rest = b""
            for chunk in response.stream(1 << 16):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    for piece in _pieces(line, longest):
                        yield piece.decode("utf-8", "replace")
                if longest and len(rest) >= longest:
                    *pieces, rest = _pieces(rest, longest)
                    for piece in pieces:
                        yield piece.decode("utf-8", "replace")
            if rest:
                yield rest.decode("utf-8", "replace")
        except urllib3.exceptions.HTTPError as error:
            raise self._unavailable(request, error) from error
        finally:
            # without this an abandoned stream would go back to the pool half read
            response.close()

    def _connections(self) -> urllib3.PoolManager:
        # a forked child must not write into its parent's connections
        if self._pool is None or self._pool_pid != os.getpid():
            patience = urllib3.Timeout(connect=_CONNECT_S, read=ANSWER_S)
            trust: dict[str, Any] = {}
            if self._tls:
                trust["ssl_context"] = self._tls
            elif self._ca_file:
                trust["ca_certs"] = self._ca_file
            elif self._authority:
                trust["ca_cert_data"] = self._authority
            self._pool = urllib3.PoolManager(num_pools=2, maxsize=16, retries=False, timeout=patience, **trust)
            self._pool_pid = os.getpid()
        return self._pool

    def _request(self, request: Request, *, stream: bool) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json"}
        token = self._token_file.read_text("ascii").strip() if self._token_file else self._token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None
        if request.body is not None:
            data = json.dumps(request.body).encode()
            headers["Content-Type"] = request.content_type
        try:
            return self._connections().request(
                request.method,
                self.url + request.path + (f"?{urlencode(request.query)}" if request.query else ""),
                body=data,
                headers=headers,
                preload_content=not stream,
                timeout=urllib3.Timeout(connect=_CONNECT_S, read=request.read_timeout),
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._unavailable(request, error) from error

    def _unavailable(self, request: Request, error: Exception) -> Unavailable:
        message = f"{self.url} does not answer {request.method} {request.path}: {error}"
        return Unavailable(0, "Unavailable", message)


def _pieces(line: bytes, longest: int | None) -> list[bytes]:
    """Return a line in parts of at most so many bytes; an empty line is one part."""
    if not longest or len(line) <= longest:
        return [line]
    return [line[start : start + longest] for start in range(0, len(line), longest)]


def _decode(status: int, data: bytes) -> Any:
    try:
        answer = json.loads(data) if data else None
    except ValueError:
        text = data[:200].decode("utf-8", "replace")
        raise ApiError(status, "NotKubernetes", f"the answer is not JSON: {text!r}") from None
    if status >= 300:
        raise _status_error(status, answer)
    return answer


def _status_error(status: int, answer: Any) -> ApiError:
    details = answer if isinstance(answer, dict) else {}
    return api_error(status, details.get("reason") or "Unknown", details.get("message") or f"HTTP {status}")
