"""The docker cluster, seen from the host: starts the control plane and talks to it."""

from __future__ import annotations

import contextlib
import functools
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from harness import engine
from harness.artefacts import engine_archives
from harness.cluster import ledger
from harness.cluster.docker import control_plane
from harness.cluster.docker.owner import OwnerConnection
from harness.common.redaction import REDACTOR
from harness.engine import connect, explain_stopped, find_ids, leftovers, networks, own_socket
from harness.errors import PlatformError
from harness.kube import ApiError, KubeApi
from harness.kube.pullsecrets import Login
from harness.settings.clusters import ClusterSettings
from harness.wire import control_plane_routes
from harness.wire.control_plane_orders import NodeImages, Registries, ServedRegistry
from harness.wire.names import HARNESS_REGISTRY, HARNESS_REGISTRY_PUSH, dns_name

if TYPE_CHECKING:
    import docker


class DockerCluster:
    """A cluster on the local Docker engine. Made by :meth:`create` or :meth:`adopt`.

    Attributes:
        adopted: it was left running by an earlier process.
        control_plane: name of the control plane's container.
    """

    name = "docker"
    volume_node = ""

    def __init__(
        self,
        client: docker.DockerClient,
        entry: ledger.Entry,
        *,
        state: Path,
        start_timeout_s: float,
        adopted: bool,
    ) -> None:
        self.environment_id = entry.id
        REDACTOR.add(entry.token)
        self.api = KubeApi(entry.url, token=entry.token)
        self.adopted = adopted
        self.control_plane = leftovers.name_container(entry.id)
        self._state = state
        self._start_timeout_s = start_timeout_s
        self._client = client
        self._owner: OwnerConnection | None = None
        self._registry = ""
        self._closed = False
        self._lock = threading.Lock()

    @classmethod
    def create(cls, settings: ClusterSettings, environment_id: str, *, image: str | None = None) -> DockerCluster:
        """Start a control plane and wait until it is ready.

        Args:
            settings: where the ledger is.
            environment_id: part of all names.
            image: engine image of the control plane; the harness's own by default.

        Raises:
            EngineError: no engine, or it may not be used.
            ImageError: the image cannot be obtained.
            PlatformError: the control plane did not become ready, and was removed.
        """
        import docker.errors
        import requests

        client = connect()
        try:
            if image is None:
                from harness import images

                image = images.ensure("services", settings=settings)
            entry = ledger.new_entry(environment_id, cls.name)
            token = secrets.token_urlsafe(24)

            def remove() -> None:
                control_plane.stop(client, environment_id)
                leftovers.remove(client, environment_id)

            with ledger.record_while(settings.state, entry, remove):
                # in a thread, because an interrupt must not cut off a request that creates something: the engine
                # would go on with it after everything has been removed. Leaving the block waits for its end.
                with ThreadPoolExecutor(1) as undisturbed:
                    # an executor that is interrupted while it starts its thread forgets it
                    undisturbed.submit(leftovers.make_labels, entry).result()
                    undisturbed.submit(networks.create_edge, client, entry).result()

                    def start(socket: str) -> int:
                        started = undisturbed.submit(
                            control_plane.start,
                            image,
                            entry,
                            token,
                            disk_reserve=int(settings.disk_reserve * 2**20),
                            site_network=settings.site_network,
                            mounted_socket=socket,
                        )
                        return control_plane.wait_until_ready(client, *started.result(), token=token)

                    container = leftovers.name_container(environment_id)
                    remove_container = functools.partial(leftovers.remove_container, client.api, container)
                    port = own_socket.try_candidates(start, remove_container)
                url = f"http://127.0.0.1:{port}"
                entry = ledger.update(settings.state, environment_id, url=url, token=token)
                cluster = cls(
                    client,
                    entry,
                    state=settings.state,
                    start_timeout_s=settings.start_timeout,
                    adopted=False,
                )
                cluster._owner = OwnerConnection(port, token)
        except (docker.errors.APIError, requests.RequestException) as error:
            client.close()
            raise control_plane.make_start_error(engine.read_message(error)) from None
        except BaseException:
            client.close()
            raise
        return cluster

    @classmethod
    def adopt(cls, settings: ClusterSettings, environment_id: str) -> DockerCluster | None:
        """Return the cluster of an environment that was kept and still works, or ``None``."""
        entry = ledger.find(settings.state, environment_id)
        if entry is None or not entry.kept or not entry.url:
            return None
        client = connect()
        cluster = cls(client, entry, state=settings.state, start_timeout_s=settings.start_timeout, adopted=True)
        try:
            ready = cluster.api.request("GET", control_plane_routes.READY, timeout_s=10)
        except ApiError:
            ready = {}
        if ready.get("environment") != environment_id:
            client.close()
            return None
        return cluster

    @property
    def lost(self) -> bool:
        """Whether the control plane ended unexpectedly; then the whole environment has to be removed."""
        return self._owner is not None and self._owner.lost.is_set()

    @property
    def registry(self) -> str:
        """See :class:`harness.cluster.base.Cluster`."""
        with self._lock:
            if not self._registry:
                name, namespace, port = HARNESS_REGISTRY
                # engines pull from "localhost" without TLS
                self._registry = f"localhost:{self.address(namespace, name, port)[1]}"
                self._announce()
        return self._registry

    @property
    def push_address(self) -> str:
        """See :class:`harness.cluster.base.Cluster`."""
        name, namespace, port = HARNESS_REGISTRY_PUSH
        return f"localhost:{self.address(namespace, name, port)[1]}"

    def serve_registry(self, name: str, prefix: str, login: Login | None, *, open_to_all: bool = False) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        if name != self.registry:
            own = login if login and open_to_all else Login("", "")
            self._announce(ServedRegistry(name, prefix, own.username, own.password))

    def _announce(self, *served: ServedRegistry) -> None:
        internal = f"http://{dns_name(HARNESS_REGISTRY)}:{HARNESS_REGISTRY[2]}"
        body = Registries(self._registry, internal, served).as_json()
        self.api.request("POST", control_plane_routes.REGISTRY, body=body)

    def wait_until_usable(self, *, names: bool = True) -> None:
        """See :class:`harness.cluster.base.Cluster`; it is, since its control plane answers."""

    def make_volume_folders(self, names: Iterable[str]) -> dict[str, str]:
        """See :class:`harness.cluster.base.Cluster`."""
        return {}

    def provide_images(self, images: Mapping[str, str], commands: Mapping[str, Sequence[str]] | None = None) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        own = {reference: list(command) for reference, command in (commands or {}).items()}
        self._change(NodeImages(provided=find_ids(self._client.api, images), commands=own))

    def import_images(self, images: Mapping[str, str]) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        self._change(NodeImages(imported=find_ids(self._client.api, images)))

    def import_archive(self, archive: Path) -> list[str]:
        """See :class:`harness.cluster.base.Cluster`."""
        images = engine_archives.load(self._client, archive, keep_as=f"kh-{self.environment_id}/node")
        self._change(NodeImages(imported=images))
        return sorted(images)

    def withdraw_images(self, references: Iterable[str]) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        self._change(NodeImages(withdrawn=list(references)))

    def _change(self, images: NodeImages) -> None:
        self.api.request("POST", control_plane_routes.NODE_IMAGES, body=images.as_json())

    def node_images(self) -> list[str]:
        """See :class:`harness.cluster.base.Cluster`."""
        return sorted(self.api.request("GET", control_plane_routes.NODE_IMAGES))

    def address(self, namespace: str, service: str, port: int) -> tuple[str, int]:
        """See :class:`harness.cluster.base.Cluster`."""
        limit = self._start_timeout_s
        what = f"port {port} of Service {namespace}/{service}"
        known = False
        for _, manifest in self.api.watch("Service", namespace, name=service, timeout_s=limit):
            known = True
            spec = manifest["spec"]
            entry = next((entry for entry in spec.get("ports") or () if entry["port"] == port), None)
            if entry is None or spec.get("type") != "NodePort":
                raise PlatformError(
                    f"{what} cannot be reached from this process",
                    last_seen=f"type {spec.get('type')}, ports {[entry['port'] for entry in spec.get('ports') or ()]}",
                    fix="give the Service the type NodePort",
                )
            if entry.get("nodePort"):
                return "127.0.0.1", int(entry["nodePort"])
        raise PlatformError(
            f"{what} got no address within {limit:g} s",
            last_seen=self._pods_of(namespace, service) if known else "the Service does not exist",
        )

    def shell(self, namespace: str, pod: str) -> str:
        """See :class:`harness.cluster.base.Cluster`."""
        with contextlib.suppress(ApiError, LookupError):
            status = self.api.get("Pod", namespace, pod)["status"]["containerStatuses"][0]
            container = str(status["containerID"]).rpartition("/")[2]
            return f"docker exec -it {container[:12]} sh"
        return f"(the pod {namespace}/{pod} has no container)"

    def _pods_of(self, namespace: str, service: str) -> str:
        with contextlib.suppress(ApiError):
            selector = self.api.get("Service", namespace, service)["spec"].get("selector")
            pods = self.api.list("Pod", namespace, labels=selector)
            return "\n".join(f"pod {pod['metadata']['name']}: {pod['status'].get('phase')}" for pod in pods) or "no pod"
        return ""

    def trouble(self) -> str:
        """See :class:`harness.cluster.base.Cluster`."""
        return explain_stopped(self._client, self.control_plane, "the control plane of the docker cluster")

    def keep(self) -> None:
        """Keep the environment from now on, however this process ends."""
        ledger.update(self._state, self.environment_id, kept=True)
        self.api.request("POST", control_plane_routes.KEEP)

    def close(self, *, keep: bool = False) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        if self._closed:
            return
        self._closed = True
        try:
            if keep:
                self.keep()
                return
            control_plane.remove_environment(self.api, self._client, self.environment_id)
            ledger.forget(self._state, self.environment_id)
        finally:
            if self._owner:
                self._owner.close()
            self._client.close()
