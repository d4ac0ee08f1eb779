"""The docker cluster, seen from the host: starts the control plane and talks to it."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cluster.docker import archives, leftovers
from harness.cluster.docker.engine import connect, socket_path
from harness.cluster.docker.owner import OwnerConnection
from harness.cluster.docker.server.config import (
    API_PORT,
    LABEL_ENVIRONMENT,
    LABEL_OWNER,
    LABEL_ROLE,
    LABEL_STARTED,
)
from harness.contract.names import HARNESS_REGISTRY, dns_name
from harness.errors import EnvironmentError_, ImageError
from harness.kube import ApiError, KubeApi
from harness.kube.errors import Unavailable
from harness.platform import ownership
from harness.settings import Settings

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

_COMMAND = ["python", "-m", "harness.cluster.docker.server"]
_READY_S = 30.0
_READY_POLL_S = 0.03
_SHUTDOWN_S = 60.0
_KEPT_LINES = 200


class DockerCluster:
    """A cluster on the local Docker engine. Made by :meth:`create` or :meth:`adopt`.

    Attributes:
        adopted: it was left running by an earlier process.
        control_plane: name of the control plane's container.
    """

    name = "docker"

    def __init__(
        self, settings: Settings, client: docker.DockerClient, entry: ownership.Entry, *, adopted: bool
    ) -> None:
        self.environment_id = entry.id
        self.api = KubeApi(entry.url, token=entry.token)
        self.adopted = adopted
        self.control_plane = f"kh-{entry.id}"
        self._settings = settings
        self._client = client
        self._entry = entry
        self._owner: OwnerConnection | None = None
        self._registry = ""
        self._closed = False
        self._lock = threading.Lock()

    @classmethod
    def create(cls, settings: Settings, environment_id: str, *, image: str | None = None) -> DockerCluster:
        """Start a control plane and wait until it is ready.

        Args:
            settings: where the ledger is.
            environment_id: part of all names.
            image: engine image of the control plane; the harness's own by default.

        Raises:
            EngineError: no engine, or it may not be used.
            ImageError: the image cannot be had.
            EnvironmentError_: the control plane did not get ready; nothing is left of it.
        """
        client = connect()
        try:
            if image is None:
                from harness import images

                image = images.ensure("services", settings=settings)
            entry = ownership.new_entry(environment_id, "docker")
            token = secrets.token_urlsafe(24)
            # before anything exists that somebody would have to remove
            ownership.record(settings, entry)
            try:
                # in a thread, because an interrupt must not cut off a request that creates something: the engine
                # would go on with it after everything has been removed. Leaving the block waits for its end.
                with ThreadPoolExecutor(1) as undisturbed:
                    # an executor that is interrupted while it starts its thread forgets it
                    undisturbed.submit(_labels, entry).result()
                    undisturbed.submit(_create_network, client, entry).result()
                    container, log = undisturbed.submit(_start, image, entry, token).result()
                port = _wait(client, container, token, log)
                url = f"http://127.0.0.1:{port}"
                entry = ownership.update(settings, environment_id, url=url, token=token)
                cluster = cls(settings, client, entry, adopted=False)
                cluster._owner = OwnerConnection(port, token)
            except BaseException:
                leftovers.remove(client, environment_id)
                ownership.forget(settings, environment_id)
                raise
        except BaseException:
            client.close()
            raise
        return cluster

    @classmethod
    def adopt(cls, settings: Settings, environment_id: str) -> DockerCluster | None:
        """The cluster of an environment that was kept and still works, or ``None``."""
        entry = ownership.find(settings, environment_id)
        if entry is None or not entry.kept or not entry.url:
            return None
        client = connect()
        cluster = cls(settings, client, entry, adopted=True)
        try:
            ready = cluster.api.request("GET", "/readyz", timeout_s=10)
        except ApiError:
            ready = {}
        if ready.get("environment") != environment_id:
            client.close()
            return None
        return cluster

    @property
    def lost(self) -> bool:
        """Whether the control plane went away by itself; everything of the environment then has to be removed."""
        return self._owner is not None and self._owner.lost.is_set()

    @property
    def registry(self) -> str:
        """See :class:`harness.cluster.base.Cluster`."""
        with self._lock:
            if not self._registry:
                name, namespace, port = HARNESS_REGISTRY
                # engines pull from "localhost" without TLS
                address = f"localhost:{self.address(namespace, name, port)[1]}"
                internal = f"http://{dns_name(HARNESS_REGISTRY)}:{port}"
                self.api.request("POST", "/harness/registry", body={"address": address, "internal": internal})
                self._registry = address
        return self._registry

    def provide_images(self, images: Mapping[str, str]) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        import docker.errors

        known: dict[str, str] = {}
        for reference, name in images.items():
            try:
                known[reference] = str(self._client.images.get(name).id)
            except docker.errors.ImageNotFound:
                raise ImageError(f"the engine has no image {name!r}, which is to be {reference}") from None
        self.api.request("POST", "/harness/node-images", body={"images": known})

    def import_archive(self, archive: Path) -> list[str]:
        """See :class:`harness.cluster.base.Cluster`."""
        images = archives.load(self._client, archive, keep_as=f"kh-{self.environment_id}/node")
        self.api.request("POST", "/harness/node-images", body={"images": images, "imported": True})
        return sorted(images)

    def withdraw_images(self, references: Iterable[str]) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        self.api.request("POST", "/harness/node-images", body={"images": {}, "withdrawn": list(references)})

    def node_images(self) -> list[str]:
        """See :class:`harness.cluster.base.Cluster`."""
        return sorted(self.api.request("GET", "/harness/node-images"))

    def address(self, namespace: str, service: str, port: int) -> tuple[str, int]:
        """See :class:`harness.cluster.base.Cluster`."""
        limit = self._settings.start_timeout
        what = f"port {port} of Service {namespace}/{service}"
        known = False
        for _, manifest in self.api.watch("Service", namespace, name=service, timeout_s=limit):
            known = True
            spec = manifest["spec"]
            entry = next((entry for entry in spec.get("ports") or () if entry["port"] == port), None)
            if entry is None or spec.get("type") != "NodePort":
                raise EnvironmentError_(
                    f"{what} cannot be reached from this process",
                    last_seen=f"type {spec.get('type')}, ports {[entry['port'] for entry in spec.get('ports') or ()]}",
                    fix="give the Service the type NodePort",
                )
            if entry.get("nodePort"):
                return "127.0.0.1", int(entry["nodePort"])
        raise EnvironmentError_(
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

    def keep(self) -> None:
        """From now on the environment stays when this process ends, in whatever way."""
        self._entry = ownership.update(self._settings, self.environment_id, kept=True)
        self.api.request("POST", "/harness/keep")

    def close(self, *, keep: bool = False) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        if self._closed:
            return
        self._closed = True
        try:
            if keep:
                self.keep()
                return
            with contextlib.suppress(ApiError):
                self.api.request("POST", "/harness/shutdown", timeout_s=_SHUTDOWN_S)
            # also what a control plane that crashed has left, and the control plane itself
            leftovers.remove(self._client, self.environment_id)
            ownership.forget(self._settings, self.environment_id)
        finally:
            if self._owner:
                self._owner.close()
            self._client.close()


def _labels(entry: ownership.Entry) -> dict[str, str]:
    return {LABEL_ENVIRONMENT: entry.id, LABEL_OWNER: entry.owner, LABEL_STARTED: entry.started}


def _create_network(client: docker.DockerClient, entry: ownership.Entry) -> None:
    """The network over which the control plane is reached: not the engine's default one, which others share.

    (That one may be switched off, and a bridge that was made again by hand changes its hardware address whenever a
    container of anybody comes or goes, which cuts connections off for half a minute.)
    """
    client.api.create_network(_edge(entry), driver="bridge", labels=_labels(entry), check_duplicate=True)


def _edge(entry: ownership.Entry) -> str:
    return f"kh-{entry.id}-edge"


def _start(image: str, entry: ownership.Entry, token: str) -> tuple[Container, list[str]]:
    """Start the control plane; its container, and a list to which the lines of its log are added."""
    from docker.types import Mount
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.docker_client import DockerClient

    class Client(DockerClient):
        """Does not mark the container as one of this test session.

        Its reaper, if the test's author uses it for containers of his own, would remove a kept environment.
        """

        def create(self, image: str, *args: Any, **kwargs: Any) -> Container:
            return self.client.containers.create(image, *args, **kwargs)

    own = Client()

    class ControlPlane(DockerContainer):
        def get_docker_client(self) -> DockerClient:
            return own

    mounts = [
        Mount("/var/run/docker.sock", str(socket_path().resolve()), type="bind"),
        # without a source: a volume that goes with the container
        Mount("/state", None, type="volume"),
    ]
    if Path("/sys/fs/cgroup").is_dir():
        mounts.append(Mount("/host/cgroup", "/sys/fs/cgroup", type="bind", read_only=True))
    container = ControlPlane(image)
    # a prefix for public images must not change the name of ours
    container.image = image
    container.with_name(f"kh-{entry.id}")
    container.with_command(_COMMAND)
    container.with_envs(
        KAAPANA_HARNESS_ENVIRONMENT=entry.id,
        KAAPANA_HARNESS_OWNER=entry.owner,
        KAAPANA_HARNESS_STARTED=entry.started,
        KAAPANA_HARNESS_TOKEN=token,
        KAAPANA_HARNESS_POD_TOKEN=secrets.token_urlsafe(24),
        KAAPANA_HARNESS_OWN_CONTAINER=f"kh-{entry.id}",
    )
    container.ports[f"{API_PORT}/tcp"] = ("127.0.0.1", None)  # type: ignore[assignment]
    labels = {**_labels(entry), LABEL_ROLE: leftovers.CONTROL_PLANE}
    container.with_kwargs(
        labels=labels,
        mounts=mounts,
        network=_edge(entry),
        auto_remove=True,
        detach=True,
        security_opt=["label=disable"],
        user="0",
    )
    disabled = testcontainers_config.ryuk_disabled
    # our own reaper does its work, also without an image of it being pulled
    testcontainers_config.ryuk_disabled = True
    try:
        container.start()
    finally:
        testcontainers_config.ryuk_disabled = disabled
    wrapped = container.get_wrapped_container()
    lines: list[str] = []
    threading.Thread(target=_follow, args=(wrapped, lines), name="kaapana-harness-log", daemon=True).start()
    return wrapped, lines


def _follow(container: Container, lines: list[str]) -> None:
    """Keep the end of the control plane's log: its container is gone as soon as it ends."""
    with contextlib.suppress(Exception):
        for line in container.logs(stream=True, follow=True):
            lines.append(line.decode("utf-8", "replace").rstrip())
            del lines[:-_KEPT_LINES]


def _wait(client: docker.DockerClient, container: Container, token: str, log: list[str]) -> int:
    """Wait until the control plane is ready; its port on 127.0.0.1."""
    import docker.errors

    deadline = time.monotonic() + _READY_S
    seen = "nothing"
    port = 0
    while time.monotonic() < deadline:
        try:
            if not port:
                bound = client.api.inspect_container(str(container.id))["NetworkSettings"]["Ports"]
                port = int((bound.get(f"{API_PORT}/tcp") or [{"HostPort": 0}])[0]["HostPort"])
            if port:
                KubeApi(f"http://127.0.0.1:{port}", token=token).request("GET", "/readyz", timeout_s=2)
                return port
        except docker.errors.NotFound:
            seen = "it has ended"
            break
        except Unavailable as error:
            seen = error.message
            try:
                client.api.inspect_container(str(container.id))
            except docker.errors.NotFound:
                seen = "it has ended"
                break
        except ApiError as error:
            seen = str(error)
        time.sleep(_READY_POLL_S)
    raise EnvironmentError_(
        "the control plane of the docker cluster did not start",
        last_seen="\n".join([seen, *log]),
        fix="see its log above; `kaapana-harness doctor` examines the engine",
    )
