"""The kind cluster, seen from the host."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cluster import kubeconfig, ledger
from harness.cluster.kind import command, config, leftovers, names, node_image, nodes, ports, preparation
from harness.cluster.kind.images import NodeImages
from harness.cluster.kind.keeper import ClusterOrder
from harness.cluster.kind.owner import Keeper
from harness.cluster.kubeconfig import KubeconfigError
from harness.cluster.kubernetes import services, startup
from harness.common.progress import OnProgress, quiet
from harness.common.references import split_reference
from harness.doctor import require_nodes
from harness.engine import connect, explain_stopped
from harness.engine import leftovers as engine_leftovers
from harness.errors import PlatformError
from harness.images.registry import RegistryClient
from harness.kube import ApiError, KubeApi
from harness.kube.pullsecrets import Login
from harness.settings.clusters import ClusterSettings
from harness.wire.names import HARNESS_REGISTRY, HARNESS_REGISTRY_PUSH

if TYPE_CHECKING:
    import docker

# an API server that is started again is back after some seconds
_RECONNECT_S = 60.0


class KindCluster:
    """A cluster of nodes in containers. Made by :meth:`create` or :meth:`adopt`.

    Attributes:
        adopted: it was left running by an earlier process.
        nodes: its nodes.
    """

    name = "kind"

    def __init__(
        self,
        client: docker.DockerClient,
        environment_id: str,
        *,
        state: Path,
        start_timeout_s: float,
        keeper: Keeper | None = None,
    ) -> None:
        self.environment_id = environment_id
        self.adopted = keeper is None
        self._state = state
        self._start_timeout_s = start_timeout_s
        self._client = client
        self._keeper = keeper
        self._registry = ""
        self._served: dict[str, str] = {}
        self._login: Login | None = None
        self._closed = False
        self._lock = threading.Lock()
        access = kubeconfig.load(names.kubeconfig(state, environment_id))
        self.api = KubeApi.from_access(access, reconnect_s=_RECONNECT_S)
        self.nodes = nodes.list_nodes(client, environment_id)
        self.volume_node = self.nodes[0].name
        self._images = NodeImages(client, self.nodes, f"kh-{environment_id}/node")

    @classmethod
    def create(
        cls,
        settings: ClusterSettings,
        environment_id: str,
        *,
        images: Iterable[str] = (),
        on_progress: OnProgress = quiet,
    ) -> KindCluster:
        """Make a cluster; its nodes get ready while objects are made (:meth:`wait_until_usable`).

        Args:
            settings: deadlines, number of nodes, and where the ledger is.
            environment_id: part of all names.
            images: tags in the engine; the nodes have them from the beginning.
            on_progress: gets a line for every step.

        Raises:
            EngineError: no engine, or it may not be used.
            ImageError: the image of the nodes cannot be obtained.
            PlatformError: this machine cannot run nodes, or kind could not make them; everything was removed.
        """
        # warnings have been reported before the platform's images were made
        require_nodes(settings.nodes, quiet)
        client = connect()
        keeper: Keeper | None = None

        def remove() -> None:
            if keeper is not None:
                keeper.remove()
            leftovers.remove(client, settings.state, environment_id)

        try:
            program = command.ensure(settings, on_progress)
            image = node_image.ensure(settings, on_progress)
            kubernetes = node_image.read_version(client.api, image)
            wanted = list(images)
            base = preparation.ensure(settings, image, wanted, on_progress) if wanted else ""
            entry = ledger.new_entry(environment_id, cls.name)
            with ledger.record_while(settings.state, entry, remove):
                contents = preparation.NodeContents()
                if base:
                    contents = preparation.locate_contents(client, base, names.cluster_name(entry.id), settings.nodes)
                order = _order(settings.state, entry, program, image, kubernetes, contents, settings.nodes)
                keeper = Keeper(order, str(settings.state))
                keeper.wait_until_made(on_progress)
                cluster = cls(
                    client,
                    environment_id,
                    state=settings.state,
                    start_timeout_s=settings.start_timeout,
                    keeper=keeper,
                )
                ledger.update(settings.state, environment_id, url=cluster.api.url)
        except BaseException:
            client.close()
            raise
        return cluster

    @classmethod
    def adopt(cls, settings: ClusterSettings, environment_id: str) -> KindCluster | None:
        """Return the cluster of an environment that was kept and still works, or ``None``."""
        entry = ledger.find(settings.state, environment_id)
        if entry is None or not entry.kept or not is_reachable(settings.state, environment_id):
            return None
        return cls(connect(), environment_id, state=settings.state, start_timeout_s=settings.start_timeout)

    def wait_until_usable(self, *, names: bool = True) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        limit = self._start_timeout_s
        startup.wait_for_nodes(self.api, len(self.nodes), timeout_s=limit)
        if names:
            startup.wait_for_names(self.api, timeout_s=limit)

    def make_volume_folders(self, names: Iterable[str]) -> dict[str, str]:
        """See :class:`harness.cluster.base.Cluster`."""
        if len(self.nodes) > 1:
            # where a project's first pod finds room is not known yet
            return {}
        folders = {name: f"{config.VOLUMES}/{name}" for name in names}
        self.nodes[0].make_folders(folders.values())
        return folders

    @property
    def kubeconfig(self) -> Path:
        """The cluster's own kubeconfig: ``kubectl --kubeconfig``."""
        return names.kubeconfig(self._state, self.environment_id)

    @property
    def registry(self) -> str:
        """See :class:`harness.cluster.base.Cluster`."""
        with self._lock:
            if not self._registry:
                name, namespace, port = HARNESS_REGISTRY
                # engines pull from "localhost" without TLS; on a node containerd gets the real address
                address = f"localhost:{self.address(namespace, name, port)[1]}"
                nodes.run_on_all(self.nodes, "add_registry", address, self._mirror())
                self.api.apply(_registry_hosting(address, self._mirror()))
                self._registry = address
        return self._registry

    @property
    def push_address(self) -> str:
        """See :class:`harness.cluster.base.Cluster`."""
        name, namespace, port = HARNESS_REGISTRY_PUSH
        return f"localhost:{self.address(namespace, name, port)[1]}"

    def serve_registry(self, name: str, prefix: str, login: Login | None, *, open_to_all: bool = False) -> None:
        """See :class:`harness.cluster.base.Cluster`; on the nodes for all images of the host."""
        host = name.partition("/")[0]
        self._login = login
        self._served[host] = prefix
        if name != self.registry:
            header = login.basic if open_to_all and login else ""
            nodes.run_on_all(self.nodes, "add_registry", host, self._mirror(), prefix, header)

    def _mirror(self) -> str:
        name, namespace, port = HARNESS_REGISTRY
        return f"http://{services.find_cluster_address(self.api, namespace, name)}:{port}"

    def provide_images(self, images: Mapping[str, str], commands: Mapping[str, Sequence[str]] | None = None) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        self._images.provide(images, commands or {})

    def import_images(self, images: Mapping[str, str]) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        self.provide_images(images)

    def import_archive(self, archive: Path) -> list[str]:
        """See :class:`harness.cluster.base.Cluster`."""
        return self._images.import_archive(archive)

    def withdraw_images(self, references: Iterable[str]) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        references = list(references)
        digests: dict[str, str] = {}
        with RegistryClient(self.registry, login=self._login) as registry:
            for reference in references:
                host, _, rest = reference.partition("/")
                if host not in self._served and host != self.registry:
                    continue
                prefix = self._served.get(host)
                repository, tag = split_reference(f"{prefix}/{rest}" if prefix else rest)
                digest = registry.digest(repository, tag)
                if digest:
                    digests[reference] = digest
        self._images.withdraw(references, digests, self._login)

    def node_images(self) -> list[str]:
        """See :class:`harness.cluster.base.Cluster`."""
        return self._images.names()

    def address(self, namespace: str, service: str, port: int) -> tuple[str, int]:
        """See :class:`harness.cluster.base.Cluster`."""
        node_port = services.find_node_port(self.api, namespace, service, port, timeout_s=self._start_timeout_s)
        ports = self._client.api.inspect_container(self.nodes[0].name)["NetworkSettings"]["Ports"]
        bound = ports.get(f"{node_port}/tcp")
        if not bound:
            raise PlatformError(
                f"port {port} of Service {namespace}/{service} is not published by the node",
                last_seen=f"node port {node_port}, container {self.nodes[0].name}",
                fix="does the node's container run? `docker ps` shows it",
            )
        return "127.0.0.1", int(bound[0]["HostPort"])

    def shell(self, namespace: str, pod: str) -> str:
        """See :class:`harness.cluster.base.Cluster`."""
        # kubectl is on the node; this machine need not have it
        return f"docker exec -it {self.nodes[0].name} kubectl exec -it -n {namespace} {pod} -- sh"

    def trouble(self) -> str:
        """See :class:`harness.cluster.base.Cluster`."""
        for node in self.nodes:
            if trouble := explain_stopped(self._client, node.name, "a node of the kind cluster"):
                return trouble
        return startup.find_trouble(self.api)

    def keep(self) -> None:
        """Keep the environment from now on, however this process ends."""
        ledger.update(self._state, self.environment_id, kept=True)
        if self._keeper is not None:
            self._keeper.keep()
            self._keeper = None

    def close(self, *, keep: bool = False) -> None:
        """See :class:`harness.cluster.base.Cluster`."""
        if self._closed:
            return
        self._closed = True
        try:
            if keep:
                self.keep()
                return
            if self._keeper is not None:
                self._keeper.remove()
            # also leftovers of a killed keeper
            leftovers.remove(self._client, self._state, self.environment_id)
            ledger.forget(self._state, self.environment_id)
        finally:
            self._client.close()


def is_reachable(state: Path, environment_id: str) -> bool:
    """Return whether the API server of a cluster works."""
    try:
        access = kubeconfig.load(names.kubeconfig(state, environment_id))
        KubeApi.from_access(access).request("GET", "/version", timeout_s=10)
    except (KubeconfigError, ApiError):
        return False
    return True


def _order(
    state: Path,
    entry: ledger.Entry,
    program: Path,
    image: str,
    kubernetes: tuple[int, int],
    contents: preparation.NodeContents = preparation.NodeContents(),  # noqa: B008 - cannot be changed
    nodes: int = 1,
) -> ClusterOrder:
    """Write kind's configuration, and return the keeper's order."""
    folder = names.folder(state, entry.id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = names.cluster_name(entry.id)
    document = config.make_document(
        name,
        kubernetes=kubernetes,
        host_ports=ports.choose(config.HOST_PORTS),
        nodes=nodes,
        content=list(contents.volumes.values()),
        base=contents.base_folder,
    )
    (folder / "kind.json").write_text(json.dumps(document, indent=1), "utf-8")
    path = names.kubeconfig(state, entry.id)
    # kind writes it with 0600; made beforehand, so it never has other rights
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    arguments = ["create", "cluster", "--name", name, "--image", image, "--config", str(folder / "kind.json")]
    return ClusterOrder(
        environment=entry.id,
        command=[str(program), *arguments, "--kubeconfig", str(path)],
        variables={
            **command.make_environment(state),
            "KIND_EXPERIMENTAL_DOCKER_NETWORK": name,
            "KUBECONFIG": str(path),
        },
        labels={**engine_leftovers.make_labels(entry), names.LABEL_LEDGER: str(state)},
        network=name,
        content=contents.base,
        volumes=list(contents.volumes),
        image=image,
    )


def _registry_hosting(address: str, mirror: str) -> dict[str, object]:
    """Return the ConfigMap by which tools find a cluster's local registry (KEP-1755)."""
    hosting = f'host: "{address}"\nhostFromContainerRuntime: "{mirror.removeprefix("http://")}"\n'
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "local-registry-hosting", "namespace": "kube-public"},
        "data": {"localRegistryHosting.v1": hosting},
    }
