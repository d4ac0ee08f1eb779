"""Parts of the docker cluster that need no engine."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from harness import engine
from harness.cluster import open_cluster
from harness.errors import EngineError, UsageError
from harness.incluster.controlplane import dns, merge
from harness.incluster.controlplane import engine as engine_client
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.errors import StatusError
from harness.incluster.controlplane.networks import NetworkPlan, Networks
from harness.incluster.controlplane.selectors import compile_selectors
from harness.incluster.controlplane.store import Store
from harness.settings import Settings


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("a=1", True),
        ("a==1,b=2", True),
        ("a!=1", False),
        ("c!=1", True),
        ("a in (1, 5)", True),
        ("a notin (1,5),b=2", False),
        ("a", True),
        ("!a", False),
        ("!c,b", True),
    ],
)
def test_label_selectors(selector: str, expected: bool) -> None:
    assert compile_selectors(selector, "")({"metadata": {"labels": {"a": "1", "b": "2"}}}) is expected


def test_a_field_that_cannot_be_selected_by_is_named() -> None:
    with pytest.raises(StatusError, match=r"spec\.color"):
        compile_selectors("", "spec.color=red")


def test_a_strategic_merge_joins_containers_by_name() -> None:
    before = {
        "spec": {"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]}
    }
    patch = {
        "spec": {
            "containers": [
                {"name": "a", "env": [{"name": "Y", "value": "2"}]},
                {"name": "b", "$patch": "delete"},
            ]
        }
    }
    assert merge.strategic_merge_patch(before, patch) == {
        "spec": {
            "containers": [
                {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}
            ]
        }
    }


def test_apply_takes_back_only_what_the_same_manager_had_set() -> None:
    current: dict[str, Any] = {"data": {"a": "1", "b": "2", "other": "3"}}
    before = {"data": {"a": "1", "b": "2"}}
    assert merge.apply_patch(current, before, {"data": {"a": "9"}}) == {"data": {"a": "9", "other": "3"}}


def test_a_query_for_a_name_is_answered_by_no_such_name() -> None:
    question = b"\x03www\x07example\x03org\x00" + struct.pack("!HH", 1, 1)
    query = struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 1) + question + b"additional records"
    assert dns.parse_question(query)[0] == "www.example.org"
    answer = dns.nxdomain_reply(query)
    number, flags, *counts = struct.unpack_from("!HHHHHH", answer)
    assert (number, counts) == (4711, [1, 0, 0, 0])
    # an answer, recursion desired and available, NXDOMAIN
    assert flags == 0x8183
    assert answer[12:] == question


@pytest.mark.parametrize("packet", [b"", b"x" * 11, b"\0" * 12 + b"\x05ab", b"\0" * 12 + b"\xc0\x0c"])
def test_an_invalid_query_is_refused(packet: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        dns.nxdomain_reply(packet)


def test_a_missing_socket_and_a_socket_without_a_listener_have_different_errors(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with pytest.raises(EngineError, match=f"no answer from unix://{path}: there is no socket"):
        engine.connect()
    path.write_text("")
    with pytest.raises(EngineError, match="is not a socket"):
        engine.connect()
    path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.close()
    with pytest.raises(EngineError, match="no process listens on the socket"):
        engine.connect()


@pytest.mark.parametrize(
    ("spec", "cause"),
    [("context:somewhere", "no kubeconfig, so no context 'somewhere'"), ("minikube", "unknown cluster 'minikube'")],
)
def test_clusters_that_do_not_exist_are_wrong_use(
    spec: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=cause):
        open_cluster(spec, Settings(), environment_id="x")


def test_a_service_that_a_pod_cannot_reach_is_distinguished_from_an_unknown_name() -> None:
    config, store = ControlPlaneConfig("t", "1@x", "now", "token", "secret"), Store()
    networks = Networks(config, engine_client.Engine("/none", config.api), store)
    for name, noted in (("ctp-dicom-service", {"kaapana-harness/reachable-from": "ctp"}), ("secret", {})):
        metadata = {"name": name, "namespace": "services", "annotations": noted}
        store.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {}})
    assert networks.label_for("ctp-dicom-service.services.svc") == "network-access-ctp"
    assert networks.label_for("secret.services") == ""
    assert networks.label_for("weights.example.com") is None


def test_a_pod_has_an_address_on_each_of_its_networks_its_own_first() -> None:
    config = ControlPlaneConfig("t", "1@x", "now", "token", "secret")
    networks = Networks(config, engine_client.Engine("/none", config.api), Store())
    joined = {networks.full_name(name): {"IPAddress": ip} for name, ip in (("ctp", "10.2.0.3"), ("pods", "10.1.0.3"))}
    record = {"NetworkSettings": {"Networks": joined}}
    assert networks.addresses_in(record, NetworkPlan({"ctp": (), "pods": ()})) == ("10.1.0.3", "10.2.0.3")
    assert networks.addresses_in(record, NetworkPlan({"edge": ()})) == ()
