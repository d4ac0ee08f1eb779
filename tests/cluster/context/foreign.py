"""A cluster in the role of a shared one: plain kind, a registry beside it, a user with the documented rights."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from harness import images
from harness.cluster import kubeconfig, ledger
from harness.cluster.context import rights
from harness.cluster.kind import nodes
from harness.cluster.kind.cluster import KindCluster
from harness.engine import connect
from harness.images import RegistryClient
from harness.kube import Invalid, KubeApi
from harness.kube.kinds import KINDS
from harness.settings import Settings
from harness.wire.labels import LABEL_ENVIRONMENT

CONTEXT = "foreign"
_READY_S = 30.0


@dataclasses.dataclass(frozen=True)
class Foreign:
    """The cluster as its admin has it, and what the user was given.

    Attributes:
        admin: everything may be done with it.
        kubeconfig: the user's file; its only context is :data:`CONTEXT`.
        registry: reached by this machine and by the nodes under the same name.
        settings: for an environment on it.
        before: what it had outside of namespaces, see :func:`outside_of_namespaces`.
    """

    admin: KubeApi
    kubeconfig: Path
    registry: str
    settings: Settings
    before: frozenset[str]

    def user(self) -> KubeApi:
        """The cluster as the user sees it."""
        return KubeApi.from_access(kubeconfig.load(self.kubeconfig, CONTEXT))

    def names(self, kind: str, **labels: str) -> list[str]:
        """Names of the objects of a kind in all namespaces, as the admin sees them."""
        return sorted(found["metadata"]["name"] for found in self.admin.list(kind, labels=labels))

    def left(self) -> list[str]:
        """What environments have on the cluster, as the admin sees it: nothing once all are removed."""
        return sorted(outside_of_namespaces(self.admin) - self.before)


def outside_of_namespaces(api: KubeApi) -> frozenset[str]:
    """Every object of the whole cluster, namespaces among them."""
    kinds = [kind.name for kind in KINDS if not kind.namespaced]
    return frozenset(f"{kind} {found['metadata']['name']}" for kind in kinds for found in api.list(kind))


@contextlib.contextmanager
def made(settings: Settings, folder: Path) -> Iterator[Foreign]:
    """Make the cluster; nothing of it is left afterwards.

    Args:
        settings: whose ledger has the cluster.
        folder: for the user's kubeconfig.
    """
    environment = f"f{secrets.token_hex(3)}"
    cluster = KindCluster.create(settings, environment)
    try:
        cluster.wait_until_usable()
        address = _start_registry(settings, cluster, environment)
        for manifest in rights.make_manifests():
            cluster.api.apply(manifest)
        path = folder / "config"
        path.write_text(yaml.safe_dump(_document(cluster)), "utf-8")
        chosen = dataclasses.replace(settings, cluster=f"context:{CONTEXT}", context_registry=address)
        _wait_until_enforced(path)
        yield Foreign(cluster.api, path, address, chosen, outside_of_namespaces(cluster.api))
    finally:
        cluster.close()


def _wait_until_enforced(user: Path) -> None:
    """The API server takes up a new policy a moment later, which is seconds while the cluster still starts."""
    api = KubeApi.from_access(kubeconfig.load(user, CONTEXT))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}}
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            api.request("POST", "/api/v1/namespaces", body=namespace, query={"dryRun": "All"})
        except Invalid:
            return
        assert time.monotonic() < deadline, "the policy of the documented rights is not enforced"
        time.sleep(0.1)


def _start_registry(settings: Settings, cluster: KindCluster, environment: str) -> str:
    """A registry as the documentation of kind has it: on the nodes' network, and on a port of this machine."""
    with contextlib.closing(connect()) as client:
        container = client.containers.run(
            images.ensure("registry", settings=settings),
            ["registry", "serve", "/etc/docker/registry/config.yml"],
            # with the cluster's label it goes with the cluster, whatever ends this process
            labels={LABEL_ENVIRONMENT: environment},
            environment={"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/srv/registry"},
            network=f"kh-{environment}",
            ports={"5000/tcp": ("127.0.0.1", None)},
            detach=True,
        )
        deadline = time.monotonic() + _READY_S
        while True:
            container.reload()
            found: dict[str, Any] = container.attrs["NetworkSettings"]
            if found["Ports"].get("5000/tcp"):
                address = f"localhost:{found['Ports']['5000/tcp'][0]['HostPort']}"
                with RegistryClient(address) as registry:
                    if registry.ready():
                        break
            assert time.monotonic() < deadline, container.logs().decode()
            time.sleep(0.1)
        inside = found["Networks"][f"kh-{environment}"]["IPAddress"]
        nodes.run_on_all(cluster.nodes, "add_registry", address, f"http://{inside}:5000")
        return address


def _document(cluster: KindCluster) -> dict[str, Any]:
    """A kubeconfig with a token of the documented service account, made as `kubectl create token` does."""
    namespace, name = rights.ACCOUNT
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 36000}}
    token = cluster.api.request("POST", path, body=body)["status"]["token"]
    access = kubeconfig.load(cluster.kubeconfig)
    authority = base64.b64encode(access.authority.encode()).decode()
    server = {"server": access.url, "certificate-authority-data": authority}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        # not the one that is used: that of the harness is asked for by name
        "current-context": "",
        "clusters": [{"name": "theirs", "cluster": server}],
        "users": [{"name": "me", "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": "theirs", "user": "me"}}],
    }


def keep(settings: Settings, folder: Path) -> None:
    """For work by hand: ``python -m tests.cluster.context.foreign FOLDER`` keeps the cluster until Enter."""
    with made(settings, folder) as found:
        print(f"export KUBECONFIG={found.kubeconfig} KAAPANA_HARNESS_CONTEXT_REGISTRY={found.registry}", flush=True)
        input()
    print([str(entry) for entry in ledger.read_entries(settings.state)])


if __name__ == "__main__":
    import sys

    keep(Settings.load(), Path(sys.argv[1]))
