"""A small client of the Kubernetes REST API: objects are plain dictionaries.

Used by the host, by the platform's control plane tests and, inside the Airflow container, by the operators.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.kube.access import ClusterAccess
from harness.kube.errors import ApiError, Forbidden, NotFound, api_error
from harness.kube.kinds import BY_NAME, Kind, kind_named
from harness.kube.manifest import Manifest
from harness.kube.merging import merge
from harness.kube.transport import ANSWER_S, HttpTransport, Request, Transport
from harness.kube.watching import Watch

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
        transport: sends the requests, instead of the arguments about the server.

    All methods raise :class:`harness.kube.errors.ApiError` or one of its subclasses. An object may be used by
    many threads, and by a process that was forked after it was made.
    """

    def __init__(
        self,
        url: str = "",
        *,
        token: str | None = None,
        ca_file: str | None = None,
        tls: ssl.SSLContext | None = None,
        reconnect_s: float = 0.0,
        transport: Transport | None = None,
    ) -> None:
        self._transport = transport or HttpTransport(url, token=token, ca_file=ca_file, tls=tls)
        self._reconnect_s = reconnect_s
        self._discovered: dict[tuple[str, str], Kind] = {}

    @classmethod
    def in_cluster(cls) -> KubeApi:
        """Return the API server of the pod that this process runs in.

        Raises:
            Unavailable: the pod has no service account, or this is not a pod.
        """
        return cls(transport=HttpTransport.in_cluster())

    @classmethod
    def from_access(cls, access: ClusterAccess, *, reconnect_s: float = 0.0) -> KubeApi:
        """Return the API server of a context of a kubeconfig."""
        return cls(transport=HttpTransport.from_access(access), reconnect_s=reconnect_s)

    @property
    def url(self) -> str:
        """The server's address."""
        return self._transport.url

    def with_token(self, token: str | None) -> KubeApi:
        """Return a client of the same server with another token; ``None``: with none."""
        return KubeApi(transport=self._transport.with_token(token), reconnect_s=self._reconnect_s)

    def get(self, kind: str, namespace: str | None, name: str) -> Manifest:
        """Return one object."""
        return self._json("GET", kind_named(kind).path(namespace, name))

    def list(
        self, kind: str, namespace: str | None = None, *, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return all objects of a kind, in one namespace or in all, that carry these labels."""
        entry = kind_named(kind)
        parts = self._parts(entry, namespace)
        if parts is None:
            return [*self._list(entry, namespace, labels)]
        found: list[Manifest] = []
        for part in parts:
            try:
                found += self._list(entry, part, labels)
            except (NotFound, Forbidden):
                # it is just being removed, and the right to look into it went first
                continue
        return found

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; its namespace is that of its metadata."""
        kind, namespace, _ = self._place(manifest)
        return self._json("POST", kind.path(namespace), body=manifest)

    def apply(self, manifest: Manifest, *, field_manager: str = "kaapana-harness") -> Manifest:
        """Create or change an object (server-side apply, conflicts are overruled)."""
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
        """Request the deletion of an object and of its dependents. A pod is gone when its containers are.

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
        continues where it was; when the server has forgotten that version, what changed since is found by a list.

        Where the transport has each namespace asked by itself it also ends when there is another one: begun again it
        yields what is in that, too.
        """
        entry = kind_named(kind)
        parts = self._parts(entry, namespace)
        if parts is None:
            yield from self._watch(entry, namespace, name, labels, since, timeout_s)
            return
        if since:
            raise ValueError("versions of several namespaces cannot be compared")

        def watch(part: str, since: str, seconds: float) -> Iterator[tuple[str, Manifest]]:
            return self._watch(entry, part, name, labels, since, seconds)

        yield from merge(watch, parts, lambda: self._parts(entry, None), timeout_s=timeout_s)

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
        request = Request("GET", path, query, read_timeout=None if follow else ANSWER_S)
        yield from self._transport.stream(request, longest=_LONGEST_LINE)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_s: float = ANSWER_S,
    ) -> Manifest:
        """Send any other JSON request to the same server; an empty answer is an empty object."""
        return self._transport.send(Request(method, path, query or {}, body, read_timeout=timeout_s))

    # -- how verbs become requests -----------------------------------------------------------------------

    def _place(self, manifest: Manifest) -> tuple[Kind, str | None, str | None]:
        """Return the kind, namespace and name of an object to write."""
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

    def _parts(self, kind: Kind, namespace: str | None) -> Sequence[str] | None:
        """Return the namespaces to ask one after the other; ``None``: one request will do."""
        parts = self._transport.namespaces() if namespace is None and kind.namespaced else None
        return None if parts is None else [*parts]

    def _list(self, kind: Kind, namespace: str | None, labels: Mapping[str, str] | None) -> Sequence[Manifest]:
        return _complete(self._json("GET", kind.path(namespace), query=_selector(labels)), kind)

    def _watch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str | None,
        labels: Mapping[str, str] | None,
        since: str,
        timeout_s: float,
    ) -> Iterator[tuple[str, Manifest]]:
        path = kind.path(namespace)
        query = _selector(labels)
        if name:
            query["fieldSelector"] = f"metadata.name={name}"

        def lines(query: Mapping[str, str], seconds: float) -> Iterator[str]:
            return self._transport.stream(Request("GET", path, query, read_timeout=seconds + _WATCH_GRACE_S))

        def list_all(query: Mapping[str, str]) -> Manifest:
            answer = self._json("GET", path, query=query)
            answer["items"] = _complete(answer, kind)
            return answer

        watch = Watch(lines, list_all, query, since=since, timeout_s=timeout_s, reconnect_s=self._reconnect_s)
        yield from watch.changes()

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Manifest:
        return self._transport.send(Request(method, path, query or {}, body, content_type))


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
