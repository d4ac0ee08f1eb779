"""A small client of the Kubernetes REST API on urllib3: objects are plain dictionaries.

Used by the host, by the platform's control plane tests and, inside the Airflow container, by the operators.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from harness.kube.errors import ApiError, Unavailable, api_error
from harness.kube.kinds import BY_NAME, Kind, kind_named
from harness.kube.kubeconfig import Access
from harness.kube.watching import Watch

Manifest = dict[str, Any]

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CONNECT_S = 5.0
_ANSWER_S = 60.0
# a program that writes without a line break must not be collected as one line
_LONGEST_LINE = 16 * 1024
# how much later than asked for a server may end a watch before it counts as lost
_WATCH_GRACE_S = 15.0


class KubeApi:
    """One API server.

    Args:
        url: e.g. ``http://127.0.0.1:40123``.
        token: bearer token.
        ca_file: PEM file that the server's certificate is checked against.
        tls: certificates of both sides, instead of ``ca_file``.
        reconnect_s: for how long a watch bears that the server is away; 0: it ends at once.

    All methods raise :class:`harness.kube.errors.ApiError` or one of its subclasses. An object may be used by
    many threads, and by a process that was forked after it was made.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca_file: str | None = None,
        tls: ssl.SSLContext | None = None,
        reconnect_s: float = 0.0,
    ) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._token_file: Path | None = None
        self._tls: dict[str, Any] = {}
        if ca_file:
            self._tls["ca_certs"] = ca_file
        if tls:
            self._tls["ssl_context"] = tls
        self._authority = ""
        self._reconnect_s = reconnect_s
        self._pool: urllib3.PoolManager | None = None
        self._pool_pid = 0
        self._discovered: dict[tuple[str, str], Kind] = {}

    @classmethod
    def in_cluster(cls) -> KubeApi:
        """Return the API server of the pod that this process runs in.

        Raises:
            Unavailable: the pod has no service account, or this is not a pod.
        """
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
        token_file = _SERVICE_ACCOUNT / "token"
        if not host or not port or not token_file.is_file():
            raise Unavailable(0, "NotInCluster", "no service account: KUBERNETES_SERVICE_HOST or its token is missing")
        scheme = os.environ.get("KAAPANA_HARNESS_KUBE_SCHEME", "https")
        ca_file = str(_SERVICE_ACCOUNT / "ca.crt") if scheme == "https" else None
        api = cls(f"{scheme}://{host}:{port}", ca_file=ca_file)
        # read again for each request: a cluster replaces the token of a long-lived pod in place
        api._token_file = token_file
        return api

    @classmethod
    def of(cls, access: Access, *, reconnect_s: float = 0.0) -> KubeApi:
        """Return the API server of a context of a kubeconfig."""
        api = cls(access.url, token=access.token or None, tls=access.tls, reconnect_s=reconnect_s)
        api._token_file = access.token_file
        api._authority = access.authority
        return api

    def with_token(self, token: str | None) -> KubeApi:
        """Return the same server, asked as somebody else; ``None``: as nobody."""
        api = KubeApi(self.url, token=token, reconnect_s=self._reconnect_s)
        # without the certificate of a client, which would be enough to be somebody
        authority = self._tls.get("ca_certs") or self._authority
        if authority:
            api._tls["ca_certs" if "ca_certs" in self._tls else "ca_cert_data"] = authority
        return api

    def get(self, kind: str, namespace: str | None, name: str) -> Manifest:
        """Return one object."""
        return self._json("GET", kind_named(kind).path(namespace, name))

    def list(
        self, kind: str, namespace: str | None = None, *, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return all objects of a kind, in one namespace or in all, that carry these labels."""
        entry = kind_named(kind)
        answer = self._json("GET", entry.path(namespace), query=_selector(labels))
        return _complete(answer, entry)

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; its namespace is that of its metadata."""
        kind, namespace, _ = self._place(manifest)
        return self._json("POST", kind.path(namespace), body=manifest)

    def apply(self, manifest: Manifest, *, field_manager: str = "kaapana-harness") -> Manifest:
        """Create an object or change it to what is given (server-side apply, conflicts are overruled)."""
        kind, namespace, name = self._place(manifest)
        return self._json(
            "PATCH",
            kind.path(namespace, name),
            query={"fieldManager": field_manager, "force": "true"},
            body=manifest,
            content_type="application/apply-patch+yaml",
        )

    def patch(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        merge_patch: Mapping[str, Any],
        *,
        subresource: str | None = None,
    ) -> Manifest:
        """Change an object by a JSON merge patch; ``subresource="status"`` for a status."""
        path = kind_named(kind).path(namespace, name) + (f"/{subresource}" if subresource else "")
        return self._json("PATCH", path, body=merge_patch, content_type="application/merge-patch+json")

    def delete(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        *,
        grace_period_s: int | None = None,
        api_version: str = "",
    ) -> None:
        """Ask for an object's deletion, and of what belongs to it. A pod is gone when its containers are.

        Args:
            api_version: of a kind that is not in the table of kinds.
        """
        query = {"propagationPolicy": "Background"}
        if grace_period_s is not None:
            query["gracePeriodSeconds"] = str(grace_period_s)
        known = self._discover(api_version, kind) if api_version and kind not in BY_NAME else kind_named(kind)
        self._json("DELETE", known.path(namespace, name), query=query)

    def watch(
        self,
        kind: str,
        namespace: str | None,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        since: str = "",
        timeout_s: float,
    ) -> Iterator[tuple[str, Manifest]]:
        """Yield ``(ADDED | MODIFIED | DELETED, object)``: first what exists, then each change.

        With ``since``, the resource version of an object that was created or seen, only the changes after it: none
        is lost in between. A version that the server has forgotten is an :class:`ApiError` with status 410.

        Ends when the time is over. Closing the iterator closes the connection. A watch that the server ends early
        goes on where it was; when the server has forgotten that version, what changed since is found by a list.
        """
        path = kind_named(kind).path(namespace)
        query = _selector(labels)
        if name:
            query["fieldSelector"] = f"metadata.name={name}"

        def lines(query: Mapping[str, str], seconds: float) -> Iterator[str]:
            return self._lines(path, query, read_timeout=seconds + _WATCH_GRACE_S)

        def list_all(query: Mapping[str, str]) -> Manifest:
            answer = self._json("GET", path, query=query)
            answer["items"] = _complete(answer, kind_named(kind))
            return answer

        watch = Watch(lines, list_all, query, since=since, timeout_s=timeout_s, reconnect_s=self._reconnect_s)
        yield from watch.changes()

    def logs(
        self, namespace: str, pod: str, *, container: str | None = None, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        """Yield the lines of a container's output, stdout and stderr as one stream.

        Args:
            follow: until it has ended.
            tail: only so many of the last lines.
        """
        query = {"follow": "true"} if follow else {}
        if tail is not None:
            query["tailLines"] = str(tail)
        if container:
            query["container"] = container
        path = kind_named("Pod").path(namespace, pod) + "/log"
        yield from self._lines(path, query, read_timeout=None if follow else _ANSWER_S, longest=_LONGEST_LINE)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_s: float = _ANSWER_S,
    ) -> Manifest:
        """Any other JSON request to the same server; an empty answer is an empty object."""
        return self._json(method, path, query=query, body=body, timeout_s=timeout_s)

    # -- the wire ----------------------------------------------------------------------------------------

    def _place(self, manifest: Manifest) -> tuple[Kind, str | None, str | None]:
        """Return the kind, namespace and name of an object that is to be written."""
        metadata = manifest.get("metadata") or {}
        kind = BY_NAME.get(manifest.get("kind", ""))
        if kind is None or kind.api_version != manifest.get("apiVersion"):
            kind = self._discover(manifest.get("apiVersion", ""), manifest.get("kind", ""))
        namespace = (metadata.get("namespace") or "default") if kind.namespaced else None
        return kind, namespace, metadata.get("name")

    def _discover(self, api_version: str, name: str) -> Kind:
        """Ask the server for a kind that is not in the table (a custom resource)."""
        if (api_version, name) not in self._discovered:
            base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                resources = self._json("GET", base).get("resources") or []
            except ApiError as error:
                if error.status != 404:
                    raise
                resources = []
            for entry in resources:
                if entry["kind"] == name and "/" not in entry["name"]:
                    found = Kind(name, api_version, entry["name"], namespaced=entry["namespaced"])
                    self._discovered[api_version, name] = found
                    break
            else:
                raise api_error(404, "NotFound", f"this cluster has no kind {name!r} in {api_version!r}")
        return self._discovered[api_version, name]

    def _connections(self) -> urllib3.PoolManager:
        # a forked child must not write into its parent's connections
        if self._pool is None or self._pool_pid != os.getpid():
            patience = urllib3.Timeout(connect=_CONNECT_S, read=_ANSWER_S)
            self._pool = urllib3.PoolManager(num_pools=2, maxsize=16, retries=False, timeout=patience, **self._tls)
            self._pool_pid = os.getpid()
        return self._pool

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        stream: bool,
        read_timeout: float | None,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json"}
        token = self._token_file.read_text("ascii").strip() if self._token_file else self.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        url = self.url + path + (f"?{urlencode(query)}" if query else "")
        try:
            return self._connections().request(
                method,
                url,
                body=data,
                headers=headers,
                preload_content=not stream,
                timeout=urllib3.Timeout(connect=_CONNECT_S, read=read_timeout),
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._unavailable(method, path, error) from error

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float = _ANSWER_S,
    ) -> Manifest:
        response = self._send(
            method, path, query=query, body=body, content_type=content_type, stream=False, read_timeout=timeout_s
        )
        return _decode(response.status, response.data) or {}

    def _lines(
        self, path: str, query: Mapping[str, str], *, read_timeout: float | None, longest: int | None = None
    ) -> Iterator[str]:
        """Yield the lines of an answer; ``longest``: bytes after which a line is broken in two."""
        response = self._send(
            "GET", path, query=query, body=None, content_type="", stream=True, read_timeout=read_timeout
        )
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
            raise self._unavailable("GET", path, error) from error
        finally:
            # without this an abandoned stream would go back to the pool half read
            response.close()

    def _unavailable(self, method: str, path: str, error: Exception) -> Unavailable:
        return Unavailable(0, "Unavailable", f"{self.url} does not answer {method} {path}: {error}")


def _pieces(line: bytes, longest: int | None) -> list[bytes]:
    """Return a line in parts of at most so many bytes; an empty line is one part."""
    if not longest or len(line) <= longest:
        return [line]
    return [line[start : start + longest] for start in range(0, len(line), longest)]


def _complete(answer: Manifest, kind: Kind) -> list[Manifest]:
    """Return the items of a list, which leaves out what kind they are."""
    items: list[Manifest] = answer.get("items") or []
    for item in items:
        item.setdefault("kind", kind.name)
        item.setdefault("apiVersion", kind.api_version)
    return items


def _selector(labels: Mapping[str, str] | None) -> dict[str, str]:
    if not labels:
        return {}
    return {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}


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
