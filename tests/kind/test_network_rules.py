"""The rules of a node that follow from pods and policies, asked of the compiled program."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import engine
from harness.cluster.kind.node_image import programs
from harness.doctor.facts import EngineFacts

REFUSED = "reject with icmp type host-unreachable"
NAMESPACES = {name: {"kubernetes.io/metadata.name": name} for name in ("project", "services", "kube-system")}


@pytest.fixture(scope="module")
def program(usable_engine: EngineFacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, out of its image."""
    with engine.connect_api() as api:
        tag = programs.make_tag(programs.NETWORK)
        if engine.find_image(api, tag) is None:
            pytest.skip("the network of the nodes is not compiled: kaapana-harness images kind-node")
        path = tmp_path_factory.mktemp("bin") / "network"
        path.write_bytes(programs.read_file(tag, "/bin/kaapana-harness-network", api))
    path.chmod(0o755)
    return path


class Node:
    """The rules of one node, read back."""

    def __init__(self, program: Path, pods: list[dict[str, Any]], policies: list[dict[str, Any]]) -> None:
        world = {"PodSubnet": "10.244.0.0/16", "Namespaces": NAMESPACES, "Pods": pods, "Policies": policies}
        done = subprocess.run([program, "rules"], input=json.dumps(world), capture_output=True, text=True, check=True)
        self.text = done.stdout
        chains = re.findall(r"\tchain (\S+) \{\n(.*?)\t\}\n", self.text, re.DOTALL)
        self._chains = {name: [line.strip() for line in body.splitlines()] for name, body in chains}

    def rules(self, direction: str, address: str) -> list[str] | None:
        """The rules of a pod, ``None`` where nothing limits it."""
        found = re.search(rf"\b{re.escape(address)} : jump (\S+?)[, ]", "\n".join(self._chains[direction]))
        return self._chains[found[1]] if found else None


def pod(number: int, namespace: str = "project", **more: Any) -> dict[str, Any]:
    return {"Namespace": namespace, "Name": f"p{number}", "Addresses": [f"10.244.0.{number}"], "Local": True, **more}


def policy(
    *, types: list[str], name: str = "p", selector: dict[str, Any] | None = None, **rules: Any
) -> dict[str, Any]:
    spec = {"podSelector": selector or {}, "policyTypes": types, **rules}
    return {"metadata": {"namespace": "project", "name": name}, "spec": spec}


def test_a_pod_that_no_policy_selects_is_not_limited(program: Path) -> None:
    node = Node(program, [pod(2), pod(3, "services")], [policy(types=["Ingress", "Egress"])])
    for direction in ("ingress", "egress"):
        assert node.rules(direction, "10.244.0.2") == [REFUSED]
        assert node.rules(direction, "10.244.0.3") is None


def test_a_connection_that_one_policy_allows_is_not_forbidden_by_another(program: Path) -> None:
    out = policy(
        types=["Egress"],
        name="out",
        selector={"matchLabels": {"way": "out"}},
        egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12"]}}]}],
    )
    pods = [pod(2), pod(3, Labels={"way": "out"})]
    node = Node(program, pods, [policy(types=["Egress"]), out])
    assert node.rules("egress", "10.244.0.2") == [REFUSED]
    assert node.rules("egress", "10.244.0.3") == [
        "ip daddr != 10.0.0.0/8 ip daddr != 172.16.0.0/12 return",
        REFUSED,
    ]
    assert node.rules("ingress", "10.244.0.2") is None


def test_peers_are_those_of_the_namespace_and_the_labels_together(program: Path) -> None:
    services = {"matchLabels": NAMESPACES["services"]}
    pods = [
        pod(2),
        pod(3, "services", Labels={"app": "web"}),
        pod(4, "services", Labels={"app": "other"}),
        pod(5, Labels={"app": "web"}),
    ]
    web = {"matchLabels": {"app": "web"}}
    both = policy(types=["Egress"], egress=[{"to": [{"namespaceSelector": services, "podSelector": web}]}])
    assert Node(program, pods, [both]).rules("egress", "10.244.0.2") == ["ip daddr { 10.244.0.3 } return", REFUSED]
    own = policy(types=["Egress"], egress=[{"to": [{"podSelector": web}]}])
    assert Node(program, pods, [own]).rules("egress", "10.244.0.2") == ["ip daddr { 10.244.0.5 } return", REFUSED]
    either = policy(types=["Egress"], egress=[{"to": [{"namespaceSelector": services}, {"podSelector": web}]}])
    assert Node(program, pods, [either]).rules("egress", "10.244.0.2") == [
        "ip daddr { 10.244.0.3, 10.244.0.4 } return",
        "ip daddr { 10.244.0.5 } return",
        REFUSED,
    ]


def test_a_rule_whose_peers_match_no_pod_allows_nothing(program: Path) -> None:
    unmatched = policy(types=["Egress"], egress=[{"to": [{"podSelector": {"matchLabels": {"no": "pod"}}}]}])
    assert Node(program, [pod(2)], [unmatched]).rules("egress", "10.244.0.2") == [REFUSED]


def test_ports_are_numbers_ranges_names_or_a_whole_protocol(program: Path) -> None:
    ports = [{"port": 80}, {"port": 8000, "endPort": 8010}, {"port": "dns", "protocol": "UDP"}, {"protocol": "SCTP"}]
    dns = pod(9, "kube-system", Ports={"udp/dns": 5353})
    node = Node(program, [pod(2), dns], [policy(types=["Egress"], egress=[{"ports": ports}])])
    assert node.rules("egress", "10.244.0.2") == [
        "ip daddr 10.244.0.9 udp dport 5353 return",
        "meta l4proto sctp return",
        "tcp dport 80 return",
        "tcp dport 8000-8010 return",
        REFUSED,
    ]


def test_a_named_port_of_ingress_is_that_of_the_pod_itself(program: Path) -> None:
    named = policy(types=["Ingress"], ingress=[{"ports": [{"port": "web"}]}])
    node = Node(program, [pod(2, Ports={"tcp/web": 8080}), pod(3, Ports={"tcp/web": 9090}), pod(4)], [named])
    assert node.rules("ingress", "10.244.0.2") == ["tcp dport 8080 return", REFUSED]
    assert node.rules("ingress", "10.244.0.3") == ["tcp dport 9090 return", REFUSED]
    assert node.rules("ingress", "10.244.0.4") == [REFUSED]


def test_pods_of_other_nodes_are_peers_and_have_their_rules_there(program: Path) -> None:
    far = {**pod(7), "Local": False}
    allow = policy(types=["Ingress"], ingress=[{"from": [{"podSelector": {}}]}])
    node = Node(program, [pod(2), far], [allow])
    assert node.rules("ingress", "10.244.0.2") == ["ip saddr { 10.244.0.2, 10.244.0.7 } return", REFUSED]
    assert node.rules("ingress", "10.244.0.7") is None


def test_a_policy_without_types_limits_what_its_rules_are_about(program: Path) -> None:
    silent = {"metadata": {"namespace": "project", "name": "p"}, "spec": {"podSelector": {}}}
    node = Node(program, [pod(2)], [silent])
    assert node.rules("ingress", "10.244.0.2") == [REFUSED]
    assert node.rules("egress", "10.244.0.2") is None


def test_an_empty_rule_allows_everything(program: Path) -> None:
    node = Node(program, [pod(2)], [policy(types=["Egress"], egress=[{}])])
    assert node.rules("egress", "10.244.0.2") == ["return", REFUSED]
