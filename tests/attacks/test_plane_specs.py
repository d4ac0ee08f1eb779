"""Requests that the API of the docker cluster refuses before they reach the engine."""

from __future__ import annotations

import base64
import contextlib
import copy
import functools
import ipaddress
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from harness.incluster.controlplane import egress, mounts, routing_rules, safe_paths
from harness.incluster.controlplane.accounts import Account, Accounts
from harness.incluster.controlplane.admission import admit, check_for_account
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.configuration_volumes import ConfigurationVolumes
from harness.incluster.controlplane.container_bodies import container_body
from harness.incluster.controlplane.engine import Engine
from harness.incluster.controlplane.errors import NotReadyError, StatusError
from harness.incluster.controlplane.networks import NetworkPlan, Networks
from harness.incluster.controlplane.podsecurity import CAPABILITIES
from harness.incluster.controlplane.rbac import AccessRequest, Rbac
from harness.incluster.controlplane.store import Store
from harness.incluster.controlplane.volumes import Mounts
from harness.kube import Manifest
from harness.kube.kinds import kind_named
from tests.attacks.examples import EXAMPLES
from tests.pythons import needs_python_of_images

_TRIED = given_settings(
    EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_PATHS = st.lists(
    st.sampled_from(["..", ".", "", "a", "b", "...", "..a", "a..", "\0", "/", "\n", "ä"]), max_size=5
).map("/".join) | st.text(max_size=20)
_CONTAINER: dict[str, Any] = {"name": "main", "image": "registry/tool:1"}
_KEYED = [("ConfigMap", "data"), ("ConfigMap", "binaryData"), ("Secret", "data"), ("Secret", "stringData")]
_RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def store() -> Store:
    """A cluster with the namespaces of the platform and one project."""
    made = Store()
    for name in ("admin", "services", "project-1", "project-2"):
        made.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        account(made, name, "default")
    return made


def account(store: Store, namespace: str, name: str) -> Account:
    """Make a service account."""
    metadata = {"name": name, "namespace": namespace}
    store.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    return Account(namespace, name)


def admitted(store: Store, kind: str, namespace: str | None, **fields: Any) -> Manifest:
    """Pass an object through the checks of the API."""
    manifest = {"apiVersion": kind_named(kind).api_version, "kind": kind, "metadata": {"name": "x"}, **fields}
    admit(store, kind_named(kind), manifest, namespace)
    return manifest


def pod(**spec: Any) -> dict[str, Any]:
    """The specification of a pod with one container."""
    return {"spec": {"containers": [copy.deepcopy(_CONTAINER)], **spec}}


def contained(**container: Any) -> dict[str, Any]:
    """The specification of a pod whose container has these fields."""
    return {"spec": {"containers": [_CONTAINER | container]}}


def unless_refused(ask: Callable[[], Manifest]) -> Manifest | None:
    """What the API admits, or ``None`` when it refuses it as Kubernetes does, with 422."""
    try:
        return ask()
    except StatusError as refusal:
        if refusal.code != 422:
            raise
        return None


# -- privileges -----------------------------------------------------------------------------------------------------

_POD_PRIVILEGES: list[dict[str, Any]] = [
    {"hostPID": True},
    {"hostIPC": True},
    {"hostNetwork": True},
    {"hostPID": "true"},
    {"hostUsers": True},
    {"shareProcessNamespace": True},
    {"runtimeClassName": "kata"},
    {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
    {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}},
    {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
    {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}},
    {"securityContext": {"windowsOptions": {"hostProcess": True}}},
    {"securityContext": {"privileged": True}},
    {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
    {"securityContext": {"runAsUser": "root"}},
    {"securityContext": {"runAsUser": -1}},
    {"securityContext": {"fsGroup": "docker"}},
    {"securityContext": {"supplementalGroups": ["docker"]}},
    {"hostAliases": [{"ip": "host-gateway", "hostnames": ["host"]}]},
    {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a:host-gateway"]}]},
    {"hostname": "a/b"},
    {"hostname": "a" * 64},
    {"volumes": [{"name": "a", "nfs": {"server": "x", "path": "/"}}]},
    {"volumes": [{"name": "a", "csi": {"driver": "x"}}]},
    {"volumes": [{"name": "a", "hostPath": {"path": "/a/../../.."}}]},
    {"volumes": [{"name": "a", "hostPath": {"path": "relative"}}]},
    {"volumes": [{"name": "a", "hostPath": {"path": "/dev/sda", "type": "BlockDevice"}}]},
    {"volumes": [{"name": "a", "hostPath": {"path": "/run/docker.sock", "type": "Socket"}}]},
    {"volumes": [{"name": "../a", "emptyDir": {}}]},
    {"ephemeralContainers": [_CONTAINER]},
]
_CONTAINER_PRIVILEGES: list[dict[str, Any]] = [
    {"securityContext": {"privileged": True}},
    {"securityContext": {"privileged": 1}},
    {"securityContext": {"procMount": "Unmasked"}},
    {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
    {"securityContext": {"seLinuxOptions": {"level": "s0"}}},
    {"securityContext": {"capabilities": {"add": "ALL"}}},
    {"securityContext": {"capabilities": ["ALL"]}},
    {"securityContext": {"capabilities": {"Add": ["ALL"]}}},
    {"securityContext": ["privileged"]},
    {"securityContext": {"runAsUser": "0:0"}},
    {"volumeDevices": [{"name": "a", "devicePath": "/dev/sda"}]},
    {"devices": ["/dev/sda"]},
    {"resizePolicy": []},
    {"ports": [{"containerPort": 1, "hostPort": 22}]},
    {"lifecycle": {"postStart": {"httpGet": {"host": "10.0.0.1", "port": 1}}}},
    {"readinessProbe": {"httpGet": {"host": "169.254.169.254", "port": 80}}},
    {"livenessProbe": {"tcpSocket": {"host": "127.0.0.1", "port": 22}}},
    {"volumeMounts": [{"name": "a", "mountPath": "/a", "mountPropagation": "Bidirectional"}]},
    {"volumeMounts": [{"name": "a", "mountPath": "/a", "subPathExpr": "$(X)"}]},
]


@pytest.mark.parametrize("spec", _POD_PRIVILEGES, ids=json.dumps)
def test_a_spec_that_leaves_the_pod_is_refused(store: Store, spec: dict[str, Any]) -> None:
    with pytest.raises(StatusError) as refusal:
        admitted(store, "Pod", "project-1", **pod(**spec))
    assert refusal.value.code in (400, 422)


@pytest.mark.parametrize("container", _CONTAINER_PRIVILEGES, ids=json.dumps)
def test_a_spec_that_leaves_the_container_is_refused(store: Store, container: dict[str, Any]) -> None:
    manifest = contained(**container)
    manifest["spec"]["volumes"] = [{"name": "a", "emptyDir": {}}]
    for namespace in ("project-1", "services"):
        with pytest.raises(StatusError) as refusal:
            admitted(store, "Pod", namespace, **copy.deepcopy(manifest))
        assert refusal.value.code in (400, 422)


def test_a_spec_refused_for_a_pod_is_refused_for_its_template(store: Store) -> None:
    for spec in _POD_PRIVILEGES:
        template = {"metadata": {"labels": {"a": "b"}}, **pod(**spec)}
        for kind, more in (("Deployment", {"selector": {"matchLabels": {"a": "b"}}}), ("Job", {})):
            template["spec"]["restartPolicy"] = "Always" if kind == "Deployment" else "Never"
            with pytest.raises(StatusError) as refusal:
                admitted(store, kind, "services", spec={"template": copy.deepcopy(template), **more})
            assert refusal.value.code in (400, 422)


_NAMES = st.sampled_from(
    ["ALL", "SYS_ADMIN", "SYS_MODULE", "DAC_READ_SEARCH", "NET_ADMIN", "SYS_PTRACE", "BPF", "CAP_SYS_ADMIN", "chown"]
)


@_TRIED
@given(names=st.lists(_NAMES | st.sampled_from(sorted(CAPABILITIES)) | st.text(max_size=12), min_size=1, max_size=4))
def test_only_capabilities_of_the_engines_own_list_reach_it(store: Store, names: list[str]) -> None:
    manifest = contained(securityContext={"capabilities": {"add": names}})
    made = unless_refused(lambda: admitted(store, "Pod", "services", **manifest))
    assert (made is not None) is (set(names) <= CAPABILITIES)
    if made is None:
        return
    made["metadata"]["uid"] = "1"
    config = ControlPlaneConfig("t", "1@x", "now", "token", "secret")
    body = container_body(
        config,
        made,
        made["spec"]["containers"][0],
        image="x",
        variables={},
        mounts=Mounts(),
        network=NetworkPlan({"pods": ()}),
        networks=Networks(config, Engine("/none", config.api), store),
    )
    assert set(body["HostConfig"]["CapAdd"]) <= CAPABILITIES
    assert not body["HostConfig"].keys() & {"Privileged", "Devices", "PidMode", "IpcMode", "UTSMode", "Sysctls"}


@pytest.mark.parametrize(
    "annotation",
    [
        "container.apparmor.security.beta.kubernetes.io/main",
        "seccomp.security.alpha.kubernetes.io/pod",
        "container.seccomp.security.alpha.kubernetes.io/main",
    ],
)
def test_profiles_are_not_switched_off_by_an_annotation(store: Store, annotation: str) -> None:
    metadata = {"name": "x", "annotations": {annotation: "unconfined"}}
    with pytest.raises(StatusError, match="Forbidden"):
        admitted(store, "Pod", "project-1", metadata=metadata, **pod())


# -- files of configuration -----------------------------------------------------------------------------------------


@_TRIED
@given(path=_PATHS, kind=st.sampled_from(["configMap", "secret", "projected"]))
def test_a_file_of_configuration_lies_in_its_volume(
    tmp_path_factory: pytest.TempPathFactory, path: str, kind: str
) -> None:
    root = tmp_path_factory.mktemp("state")
    store = Store()
    for name in ("ConfigMap", "Secret"):
        data = "text" if name == "ConfigMap" else base64.b64encode(b"text").decode()
        metadata = {"name": "c", "namespace": "project-1"}
        store.create({"apiVersion": "v1", "kind": name, "metadata": metadata, "data": {"key": data}})
    items = [{"key": "key", "path": path}]
    sources: dict[str, Any] = {
        "configMap": {"name": "c", "items": items},
        "secret": {"secretName": "c", "items": items},
        "projected": {"sources": [{"secret": {"name": "c", "items": items}}]},
    }
    volume = {"name": "v", kind: sources[kind]}
    store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "project-1"}})
    account(store, "project-1", "default")
    unless_refused(lambda: admitted(store, "Pod", "project-1", **pod(volumes=[volume])))
    folder = root / "pods" / "1" / "v"
    # also when it was not checked before
    with contextlib.suppress(NotReadyError, OSError):
        ConfigurationVolumes(store).make(folder, "project-1", volume)
    outside = [found for found in root.rglob("*") if found.is_file() and not found.is_relative_to(folder)]
    # a file that could not be put in its place stays beside the volume, in the pod's own folder
    assert [found for found in outside if found != folder.parent / ".v.partial"] == []


@pytest.mark.parametrize("path", ["/x", "../x", "..", "a/../../x", "..x", "", "a/..", "x\0"])
def test_a_path_of_an_item_is_refused_in_the_words_of_kubernetes(store: Store, path: str) -> None:
    volume = {"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": path}]}}
    with pytest.raises(StatusError, match=r"spec\.volumes\[0\]\.configMap\.items\[0\]\.path: ") as refusal:
        admitted(store, "Pod", "project-1", **pod(volumes=[volume]))
    assert refusal.value.code == 422


@_TRIED
@given(key=_PATHS)
def test_a_key_is_the_name_of_a_file(store: Store, key: str) -> None:
    letters = all(letter.isascii() and (letter.isalnum() or letter in "-._") for letter in key)
    good = bool(key) and letters and key != "." and not key.startswith("..")
    for kind, field in _KEYED:
        made = unless_refused(functools.partial(admitted, store, kind, "project-1", **{field: {key: "YQ=="}}))
        assert (made is not None) is good


@pytest.mark.parametrize(
    "value", ["é", "\u202e", "YQ", "Y Q==", pytest.param("=", marks=needs_python_of_images), "a\n"]
)
def test_invalid_base64_is_refused_with_its_field(store: Store, value: str) -> None:
    for kind, field in (("Secret", "data"), ("ConfigMap", "binaryData")):
        with pytest.raises(StatusError, match=rf"{field}\[k\]: .*illegal base64 data"):
            admitted(store, kind, "project-1", **{field: {"k": value}})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"accessModes": ["Nope"]}, r"spec\.accessModes\[0\]: .*'Nope'"),
        ({"resources": {"requests": {"storage": "1Zi"}}}, r"spec\.resources\.requests\.storage: .*1Zi"),
        ({"resources": {"requests": {"storage": "-1Gi"}}}, r"spec\.resources\.requests\.storage: .*greater than zero"),
        ({"resources": {"requests": {"storage": 0}}}, r"spec\.resources\.requests\.storage: .*greater than zero"),
    ],
)
def test_a_claim_for_what_does_not_exist_is_refused(store: Store, spec: dict[str, Any], said: str) -> None:
    with pytest.raises(StatusError, match=said):
        admitted(store, "PersistentVolumeClaim", "project-1", spec=spec)


@pytest.mark.parametrize("mode", [0o4755, -1, "0644", True, 1.5, 0o10000])
def test_a_mode_outside_of_permissions_is_refused(store: Store, mode: Any) -> None:
    volume = {"name": "v", "secret": {"secretName": "c", "defaultMode": mode}}
    with pytest.raises(StatusError, match="defaultMode"):
        admitted(store, "Pod", "project-1", **pod(volumes=[volume]))


@pytest.mark.parametrize("path", ["/a/../..", "a", "", None, 7, "/a\0"])
def test_a_static_volume_has_a_path_of_the_node(store: Store, path: Any) -> None:
    for source in ("hostPath", "local"):
        with pytest.raises(StatusError):
            admitted(store, "PersistentVolume", None, spec={source: {"path": path}})


def test_a_volume_that_lies_elsewhere_is_refused(store: Store) -> None:
    with pytest.raises(StatusError, match="only hostPath and local"):
        admitted(store, "PersistentVolume", None, spec={"nfs": {"server": "x", "path": "/"}})


# -- paths in volumes -----------------------------------------------------------------------------------------------


def _entry(folder: Path, kind: str, name: str) -> None:
    makers: dict[str, Callable[[Path], object]] = {
        "folder": Path.mkdir,
        "file": Path.touch,
        "out": lambda path: path.symlink_to("/"),
        "up": lambda path: path.symlink_to("../.."),
        "inside": lambda path: path.symlink_to("a"),
        "loop": lambda path: path.symlink_to(name),
    }
    makers[kind](folder / name)


@_TRIED
@given(
    kinds=st.tuples(*[st.sampled_from(["folder", "file", "out", "up", "inside", "loop", ""])] * 3),
    path=st.lists(st.sampled_from(["a", "b", "c", ".", "", ".."]), max_size=5).map("/".join),
    make=st.booleans(),
)
def test_no_path_in_a_volume_leads_out_of_it(
    tmp_path_factory: pytest.TempPathFactory, kinds: tuple[str, ...], path: str, make: bool
) -> None:
    parent = tmp_path_factory.mktemp("state")
    (parent / "secret").write_text("secret")
    root = parent / "claims" / "mine"
    root.mkdir(parents=True)
    for kind, name in zip(kinds, "abc", strict=True):
        if kind:
            _entry(root, kind, name)
        if kind == "folder":
            for inner, inner_name in zip(kinds, "abc", strict=True):
                if inner:
                    _entry(root / name, inner, inner_name)
    before = sorted(parent.rglob("*"))
    try:
        found = safe_paths.make_folder(root, path, 0o777) if make else safe_paths.resolve(root, path)
    except NotReadyError:
        found = None
    if found is not None:
        assert found.resolve() == found
        assert found.is_relative_to(root)
    made = set(parent.rglob("*")) - set(before)
    assert all(entry.is_relative_to(root) for entry in made)


def test_a_file_is_not_made_behind_a_link(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "target"
    root.mkdir()
    (root / "link").symlink_to(target)
    with pytest.raises(NotReadyError):
        safe_paths.make_file(root, "link")
    assert not target.exists()


_OWN = (
    b"100 99 0:50 / / rw - overlay overlay rw\n"
    b"101 100 254:0 /var/lib/docker/volumes/v/_data /state rw - ext4 /dev/vda rw\n"
)


def escape_as_the_kernel(path: str) -> bytes:
    """Write a path as the kernel does in its tables: octal numbers for four bytes, all others as they are."""
    escapes = {byte: b"\\%03o" % byte for byte in b" \t\n\\"}
    return b"".join(escapes.get(byte, bytes([byte])) for byte in os.fsencode(path))


@pytest.mark.parametrize(
    "name",
    [
        "plain", "a b", "Jörg M", "Jörg", "漢字 と 仮名", "tab\there", "two\nlines", "back\\slash", "\\040", "a # b",
        "next\x85line \u2028", "return\r", "no-break\xa0space", "latin-1 \udcf6",
    ],
)  # fmt: skip
def test_a_mounted_folder_is_known_by_the_kernels_own_path(name: str) -> None:
    wanted = {f"/data {name}/": mounts.expected_mount(_OWN, Path("/state/claims/p", name, "sub"))}
    source, target = f"/var/lib/docker/volumes/v/_data/claims/p/{name}/sub", f"/data {name}"
    fields = [b"200", b"199", b"254:0", escape_as_the_kernel(source), escape_as_the_kernel(target)]
    good = b" ".join([*fields, b"rw - ext4 /dev/vda rw\n"])
    assert mounts.differences(_OWN + good, wanted) == []
    for bad in (
        good.replace(fields[3], b"/"),
        good.replace(b"254:0", b"254:1"),
        good + b" ".join([b"201 200 254:0 /", fields[4], b"rw - ext4 /dev/vda rw\n"]),
        good.replace(b"/sub ", b"/other "),
        b"",
    ):
        assert mounts.differences(bad, wanted) == [f"/data {name}/"]


def test_a_mount_behind_a_link_of_the_image_is_that_of_one_target() -> None:
    right, evil = mounts.Mount("254:0", "/v/mine"), "/v/others"
    wanted = {"/run/b": right, "/var/run/a": right}

    def found(*places: tuple[str, str]) -> list[str]:
        table = "".join(f"1 2 254:0 {path} {target} rw - ext4 /dev/vda rw\n" for target, path in places)
        return mounts.differences(table.encode(), wanted)

    assert found(("/run/b", right.path), ("/run/a", right.path)) == []
    assert found(("/run/b", right.path), ("/run/a", evil)) == ["/var/run/a"]
    assert found(("/run/b", evil), ("/run/a", right.path)) == ["/run/b"]
    assert found(("/run/b", right.path)) == ["/var/run/a"]


@pytest.mark.parametrize("place", ["/state of Jörg", "/st\udcf6te"])
def test_the_path_of_a_folder_is_read_from_a_table_with_any_bytes(place: str) -> None:
    own = _OWN.replace(b"/state", escape_as_the_kernel(place)).replace(b"/var/lib", escape_as_the_kernel("/disk ü"))
    found = mounts.expected_mount(own, Path(place, "claims"))
    assert found == mounts.Mount("254:0", "/disk ü/docker/volumes/v/_data/claims")


# -- rights ---------------------------------------------------------------------------------------------------------


def bind(store: Store, who: Account, rules: list[dict[str, Any]], *, cluster: bool = False) -> None:
    """Grant an account what rules say, in its namespace or everywhere."""
    scope = {} if cluster else {"namespace": who.namespace}
    prefix = "Cluster" if cluster else ""
    name = f"{who.name}-{len(list(store.list(f'{prefix}Role')))}"
    metadata = {"name": name, **scope}
    store.create({"apiVersion": _RBAC, "kind": f"{prefix}Role", "metadata": metadata, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": who.name, "namespace": who.namespace}
    reference = {"kind": f"{prefix}Role", "name": name}
    store.create(
        {
            "apiVersion": _RBAC,
            "kind": f"{prefix}RoleBinding",
            "metadata": metadata,
            "subjects": [subject],
            "roleRef": reference,
        }
    )


_EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
_READ = [{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}]


@_TRIED
@given(
    verb=st.sampled_from(["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]),
    resource=st.sampled_from(["pods", "secrets", "configmaps", "deployments", "clusterroles", "pods/log"]),
    namespace=st.sampled_from(["", "project-1", "project-2", "services"]),
)
def test_an_account_may_do_exactly_what_it_is_granted(store: Store, verb: str, resource: str, namespace: str) -> None:
    request = AccessRequest(verb, "apps" if resource == "deployments" else "", resource, namespace)
    made = Store()
    reader, powerless, chief = (account(made, "project-1", name) for name in ("reader", "powerless", "chief"))
    bind(made, reader, _READ)
    bind(made, chief, _EVERYTHING, cluster=True)
    rbac = Rbac(made)
    granted = namespace == "project-1" and resource in ("pods", "pods/log") and verb in ("get", "list")
    assert rbac.allows(reader, request) is granted
    assert not rbac.allows(powerless, request)
    assert not rbac.allows(Account("project-2", "reader"), request)
    assert rbac.allows(chief, request)


@pytest.mark.parametrize("kind", ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"])
def test_an_account_cannot_grant_rights_that_it_does_not_hold(store: Store, kind: str) -> None:
    who = account(store, "project-1", "climber")
    rules = [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["create", "update", "patch"]}]
    bind(store, who, [*rules, *_READ], cluster=True)
    rbac, what = Rbac(store), kind_named(kind)
    chief = {"rules": _EVERYTHING, "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}}
    with pytest.raises(StatusError, match="not currently held"):
        rbac.check_grant(who, what, chief, "project-1", is_whole=True)
    change = {"subjects": [{"kind": "ServiceAccount", "name": "climber", "namespace": "project-1"}]}
    with pytest.raises(StatusError, match="not currently held"):
        rbac.check_grant(who, what, change, "project-1", is_whole=False)
    if kind in ("Role", "ClusterRole"):
        rbac.check_grant(who, what, {"rules": _READ}, "project-1", is_whole=True)


@_TRIED
@given(text=st.text(max_size=80) | st.sampled_from(["kh-account.a.b.c", "kh-account...", ".", "kh-account"]))
def test_a_token_that_was_never_issued_has_no_account(store: Store, text: str) -> None:
    assert Accounts(store, "secret").find_by_token(text) is None


def test_a_token_says_whose_it_is_and_cannot_be_changed(store: Store) -> None:
    accounts = Accounts(store, "secret")
    who = account(store, "project-1", "with.dots")
    token = accounts.token(who)
    assert accounts.find_by_token(token) == who
    assert Accounts(store, "another").find_by_token(token) is None
    assert accounts.find_by_token(token.replace("with.dots", "default")) is None
    assert accounts.find_by_token(token.replace("project-1", "services")) is None
    assert accounts.find_by_token(token[:-1]) is None


def test_an_account_that_does_not_exist_is_refused(store: Store) -> None:
    for name in ("kaapana-kube-admin", "admin", "x"):
        with pytest.raises(StatusError, match=f'serviceaccount "{name}" not found') as refusal:
            admitted(store, "Pod", "project-1", **pod(serviceAccountName=name))
        assert refusal.value.code == 403


# -- networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["kaapana-harness/networks", "kaapana-harness/reachable-from"])
def test_only_the_platforms_own_objects_choose_networks(store: Store, key: str) -> None:
    metadata = {"name": "x", "annotations": {key: "platform"}}
    with pytest.raises(StatusError, match="choose networks"):
        admitted(store, "Pod", "project-1", metadata=dict(metadata), **pod())
    template = {"metadata": {"labels": {"a": "b"}, "annotations": {key: "platform"}}, **pod()}
    spec = {"template": template, "selector": {"matchLabels": {"a": "b"}}}
    with pytest.raises(StatusError, match="choose networks"):
        admitted(store, "Deployment", "project-1", spec=spec)
    for body in ({"metadata": metadata}, {"spec": spec}, [{"metadata": metadata}]):
        with pytest.raises(StatusError, match="choose networks"):
            check_for_account(kind_named("Pod"), body)
    admitted(store, "Pod", "services", metadata=metadata, **pod())


_HOST = egress.EngineHost(frozenset({"192.0.2.7", "172.17.0.1"}), frozenset({"169.254.169.254"}))


def _verdict(
    found: list[routing_rules.RoutingRule], to: str, protocol: str = "tcp", source_port: int = 4000, port: int = 80
) -> bool:
    """Whether a packet passes, judged as the kernel does: the first rule that fits decides."""
    for rule in found:
        network = ipaddress.ip_network(rule.to)
        if network.version == 4 and ipaddress.ip_address(to) in network:
            fits = rule.protocol in ("", protocol)
            if fits and rule.source_port in (0, source_port) and rule.port in (0, port):
                return rule.allowed
    return True


def test_a_way_out_leads_to_the_internet_and_the_site_and_to_nothing_of_the_host() -> None:
    joined = [egress.EngineNetwork("172.20.0.0/16", "172.20.0.1")]
    others = [
        *joined,
        egress.EngineNetwork("172.21.0.0/16", "172.21.0.1"),
        egress.EngineNetwork("172.22.0.0/16", "172.22.0.1"),
    ]
    place = egress.Egress("172.21.0.1", way_out=True, ports=(("tcp", 8443),))
    found = egress.egress_rules(place, _HOST, joined=joined, others=others, site=True)
    for to in ("198.51.100.1", "10.1.2.3", "192.168.7.7", "172.20.3.4"):
        assert _verdict(found, to)
    for to in ("192.0.2.7", "172.17.0.1", "169.254.169.254", "172.20.0.1", "172.21.0.1", "172.22.0.9", "224.0.0.251"):
        assert not _verdict(found, to)
    # names are asked for where the engine asks, and a published port answers
    assert _verdict(found, "169.254.169.254", "udp", port=53)
    assert _verdict(found, "172.21.0.1", source_port=8443)
    closed = egress.egress_rules(place, _HOST, joined=joined, others=others, site=False)
    for to in ("10.1.2.3", "192.168.7.7", "172.30.0.1", "100.64.0.1"):
        assert not _verdict(closed, to)
    for to in ("198.51.100.1", "172.20.3.4"):
        assert _verdict(closed, to)


def test_a_published_port_gives_no_internet_access() -> None:
    joined = [egress.EngineNetwork("172.20.0.0/16", "172.20.0.1")]
    place = egress.Egress("172.21.0.1", way_out=False, ports=(("tcp", 8443),))
    found = egress.egress_rules(place, _HOST, joined=joined, others=joined, site=True)
    assert [to for to in ("198.51.100.1", "10.0.0.1", "172.21.0.1", "172.21.0.9") if _verdict(found, to)] == []
    assert _verdict(found, "172.20.3.4")
    assert _verdict(found, "172.21.0.1", source_port=8443)


def test_the_host_is_known_by_the_kernels_own_table() -> None:
    survey = (
        "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n"
        "Local:\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.0.2.7\n        /32 host LOCAL\n"
        "     |-- 192.0.2.255\n        /32 link BROADCAST\n"
        "search site\nnameserver 10.0.0.53\nnameserver 127.0.0.53\nnameserver fe80::1\n"
    )
    assert egress.EngineHost.read(survey) == egress.EngineHost(frozenset({"192.0.2.7"}), frozenset({"10.0.0.53"}))
