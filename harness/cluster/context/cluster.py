"""An environment on a cluster of the user's kubeconfig, seen from the host."""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cluster import ledger
from harness.cluster.context import access as contexts
from harness.cluster.context import leftovers, preflight, probe
from harness.cluster.context.forwarding import Forwarders
from harness.cluster.context.images import RegistryImages, delete_own
from harness.cluster.context.transport import ContextTransport
from harness.cluster.kubeconfig import KubeconfigError
from harness.common.progress import OnProgress, quiet
from harness.common.redaction import REDACTOR
from harness.engine import connect, logins
from harness.errors import HarnessError, PlatformError
from harness.kube import ApiError, KubeApi, scope_names
from harness.kube.pullsecrets import Login
from harness.kube.transport import HttpTransport
from harness.settings.clusters import ClusterSettings
from harness.wire.annotations import ANNOTATION_OWNER, ANNOTATION_STARTED
from harness.wire.names import SERVICES_NAMESPACE

if TYPE_CHECKING:
    import docker

    from harness.kube.access import ClusterAccess

# as for kind: an API server that is started again is back after some seconds
_RECONNECT_S = 60.0


class ContextCluster:
    """An environment's part of a shared cluster. Made by :meth:`create` or :meth:`adopt`.

    Attributes:
        adopted: it was left running by an earlier process.
    """

    volume_node = ""

    def __init__(
        self,
        client: docker.DockerClient,
        entry: ledger.Entry,
        access: ClusterAccess,
        *,
        settings: ClusterSettings,
        adopted: bool,
    ) -> None:
        self.name = entry.cluster
        self.environment_id = entry.id
        self.adopted = adopted
        self.registry = f"{settings.context_registry}/{scope_names.prefix_of(entry.id).rstrip('-')}"
        self.push_address = self.registry
        self._transport = ContextTransport(
            HttpTransport.from_access(access),
            entry.id,
            annotations={ANNOTATION_OWNER: entry.owner, ANNOTATION_STARTED: entry.started},
            storage_class=settings.context_storage_class,
            pull_config=_pull_config(settings.context_registry),
        )
        self.api = KubeApi(transport=self._transport, reconnect_s=_RECONNECT_S)
        self._state = settings.state
        self._start_timeout_s = settings.start_timeout
        self._client = client
        self._images = RegistryImages(client, settings.context_registry, self.registry, f"kh-{entry.id}/node")
        REDACTOR.add_given(access.token or "")
        self._forwarders = Forwarders(self.api, access)
        self._addresses: dict[tuple[str, str, int], tuple[str, int]] = {}
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def create(
        cls,
        settings: ClusterSettings,
        environment_id: str,
        spec: str,
        *,
        images: Iterable[str] = (),
        on_progress: OnProgress = quiet,
    ) -> ContextCluster:
        """Examine the cluster and make the environment's first namespace on it.

        Args:
            settings: where the ledger is, and the registry.
            environment_id: part of all names.
            spec: ``context:NAME``.
            images: tags in the engine; they are pushed at once.
            on_progress: gets a line for every step.

        Raises:
            UsageError: there is no such context.
            PlatformError: the cluster lacks something; the environment was removed.
        """
        context = contexts.parse_context(spec)
        access, path = contexts.find(context)
        preflight.require(
            KubeApi.from_access(access),
            context,
            registry=settings.context_registry,
            storage_class=settings.context_storage_class,
        )
        client = connect()
        try:
            entry = ledger.new_entry(environment_id, spec, url=access.url, kubeconfig=str(path.absolute()))
            cluster = cls(client, entry, access, settings=settings, adopted=False)
            with ledger.record_while(settings.state, entry, cluster.close):
                cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SERVICES_NAMESPACE}})
                wanted = list(images)
                if wanted:
                    on_progress(f"pushing {len(wanted)} images to {settings.context_registry}")
                    cluster.provide_images({tag: tag for tag in wanted})
                    probe.pull(cluster.api, _smallest(client, wanted), timeout_s=settings.start_timeout)
        except BaseException:
            client.close()
            raise
        return cluster

    @classmethod
    def adopt(cls, settings: ClusterSettings, environment_id: str) -> ContextCluster | None:
        """Return the environment that was kept and is still there, or ``None``."""
        entry = ledger.find(settings.state, environment_id)
        if entry is None or not entry.kept or not settings.context_registry:
            return None
        try:
            access = contexts.load_context(entry.kubeconfig, contexts.parse_context(entry.cluster))
            KubeApi.from_access(access).request("GET", "/version", timeout_s=10)
        except (KubeconfigError, ApiError):
            return None
        if not leftovers.is_reachable(entry):
            return None
        return cls(connect(), entry, access, settings=settings, adopted=True)

    def wait_until_usable(self, *, names: bool = True) -> None:
        """See :class:`harness.cluster.base.Cluster`; the preflight has seen that it is."""

    def serve_registry(self, name: str, prefix: str, login: Login | None, *, open_to_all: bool = False) -> None:
        """See :class:`harness.cluster.base.Cluster`; nodes get such images under their name in the user's registry."""
        if name != self.registry:
            self._images.served[name] = prefix

    def make_volume_folders(self, names: Iterable[str]) -> dict[str, str]:
        """See :class:`harness.cluster.base.Cluster`."""
        return {}

    def provide_images(self, images: Mapping[str, str], commands: Mapping[str, Sequence[str]] | None = None) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        self._transport.note_images(self._images.provide(images, commands or {}))

    def import_images(self, images: Mapping[str, str]) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        self.provide_images(images)

    def import_archive(self, archive: Path) -> list[str]:
        """See :class:`harness.cluster.base.Cluster`."""
        found = self._images.import_archive(archive)
        self._transport.note_images(found)
        return sorted(found)

    def withdraw_images(self, references: Iterable[str]) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        references = list(references)
        self._transport.note_images(self._images.current(references), withdrawn=references)

    def node_images(self) -> list[str]:
        """See :class:`harness.cluster.base.Cluster`; here those of the environment, the nodes being others', too."""
        return sorted(self._transport.scope().images)

    def address(self, namespace: str, service: str, port: int) -> tuple[str, int]:
        """See :class:`harness.cluster.base.Cluster`."""
        with self._lock:
            key = (namespace, service, port)
            if key not in self._addresses:
                found = self._service(namespace, service, port)
                physical = scope_names.cluster_namespace(self._transport.prefix, namespace)
                self._addresses[key] = self._forwarders.open(found, port, physical)
            return self._addresses[key]

    def _service(self, namespace: str, service: str, port: int) -> dict[str, Any]:
        """Return the Service, once it exists and has this port."""
        limit = self._start_timeout_s
        what = f"port {port} of Service {namespace}/{service}"
        for change, manifest in self.api.watch("Service", namespace, name=service, timeout_s=limit):
            if change == "DELETED":
                continue
            ports = [entry["port"] for entry in manifest["spec"].get("ports") or ()]
            if port in ports:
                return manifest
            raise PlatformError(f"{what} cannot be reached from this process", last_seen=f"ports {ports}")
        raise PlatformError(f"{what} got no address within {limit:g} s", last_seen="the Service does not exist")

    def shell(self, namespace: str, pod: str) -> str:
        """See :class:`harness.cluster.base.Cluster`."""
        physical = scope_names.cluster_namespace(self._transport.prefix, namespace)
        context = contexts.parse_context(self.name)
        return f"kubectl --context {context} exec -it -n {physical} {pod} -- sh"

    def trouble(self) -> str:
        """See :class:`harness.cluster.base.Cluster`; nodes that are not ready are others' concern, too."""
        try:
            found = leftovers.list_namespaces(self._transport.raw, self.environment_id)
        except ApiError as error:
            return f"the API server of {self.name} does not answer: {error}"
        gone = [entry["metadata"]["name"] for entry in found if entry["metadata"].get("deletionTimestamp")]
        services = scope_names.cluster_namespace(self._transport.prefix, SERVICES_NAMESPACE)
        if services in gone or not any(entry["metadata"]["name"] == services for entry in found):
            return f"another process has removed the namespace {services} of the environment from {self.name}"
        return ""

    def keep(self) -> None:
        """Keep the environment from now on, however this process ends."""
        ledger.update(self._state, self.environment_id, kept=True)

    def close(self, *, keep: bool = False) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        if self._closed:
            return
        self._closed = True
        self._forwarders.close()
        try:
            if keep:
                self.keep()
                return
            # only the cluster matters; some registries cannot delete images
            with contextlib.suppress(ApiError, HarnessError):
                own = f"{self.registry}/"
                pushed = [to for to in self._transport.scope().images.values() if to.startswith(own)]
                delete_own(self.registry, pushed)
            leftovers.remove(self._transport.raw, self.environment_id)
            ledger.forget(self._state, self.environment_id)
        finally:
            self._client.close()


def _smallest(client: docker.DockerClient, tags: Iterable[str]) -> str:
    return min(tags, key=lambda tag: int(client.api.inspect_image(tag)["Size"]))  # type: ignore[no-untyped-call]


def _pull_config(registry: str) -> dict[str, Any]:
    """Return Docker's configuration for the nodes: the login of this user to the registry, when there is one."""
    host = registry.partition("/")[0]
    login = logins.read_credentials(host)
    if login is None:
        return {"auths": {}}
    return {"auths": {host: {"auth": base64.b64encode(":".join(login).encode()).decode("ascii")}}}
