"""Parts of the kind cluster that need neither an engine nor a cluster."""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, cast

import pytest
import yaml

from harness.cluster import ledger
from harness.cluster.kind import config, leftovers, owner, ports, provider
from harness.cluster.kind.images import NodeImages, make_node_name
from harness.cluster.kind.nodes import KindNode
from harness.common.references import to_canonical, to_familiar
from harness.kube.pullsecrets import Login
from harness.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HOST_PORTS = list(range(20_000, 20_000 + config.HOST_PORTS))


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("tool", "docker.io/library/tool:latest"),
        ("tool:1", "docker.io/library/tool:1"),
        ("group/tool:1", "docker.io/group/tool:1"),
        ("docker.io/tool:1", "docker.io/library/tool:1"),
        ("localhost/tool:1", "localhost/tool:1"),
        ("localhost:5000/tool:1", "localhost:5000/tool:1"),
        ("localhost:5000/tool", "localhost:5000/tool:latest"),
        ("a.example/tool@sha256:1", "a.example/tool@sha256:1"),
    ],
)
def test_a_reference_is_stored_as_containerd_writes_it(written: str, stored: str) -> None:
    assert to_canonical(written) == stored


@pytest.mark.parametrize("reference", ["tool:1", "group/tool:1", "localhost:5000/tool:1"])
def test_a_stored_reference_is_reported_as_it_was_written(reference: str) -> None:
    assert to_familiar(to_canonical(reference)) == reference


def _patched(document: dict[str, Any], kind: str, api_version: str) -> dict[str, Any]:
    """Return the one patch that kind applies to a document of kubeadm's configuration of that version."""
    patches = [yaml.safe_load(patch) for patch in document["kubeadmConfigPatches"]]
    (found,) = (
        patch for patch in patches if patch["kind"] == kind and patch.get("apiVersion", api_version) == api_version
    )
    return dict(found)


def _make_document(*, kubernetes: tuple[int, int] = (1, 34), **more: Any) -> dict[str, Any]:
    return config.make_document("kh-x", kubernetes=kubernetes, host_ports=HOST_PORTS, **more)


# until Kubernetes 1.35, and from 1.36 on
@pytest.mark.parametrize(("version", "named"), [("v1beta3", dict), ("v1beta4", list)])
def test_arguments_are_written_as_the_version_of_kubeadms_configuration_has_them(version: str, named: type) -> None:
    patch = _patched(_make_document(), "ClusterConfiguration", f"kubeadm.k8s.io/{version}")
    written = [patch["apiServer"], patch["controllerManager"], patch["etcd"]["local"]]
    assert {type(program["extraArgs"]) for program in written} == {named}
    api, controllers, etcd = (
        found if isinstance(found, dict) else {entry["name"]: entry["value"] for entry in found}
        for found in (program["extraArgs"] for program in written)
    )
    assert api == {"service-node-port-range": "30000-30023"}
    assert controllers == {"kube-api-qps": "200", "kube-api-burst": "400", "leader-elect": "false"}
    assert etcd == {"unsafe-no-fsync": "true"}


@pytest.mark.parametrize("version", ["v1beta3", "v1beta4"])
def test_every_node_of_several_takes_pods_whatever_the_version(version: str) -> None:
    api_version = f"kubeadm.k8s.io/{version}"
    patch = _patched(_make_document(nodes=2), "InitConfiguration", api_version)
    assert patch["nodeRegistration"]["taints"] == []


@pytest.mark.parametrize(
    ("kubernetes", "expected"),
    [
        ((1, 34), {}),
        ((1, 35), {"failCgroupV1": False, "imagePullCredentialsVerificationPolicy": "NeverVerify"}),
        ((2, 0), {"failCgroupV1": False, "imagePullCredentialsVerificationPolicy": "NeverVerify"}),
    ],
)
def test_newer_kubelets_take_cgroup_v1_and_imported_images_as_older_ones_do(
    kubernetes: tuple[int, int], expected: dict[str, Any]
) -> None:
    patch = _patched(_make_document(kubernetes=kubernetes), "KubeletConfiguration", "kubelet.config.k8s.io/v1beta1")
    assert patch == {"kind": "KubeletConfiguration", "podPidsLimit": 4096, **expected}


def test_every_node_port_that_the_api_server_gives_out_is_published_on_loopback_only() -> None:
    document = _make_document(nodes=2, content=["/volumes/a", "/volumes/b"], base="/volumes/base")
    cluster = _patched(document, "ClusterConfiguration", "kubeadm.k8s.io/v1beta3")
    first, last = cluster["apiServer"]["extraArgs"]["service-node-port-range"].split("-")
    chief, worker = document["nodes"]
    published = {entry["containerPort"] for entry in chief["extraPortMappings"]}
    assert published == set(range(int(first), int(last) + 1))
    assert {entry["listenAddress"] for entry in chief["extraPortMappings"]} == {"127.0.0.1"}
    networking = document["networking"]
    assert networking["apiServerAddress"] == "127.0.0.1"
    on_host = [networking["apiServerPort"], *(entry["hostPort"] for entry in chief["extraPortMappings"])]
    assert on_host == HOST_PORTS
    assert [node["extraMounts"][0]["hostPath"] for node in (chief, worker)] == ["/volumes/a", "/volumes/b"]
    layers = {"hostPath": "/volumes/base", "containerPath": config.BASE, "readOnly": True}
    assert [node["extraMounts"][1] for node in (chief, worker)] == [layers, layers]
    json.dumps(document)


def test_ports_of_the_host_are_free_and_not_those_that_the_kernel_hands_out(tmp_path: Path) -> None:
    handed_out = tmp_path / "ip_local_port_range"
    handed_out.write_text("20010\t20019\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        busy = taken.getsockname()[1]
        chosen = ports.choose(3, [*range(20010, 20020), busy, 20021, 20022, 20023], handed_out)
    assert sorted(chosen) == [20021, 20022, 20023]


@pytest.mark.parametrize("text", ["1024\t65535", "", "nonsense"])
def test_kind_chooses_ports_where_the_kernel_hands_out_all(tmp_path: Path, text: str) -> None:
    handed_out = tmp_path / "ip_local_port_range"
    handed_out.write_text(text)
    assert ports.choose(2, handed_out=handed_out) == [0, 0]


class _Node:
    """What a node was asked to do."""

    def __init__(self, **images: str) -> None:
        self.known = {to_canonical(name.replace("__", ":")): digest for name, digest in images.items()}
        self.log: list[str] = []

    def names(self) -> set[str]:
        return set(self.known)

    def digests(self) -> dict[str, str]:
        return self.known

    def pull(self, reference: str, login: Login | None) -> None:
        self.log.append(f"pull {reference} as {login and login.username}")

    def remove(self, references: Iterable[str]) -> None:
        self.log += [f"remove {reference}" for reference in references]


def test_only_what_a_node_has_otherwise_than_the_registry_is_brought_up_to_date() -> None:
    node = _Node(same__1="sha256:a", changed__1="sha256:b", gone__1="sha256:c")
    images = NodeImages(cast(Any, None), cast(list[KindNode], [node]), "x/node")
    images.withdraw(
        ["same:1", "changed:1", "gone:1", "new:1"],
        {"same:1": "sha256:a", "changed:1": "sha256:z", "new:1": "sha256:n"},
        Login("me", "word"),
    )
    # the new one is pulled by the first pod; a removal in the place of a pull would move all layers again
    assert node.log == ["pull docker.io/library/changed:1 as me", "remove docker.io/library/gone:1"]


MANIFEST = {"config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:l"}]}


@pytest.mark.parametrize("target", ["sha256:m", "sha256:i"], ids=["manifest", "index"])
def test_the_documents_of_an_image_are_those_of_its_platform(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [("sha256:attestation", "unknown"), ("sha256:m", "amd64")]
    index = {"manifests": [{"digest": digest, "platform": {"architecture": name}} for digest, name in entries]}
    content = {"sha256:i": index, "sha256:m": MANIFEST, "sha256:c": {"os": "linux"}}

    def run(node: KindNode, *command: str) -> str:
        if command[3:] == ("images", "list"):
            return f"REF TYPE DIGEST SIZE\nother:1 type sha256:o 1\ntool:1 type {target} 1\n"
        assert command[3:5] == ("content", "get")
        return json.dumps(content[command[5]])

    monkeypatch.setattr(KindNode, "run", run)
    assert KindNode("node").documents("tool:1") == (MANIFEST, {"os": "linux"})


def test_an_image_with_another_command_costs_a_node_documents_and_no_layer() -> None:
    log: list[object] = []

    class Node:
        def names(self) -> set[str]:
            return {make_node_name("sha256:123")}

        def tag(self, names: dict[str, list[str]]) -> None:
            log.append(names)

        def documents(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
            assert name == make_node_name("sha256:123")
            return MANIFEST, {"os": "linux"}

        def import_images(self, archive: IO[bytes]) -> None:
            with tarfile.open(fileobj=io.BytesIO(archive.read())) as file:
                index = json.load(file.extractfile("index.json"))  # type: ignore[arg-type]
                log.extend(entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"])
                assert not [name for name in file.getnames() if name.endswith("/l")]

        def wait_until_noticed(self, names: list[str]) -> None:
            log.append(names)

    node, client = Node(), SimpleNamespace(api=SimpleNamespace(inspect_image=lambda name: {"Id": "sha256:123"}))
    images = NodeImages(cast(Any, client), cast(list[KindNode], [node]), "x/node")
    images.provide({"itself:1": "tool", "r.site/own": "tool"}, {"r.site/own": ["own"]})
    itself, own = "docker.io/library/itself:1", "r.site/own:latest"
    # the one gets a name, the other one comes in an archive, and both are waited for
    assert log == [{make_node_name("sha256:123"): [itself]}, own, [itself, own]]


@pytest.mark.parametrize("authorization", ["", "Basic YTpi"])
def test_a_name_of_the_registry_is_asked_below_its_prefix_and_nowhere_else(authorization: str) -> None:
    text = config.make_hosts_toml("http://10.96.0.7:5000", "r.example_5000", authorization)
    where = "http://10.96.0.7:5000/v2/r.example_5000"
    # both are meant by containerd: the host, and where it goes when that has failed
    header = {"header": {"Authorization": authorization}} if authorization else {}
    host = {"capabilities": ["pull", "resolve"], "override_path": True, **header}
    assert tomllib.loads(text) == {"server": where, "override_path": True, "host": {where: host}, **header}


def test_images_are_listed_without_the_names_that_are_only_ours() -> None:
    node = _Node(tool__1="sha256:a")
    for name in ("sha256:123", make_node_name("sha256:123"), "docker.io/library/tool@sha256:9"):
        node.known[name] = "sha256:a"
    assert NodeImages(cast(Any, None), cast(list[KindNode], [node]), "x/node").names() == ["tool:1"]


def test_the_keeper_finds_modules_where_its_owner_does_also_in_the_folder_it_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", "/elsewhere"])
    assert owner.search_path() == f"{tmp_path}{os.pathsep}/elsewhere"


@pytest.mark.parametrize(("kept", "owner_is", "stays"), [(True, "0", True), (False, "0", False), (False, "self", True)])
def test_anothers_cluster_is_left_alone_while_it_is_kept_or_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool, owner_is: str, stays: bool
) -> None:
    host = os.uname().nodename
    found = leftovers.Found("e1", owner=f"{os.getpid() if owner_is == 'self' else 0}@{host}", ledger=str(tmp_path))
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path))
    entry = ledger.Entry("e1", "kind", found.owner, "2026-01-01", kept=kept)
    ledger.record(Settings().state, entry)
    assert provider._is_in_use(found) is stays
