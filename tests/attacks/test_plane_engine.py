"""On a real engine, a pod only reaches its own volumes, rights and networks."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from harness.cluster import Cluster
from harness.kube import ApiError, Forbidden, Invalid
from harness.wire.names import LABEL_NETWORK_EXTERNAL
from tests.cluster.conftest import (  # noqa: F401
    cluster,
    other,
    platform,
    project,
    services_image,
    settings,
)
from tests.cluster.objects import Objects, connect_script, http_server, only_on_docker, python, shell

_OUT = {LABEL_NETWORK_EXTERNAL: "true"}
_RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture(autouse=True)
def _on_docker(cluster: Cluster) -> None:  # noqa: F811
    only_on_docker(cluster, "Kubernetes has answers of its own")


def _claim(name: str) -> dict[str, Any]:
    return {"name": "data", "persistentVolumeClaim": {"claimName": name}}


def _mount(sub_path: str, at: str = "/stolen") -> dict[str, Any]:
    return {"name": "data", "mountPath": at, "subPath": sub_path}


# -- volumes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "sub_path"),
    [
        ("ln -s / /data/link", "link"),
        ("ln -s / /data/link", "link/etc"),
        ("ln -s ../.. /data/link", "link"),
        ("ln -s /proc/1/root /data/link", "link"),
        ("mkdir -p /data/a && ln -s ../../.. /data/a/link", "a/link/x"),
        ("ln -s data /data/link && ln -s / /data/second", "second"),
        ("mkfifo /data/link", "link"),
    ],
)
def test_a_link_in_a_claim_is_not_followed(project: Objects, link: str, sub_path: str) -> None:  # noqa: F811
    project.claim("data")
    volumes = [_claim("data")]
    project.output(shell(link, volumeMounts=[{"name": "data", "mountPath": "/data"}]), volumes=volumes)
    thief = project.pod(shell("ls /stolen", volumeMounts=[_mount(sub_path)]), volumes=volumes)
    assert "link" in project.waiting(thief, "CreateContainerError")


def test_a_link_below_a_path_of_the_node_is_not_followed(project: Objects) -> None:  # noqa: F811
    home = {"name": "data", "hostPath": {"path": "/home"}}
    mounts = [{"name": "data", "mountPath": "/data"}]
    project.output(shell("ln -s / /data/link && ln -s ../../claims /data/claims", volumeMounts=mounts), volumes=[home])
    for path in ("/home/link", "/home/link/etc", "/home/claims"):
        volumes = [{"name": "data", "hostPath": {"path": path}}]
        thief = project.pod(shell("ls /data", volumeMounts=mounts), volumes=volumes)
        assert "link" in project.waiting(thief, "ContainerCreating")


def test_a_project_does_not_see_the_node_paths_of_another(project: Objects, other: Objects) -> None:  # noqa: F811
    mounts = [{"name": "data", "mountPath": "/data"}]
    volumes = [{"name": "data", "hostPath": {"path": "/"}}]
    project.output(shell("echo mine > /data/secret", volumeMounts=mounts), volumes=volumes)
    assert other.output(shell("ls -A /data", volumeMounts=mounts), volumes=volumes) == ""
    assert project.output(shell("ls -A /data", volumeMounts=mounts), volumes=volumes) == "secret"


def test_a_link_on_the_path_of_a_static_volume_is_not_followed(
    cluster: Cluster,  # noqa: F811
    project: Objects,  # noqa: F811
) -> None:
    name, root = f"v{secrets.token_hex(3)}", f"/srv/{secrets.token_hex(3)}"
    mounts = [{"name": "data", "mountPath": "/data"}]
    try:
        for number, path in enumerate((root, f"{root}/link/claims")):
            volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{name}-{number}"}}
            reference = {"namespace": project.namespace, "name": f"claim-{number}"}
            cluster.api.create(volume | {"spec": {"hostPath": {"path": path}, "claimRef": reference}})
            project.create("PersistentVolumeClaim", f"claim-{number}", spec={"volumeName": f"{name}-{number}"})
        link = shell("ln -s ../../.. /data/link", volumeMounts=mounts)
        project.output(link, volumes=[_claim("claim-0")])
        thief = project.pod(shell("ls /data", volumeMounts=mounts), volumes=[_claim("claim-1")])
        assert "link" in project.waiting(thief, "ContainerCreating")
    finally:
        for number in (0, 1):
            cluster.api.delete("PersistentVolume", None, f"{name}-{number}")


def test_a_claim_that_says_it_is_bound_does_not_get_the_volume_of_another(
    cluster: Cluster,  # noqa: F811
    project: Objects,  # noqa: F811
    other: Objects,  # noqa: F811
) -> None:
    name = f"v{secrets.token_hex(3)}"
    reference = {"namespace": project.namespace, "name": "data"}
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}}
    cluster.api.create(volume | {"spec": {"hostPath": {"path": f"/srv/{name}"}, "claimRef": reference}})
    try:
        project.create("PersistentVolumeClaim", "data", spec={"volumeName": name})
        other.create("PersistentVolumeClaim", "data", spec={"volumeName": name}, status={"phase": "Bound"})
        mounts = [{"name": "data", "mountPath": "/data"}]
        project.output(shell("true", volumeMounts=mounts), volumes=[_claim("data")])
        thief = other.pod(shell("ls /data", volumeMounts=mounts), volumes=[_claim("data")])
        assert "different claim" in other.waiting(thief, "ContainerCreating")
    finally:
        cluster.api.delete("PersistentVolume", None, name)


def test_a_path_that_becomes_a_link_while_it_is_mounted_does_not_stay_mounted(project: Objects) -> None:  # noqa: F811
    project.claim("data")
    volumes, whole = [_claim("data")], [{"name": "data", "mountPath": "/data"}]
    script = (
        "import os\n"
        "os.mkdir('/data/x'); os.symlink('/', '/data/y')\n"
        "while True:\n"
        " os.rename('/data/x', '/data/z'); os.rename('/data/y', '/data/x')\n"
        " os.rename('/data/x', '/data/y'); os.rename('/data/z', '/data/x')\n"
    )
    racer = project.pod(python(script, volumeMounts=whole), volumes=volumes)
    project.until("Pod", racer, lambda pod: pod["status"].get("phase") == "Running")
    # a look that is not lost: the root of a container of this image has no folder of the engine
    look = "sleep 1; if [ -e /stolen/var/lib/docker ] || [ -e /stolen/proc/1 ]; then echo stolen; else echo safe; fi"
    for _ in range(6):
        thief = project.pod(shell(look, volumeMounts=[_mount("x")]), volumes=volumes)
        ended = project.until(
            "Pod",
            thief,
            lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed") or "waiting" in str(pod["status"]),
        )
        if ended["status"]["phase"] == "Succeeded":
            assert project.log(thief) == "safe"


def test_a_folder_of_a_claim_is_mounted_as_before(project: Objects) -> None:  # noqa: F811
    project.claim("data")
    volumes = [_claim("data")]
    script = shell("echo one > /a/file; cat /b/c/file", volumeMounts=[_mount("a/b/c", "/a"), _mount("a/b", "/b")])
    assert project.output(script, volumes=volumes) == "one"


# -- rights ---------------------------------------------------------------------------------------------------------


def _asks(verb: str, path: str) -> dict[str, Any]:
    script = (
        "from harness.kube import ApiError, KubeApi\n"
        f"try: KubeApi.in_cluster().request({verb!r}, {path!r}); print('granted')\n"
        "except ApiError as e: print(type(e).__name__, e)"
    )
    return python(script)


def test_an_unknown_service_account_is_refused(project: Objects) -> None:  # noqa: F811
    with pytest.raises(Forbidden, match='serviceaccount "chief" not found'):
        project.pod(shell("true"), serviceAccountName="chief")


def test_a_pod_of_the_default_account_has_no_token(project: Objects) -> None:  # noqa: F811
    look = "ls /var/run/secrets/kubernetes.io/serviceaccount/token 2>&1 || env | grep -c KUBERNETES_SERVICE"
    name = project.pod(shell(look))
    project.end(name)
    assert "No such file" in project.log(name)


def test_an_account_may_do_what_its_role_grants_and_nothing_else(platform: Objects, cluster: Cluster) -> None:  # noqa: F811
    name = f"reader-{secrets.token_hex(3)}"
    platform.create("ServiceAccount", name)
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    platform.create("Role", name, _RBAC, rules=rules)
    subject = {"kind": "ServiceAccount", "name": name, "namespace": platform.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    platform.create("RoleBinding", name, _RBAC, subjects=[subject], roleRef=role)
    base = f"/api/v1/namespaces/{platform.namespace}"
    assert platform.output(_asks("GET", f"{base}/configmaps"), serviceAccountName=name) == "granted"
    for verb, path in (
        ("GET", f"{base}/secrets"),
        ("GET", "/api/v1/namespaces/admin/configmaps"),
        ("GET", "/api/v1/configmaps"),
        ("DELETE", f"{base}/configmaps"),
        ("GET", f"{base}/pods/x/log"),
        ("POST", "/harness/keep"),
    ):
        assert "Forbidden" in platform.output(_asks(verb, path), serviceAccountName=name), path


def test_an_account_without_a_role_has_no_rights(platform: Objects) -> None:  # noqa: F811
    name = f"missing-{secrets.token_hex(3)}"
    platform.create("ServiceAccount", name)
    assert "cannot list resource" in platform.output(_asks("GET", "/api/v1/secrets"), serviceAccountName=name)


def test_the_token_of_an_account_that_was_made_again_is_another(platform: Objects, cluster: Cluster) -> None:  # noqa: F811
    name = f"twice-{secrets.token_hex(3)}"
    platform.create("ServiceAccount", name)
    script = "cat /var/run/secrets/kubernetes.io/serviceaccount/token"
    first = platform.output(shell(script), serviceAccountName=name)
    cluster.api.delete("ServiceAccount", platform.namespace, name)
    cluster.api.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": platform.namespace}}
    )
    assert platform.output(shell(script), serviceAccountName=name) != first


# -- privileges -----------------------------------------------------------------------------------------------------


def test_a_container_has_no_more_capabilities_than_the_engine_gives(project: Objects) -> None:  # noqa: F811
    everything = {"add": ["CHOWN", "NET_RAW", "MKNOD"]}
    script = "grep CapEff /proc/self/status"
    plain = project.output(shell(script))
    assert project.output(shell(script, securityContext={"capabilities": everything})) == plain


def test_the_control_plane_runs_with_the_least_it_needs(cluster: Cluster) -> None:  # noqa: F811
    text = subprocess.run(["docker", "inspect", cluster.control_plane], capture_output=True, check=True, text=True)  # type: ignore[attr-defined]
    host = json.loads(text.stdout)[0]["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
    assert sorted(name.removeprefix("CAP_") for name in host["CapAdd"]) == [
        "DAC_OVERRIDE",
        "FOWNER",
        "NET_BIND_SERVICE",
    ]
    assert "no-new-privileges" in host["SecurityOpt"]


# -- networks -------------------------------------------------------------------------------------------------------


@pytest.fixture
def on_the_host() -> Iterator[int]:
    """A port on which this process listens at every address of the host."""
    with socket.create_server(("0.0.0.0", 0)) as listening:
        yield listening.getsockname()[1]


def _addresses() -> list[str]:
    text = subprocess.run(["hostname", "-I"], capture_output=True, check=True, text=True).stdout
    return [address for address in text.split() if ":" not in address]


_TRY = (
    "import json, socket, sys\n"
    "def reached(host, port):\n"
    " try: socket.create_connection((host, port), timeout=2); return True\n"
    " except OSError: return False\n"
)


def _reached(objects: Objects, targets: list[tuple[str, int]], **pod: Any) -> list[str]:
    """Those of the targets that a pod reaches, and the gateways of all its networks."""
    script = _TRY + (
        "gateways = []\n"
        "for line in open('/proc/net/route').read().splitlines()[1:]:\n"
        " name, to, via, flags, _, _, _, mask = line.split()[:8]\n"
        " network = int.from_bytes(bytes.fromhex(to), 'little')\n"
        " if network: gateways.append(socket.inet_ntoa((network + 1).to_bytes(4, 'big')))\n"
        f"targets = {targets!r}\n"
        "port = targets[0][1]\n"
        "targets += [(gateway, port) for gateway in gateways]\n"
        "print(json.dumps([host for host, port in targets if reached(host, port)]))\n"
    )
    found: list[str] = json.loads(objects.output(python(script), **pod))
    return found


@pytest.mark.parametrize("labels", [{}, _OUT])
def test_a_pod_does_not_reach_the_host(
    project: Objects,  # noqa: F811
    on_the_host: int,
    labels: dict[str, str],
) -> None:
    targets = [(address, on_the_host) for address in _addresses()]
    assert _reached(project, targets, labels=labels) == []


def test_a_pod_with_a_way_out_does_not_reach_link_local_addresses(project: Objects) -> None:  # noqa: F811
    assert "no route" in project.output(python(connect_script("169.254.169.254", 80)), labels=_OUT)


def test_a_pod_with_a_way_out_does_not_reach_the_control_plane_or_published_services(
    cluster: Cluster,  # noqa: F811
    platform: Objects,  # noqa: F811
    project: Objects,  # noqa: F811
) -> None:
    platform.service("push-service", 5001, "push", type="NodePort")
    platform.ready(platform.pod(http_server(5001, "push"), labels={"app": "push"}))
    targets: list[tuple[str, int]] = []
    text = subprocess.run(["docker", "ps", "-q"], capture_output=True, check=True, text=True).stdout
    records = json.loads(
        subprocess.run(["docker", "inspect", *text.split()], capture_output=True, check=False, text=True).stdout
    )
    prefix = cluster.control_plane  # type: ignore[attr-defined]
    for record in records:
        if record["Name"].startswith(f"/{prefix}"):
            port = 6443 if record["Name"] == f"/{prefix}" else 5001
            networks = record["NetworkSettings"]["Networks"].values()
            targets += [(network["IPAddress"], port) for network in networks if network["IPAddress"]]
    assert len(targets) >= 4
    assert _reached(project, targets, labels=_OUT) == []


def test_two_pods_with_a_way_out_do_not_meet_on_it(project: Objects, other: Objects) -> None:  # noqa: F811
    script = (
        "import http.server, json, socket\n"
        "print(json.dumps([socket.inet_ntoa(bytes.fromhex(l.split()[1])[::-1])"
        " for l in open('/proc/net/route').read().splitlines()[1:]]), flush=True)\n"
        "http.server.ThreadingHTTPServer(('', 8080), http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    server = project.pod(python(script, readinessProbe={"tcpSocket": {"port": 8080}}), labels=_OUT)
    project.ready(server)
    subnets = json.loads(project.log(server).splitlines()[0])
    assert len(subnets) == 3
    text = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"name={server}_network"], capture_output=True, check=True, text=True
    ).stdout
    record = json.loads(subprocess.run(["docker", "inspect", text.split()[0]], capture_output=True, check=True).stdout)
    out = [
        entry["IPAddress"] for name, entry in record[0]["NetworkSettings"]["Networks"].items() if name.endswith("-out")
    ]
    assert len(out) == 1
    assert "no route" in other.output(python(connect_script(out[0], 8080)), labels=_OUT)


def test_a_pod_with_a_way_out_cannot_write_packets_past_its_guard(project: Objects) -> None:  # noqa: F811
    script = (
        "import socket\n"
        "for family, kind in ((socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_INET, socket.SOCK_RAW)):\n"
        " try: socket.socket(family, kind, 1); print('open')\n"
        " except PermissionError: print('refused')"
    )
    container = python(script, securityContext={"capabilities": {"add": ["NET_RAW"]}})
    assert project.output(container, labels=_OUT) == "refused\nrefused"


def test_a_published_pod_answers_the_host_and_has_no_way_out(
    cluster: Cluster,  # noqa: F811
    project: Objects,  # noqa: F811
    on_the_host: int,
) -> None:
    project.service("open-service", 8080, "open", type="NodePort")
    project.ready(project.pod(http_server(8080, "open"), labels={"app": "open"}))
    host, port = cluster.address(project.namespace, "open-service", 8080)
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert connection.recv(12).startswith(b"HTTP/1.0 200")
    project.service("shut-service", 8081, "shut", type="NodePort")
    targets = [("198.51.100.1", 80), *((address, on_the_host) for address in _addresses())]
    assert _reached(project, targets, labels={"app": "shut"}) == []


def test_a_guarded_pod_keeps_its_guard_when_services_change(
    project: Objects,  # noqa: F811
    on_the_host: int,
) -> None:
    targets = [(address, on_the_host) for address in _addresses()] + [("169.254.169.254", 80)]
    script = _TRY + (
        "import time\n"
        "end = time.monotonic() + 60\n"
        "def known():\n"
        " try: socket.getaddrinfo('new-service', 80); return True\n"
        " except OSError: return False\n"
        "before = reached('198.51.100.1', 80)\n"
        "while not known() and time.monotonic() < end: time.sleep(0.2)\n"
        f"found = [host for host, port in {targets!r} if reached(host, port)]\n"
        "print(known(), found, reached('198.51.100.1', 80) is before)\n"
        # the names become known before the engine is done: it fails if a container ends in between
        "time.sleep(600)"
    )
    name = project.pod(python(script), labels={"app": "late"} | _OUT)
    project.until("Pod", name, lambda pod: pod["status"].get("phase") == "Running")
    project.service("new-service", 8080, "late")
    # the name is known, none of the targets is reached, and the internet is or is not as before
    assert next(project.api.logs(project.namespace, name, follow=True)) == "True [] True"


@pytest.mark.parametrize("key", ["kaapana-harness/networks", "kaapana-harness/reachable-from"])
def test_a_project_does_not_choose_networks(project: Objects, key: str) -> None:  # noqa: F811
    with pytest.raises(Invalid, match="only the platform's own objects choose networks"):
        project.pod(shell("true"), annotations={key: "platform"})
    with pytest.raises(Invalid, match="only the platform's own objects choose networks"):
        project.service("x", 80, "x", annotations={key: "platform"})


def test_a_service_account_does_not_choose_networks_whatever_it_may_do(
    cluster: Cluster,  # noqa: F811
    platform: Objects,  # noqa: F811
) -> None:
    name = f"chief-{secrets.token_hex(3)}"
    platform.create("ServiceAccount", name)
    subject = {"kind": "ServiceAccount", "name": name, "namespace": platform.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"apiVersion": _RBAC, "kind": "ClusterRoleBinding", "metadata": {"name": name}}
    cluster.api.create({**binding, "subjects": [subject], "roleRef": role})
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-pod",
            "namespace": platform.namespace,
            "annotations": {"kaapana-harness/networks": "pods"},
        },
        "spec": {"containers": [shell("true")]},
    }
    script = (
        "from harness.kube import ApiError, KubeApi\n"
        f"try: KubeApi.in_cluster().create({manifest!r}); print('created')\n"
        "except ApiError as e: print(e)"
    )
    try:
        answer = platform.output(python(script), serviceAccountName=name)
    finally:
        cluster.api.delete("ClusterRoleBinding", None, name)
    assert "only the platform's own objects choose networks" in answer
    with pytest.raises(ApiError):
        cluster.api.get("Pod", platform.namespace, f"{name}-pod")


def test_a_pod_with_a_way_out_has_its_host_aliases(project: Objects) -> None:  # noqa: F811
    aliases = [{"ip": "192.0.2.1", "hostnames": ["somewhere.example.com"]}]
    script = shell("grep somewhere /etc/hosts")
    for labels in ({}, _OUT):
        assert project.output(script, labels=labels, hostAliases=aliases).split() == [
            "192.0.2.1",
            "somewhere.example.com",
        ]
