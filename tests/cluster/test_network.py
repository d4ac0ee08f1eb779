"""Services, names and who reaches whom."""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request

import pytest

from harness.cluster import Cluster
from harness.kube import Invalid
from harness.wire import name_lookups
from tests.cluster.objects import (
    Objects,
    connect_script,
    fetch_script,
    fetched,
    http_server,
    not_on_docker,
    only_on_docker,
    python,
    shell,
)

_REACHABLE = {"kaapana-harness/reachable-from": "pods"}
_PODS = {"kaapana-harness/networks": "pods"}


@pytest.fixture
def web(platform: Objects) -> Objects:
    """A service of the platform that processing pods may reach, ready."""
    platform.service("web-service", 8080, "web", annotations=_REACHABLE)
    platform.ready(platform.pod(http_server(8080, "from the web"), labels={"app": "web"}, annotations=_PODS))
    return platform


@pytest.mark.parametrize("end", ["", ".svc", ".svc.cluster.local"])
def test_a_service_has_the_names_that_it_has_on_kubernetes(web: Objects, project: Objects, end: str) -> None:
    url = f"http://web-service.{web.namespace}{end}:8080/"
    assert project.output(python(fetch_script(url, reached=True))) == "from the web"


def test_a_service_gets_its_names_also_after_its_pod(platform: Objects, project: Objects) -> None:
    platform.ready(platform.pod(http_server(8080, "late"), labels={"app": "late"}, annotations=_PODS))
    platform.service("late-service", 8080, "late", annotations=_REACHABLE)
    script = (
        "import urllib.request, time\n"
        "for _ in range(50):\n"
        f" try: print(urllib.request.urlopen('http://late-service.{platform.namespace}.svc:8080/', timeout=2)"
        ".read().decode()); break\n"
        " except OSError: time.sleep(0.1)"
    )
    assert project.output(python(script)) == "late"


def test_an_external_name_leads_to_the_service_it_names(web: Objects, project: Objects) -> None:
    target = f"web-service.{web.namespace}.svc.cluster.local"
    project.create("Service", "other-name", spec={"type": "ExternalName", "externalName": target})
    other = f"http://other-name.{project.namespace}.svc:8080/"
    # the names of a running pod change in the background
    script = (
        "import urllib.request, time\n"
        "for _ in range(50):\n"
        f" try: print(urllib.request.urlopen('{other}', timeout=2).read().decode()); break\n"
        " except OSError: time.sleep(0.1)"
    )
    assert project.output(python(script)) == "from the web"


def test_a_processing_pod_does_not_reach_a_service_that_is_not_open_to_it(platform: Objects, project: Objects) -> None:
    # a port that is in none of the platform's policies
    platform.service("inner-service", 6001, "inner")
    server = platform.pod(http_server(6001, "inner"), labels={"app": "inner"})
    address = platform.ready(server)["status"]["podIP"]
    for host in (f"inner-service.{platform.namespace}.svc", address):
        assert "no route" in project.output(python(fetch_script(f"http://{host}:6001/")))
        assert platform.output(python(fetch_script(f"http://{address}:6001/", reached=True))) == "inner"


def test_pods_of_two_projects_do_not_reach_each_other(cluster: Cluster, project: Objects, other: Objects) -> None:
    not_on_docker(cluster, "all pods of projects are on one network")
    server = other.pod(http_server(8080, "other"))
    address = other.ready(server)["status"]["podIP"]
    assert "no route" in project.output(python(fetch_script(f"http://{address}:8080/")))


def test_a_labelled_pod_gets_out_where_this_machine_does(project: Objects) -> None:
    # an address that is reserved for documentation: where it can be reached at all, an interceptor answers
    try:
        urllib.request.urlopen("http://198.51.100.1/", timeout=2)
    except urllib.error.HTTPError:
        pass
    except OSError:
        pytest.skip("this machine has no way to an address outside that does no harm")
    labels = {"network-access-external-ips": "true"}
    assert "connected" in project.output(python(connect_script("198.51.100.1", 80)), labels=labels)


def test_only_a_labelled_pod_is_on_a_network_with_a_way_out(cluster: Cluster, project: Objects) -> None:
    only_on_docker(cluster, "on Kubernetes every pod has one network, and policies on it")
    script = "import os; print(len(os.listdir('/sys/class/net')))"
    inside = int(project.output(python(script)))
    assert int(project.output(python(script), labels={"network-access-external-ips": "true"})) == inside + 1


def test_a_processing_pod_does_not_get_out(project: Objects) -> None:
    # an address that is reserved for documentation: where it can be reached at all, an interceptor answers
    assert "no route" in project.output(python(connect_script("198.51.100.1", 80)))


def test_a_name_that_does_not_exist_is_refused_at_once_and_noted(cluster: Cluster, project: Objects) -> None:
    only_on_docker(cluster, "Kubernetes asks the site's name servers, and notes nothing")
    script = (
        "import socket, time\n"
        "t = time.monotonic()\n"
        "try: socket.getaddrinfo('weights.example.com', 443)\n"
        "except socket.gaierror as e: print(e.errno == socket.EAI_NONAME, time.monotonic() - t < 1)"
    )
    name = project.pod(python(script))
    project.end(name)
    assert project.log(name) == "True True"
    events = [event for event in project.api.list("Event", project.namespace) if event["reason"] == "UnknownName"]
    assert [event["involvedObject"]["name"] for event in events] == [name]
    assert events[0]["message"].startswith("weights.example.com does not resolve")
    noted = name_lookups.read_event(events[0])
    assert noted == name_lookups.UnresolvedName("weights.example.com", label="network-access-external-ips")


def test_a_service_without_a_way_to_it_is_noted_with_the_label_that_opens_it(
    cluster: Cluster, platform: Objects, project: Objects
) -> None:
    only_on_docker(cluster, "Kubernetes asks the site's name servers, and notes nothing")
    platform.service("ctp-dicom-service", 11112, "ctp", annotations={"kaapana-harness/reachable-from": "ctp"})
    asked = f"ctp-dicom-service.{platform.namespace}.svc"
    project.end(project.pod(shell(f"getent hosts {asked}; exit 0")))
    (noted,) = filter(None, map(name_lookups.read_event, project.api.list("Event", project.namespace)))
    assert noted == name_lookups.UnresolvedName(asked, service=True, label="network-access-ctp")


def test_the_status_of_a_pod_has_its_addresses_on_all_networks(
    cluster: Cluster, platform: Objects, project: Objects
) -> None:
    only_on_docker(cluster, "a pod of Kubernetes has one network")
    name = project.pod(shell("sleep 600"), labels={"network-access-ctp": "true"})
    status = project.until("Pod", name, lambda found: "podIPs" in (found.get("status") or {}))["status"]
    assert len({entry["ip"] for entry in status["podIPs"]}) == 2
    assert status["podIPs"][0]["ip"] == status["podIP"]


def test_the_names_that_pods_ask_for_at_their_very_start_are_all_noted(cluster: Cluster, project: Objects) -> None:
    only_on_docker(cluster, "Kubernetes asks the site's name servers, and notes nothing")
    names = [project.pod(shell(f"getent hosts n{number}.example.com; exit 0")) for number in range(12)]
    for name in names:
        project.end(name)
    events = [event for event in project.api.list("Event", project.namespace) if event["reason"] == "UnknownName"]
    noted = {event["involvedObject"]["name"]: event["message"].partition(" ")[0] for event in events}
    assert noted == {name: f"n{number}.example.com" for number, name in enumerate(names)}


@pytest.mark.parametrize(("labels", "expected"), [({}, False), ({"network-access-ctp": "true"}, True)])
def test_only_a_labelled_pod_reaches_the_receiver(
    platform: Objects, project: Objects, labels: dict[str, str], expected: bool
) -> None:
    platform.service("ctp-dicom-service", 11112, "ctp", annotations={"kaapana-harness/reachable-from": "ctp"})
    on_ctp = {"kaapana-harness/networks": "ctp"}
    platform.ready(platform.pod(http_server(11112, "ctp"), labels={"app": "ctp"}, annotations=on_ctp))
    url = f"http://ctp-dicom-service.{platform.namespace}.svc:11112/"
    assert (project.output(python(fetch_script(url, reached=expected)), labels=labels) == "ctp") is expected


def test_a_processing_pod_does_not_reach_the_kubernetes_api(cluster: Cluster, project: Objects) -> None:
    port = 6443 if cluster.name == "docker" else 443
    assert "no route" in project.output(python(connect_script("kubernetes.default.svc", port)))


_LIST_NAMESPACES = (
    "from harness.kube import KubeApi\n"
    "api = KubeApi.in_cluster()\n"
    "print([n['metadata']['name'] for n in api.list('Namespace') if n['metadata']['name'] == 'default'])"
)


def test_a_pod_with_a_service_account_uses_the_api(cluster: Cluster, platform: Objects) -> None:
    name = f"chief-{secrets.token_hex(3)}"
    platform.create("ServiceAccount", name)
    subject = {"kind": "ServiceAccount", "name": name, "namespace": platform.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name}}
    cluster.api.create({**binding, "subjects": [subject], "roleRef": role})
    try:
        assert platform.output(python(_LIST_NAMESPACES), serviceAccountName=name) == "['default']"
    finally:
        cluster.api.delete("ClusterRoleBinding", None, name)


def test_a_pod_may_not_use_what_belongs_to_the_harness(cluster: Cluster, platform: Objects) -> None:
    only_on_docker(cluster, "Kubernetes has nothing of the harness in its API")
    script = (
        "from harness.kube import KubeApi, Forbidden\n"
        "try: KubeApi.in_cluster().request('POST', '/harness/keep')\n"
        "except Forbidden as e: print('forbidden')"
    )
    platform.create("ServiceAccount", "alice")
    assert platform.output(python(script), serviceAccountName="alice") == "forbidden"


def test_a_node_port_is_reached_from_the_test_and_survives_a_restart(cluster: Cluster, platform: Objects) -> None:
    platform.service("open-service", 8080, "open", type="NodePort")
    name = platform.pod(http_server(8080, "open"), labels={"app": "open"}, restartPolicy="Always")
    address = cluster.address(platform.namespace, "open-service", 8080)
    platform.ready(name)
    assert fetched(f"http://{address[0]}:{address[1]}/") == b"open"
    assert cluster.address(platform.namespace, "open-service", 8080) == address


def test_a_port_that_would_have_to_be_mapped_is_refused_by_name(cluster: Cluster, project: Objects) -> None:
    only_on_docker(cluster, "Kubernetes maps it")
    with pytest.raises(Invalid, match=r"spec\.ports\[0\]\.targetPort: 8080 differs from port 80"):
        project.create("Service", "web", spec={"selector": {"app": "a"}, "ports": [{"port": 80, "targetPort": 8080}]})


def test_a_service_of_a_named_port_with_another_number_is_refused(cluster: Cluster, project: Objects) -> None:
    only_on_docker(cluster, "Kubernetes maps it")
    project.pod(http_server(8080) | {"ports": [{"name": "http", "containerPort": 8080}]}, labels={"app": "named"})
    with pytest.raises(Invalid, match="must be the same"):
        project.create(
            "Service", "web", spec={"selector": {"app": "named"}, "ports": [{"port": 80, "targetPort": "http"}]}
        )
