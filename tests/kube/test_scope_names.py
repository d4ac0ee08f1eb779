"""Objects on their way to a shared cluster and back: what changes, and what stays."""

from __future__ import annotations

from typing import Any

import pytest

from harness.kube import scope_names
from harness.platform import helm, projects

PREFIX = "kh-1a2b-"


def scoped(manifest: dict[str, Any], **more: Any) -> dict[str, Any]:
    return scope_names.scope_object(manifest, PREFIX, **{"images": {}, "aliases": [], **more})


def pod(**spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "local-only/a:1"}]
    return {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "project-x"},
        "spec": {"containers": containers, **spec},
    }


def service(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/namespaces/services/pods/a/log", "/api/v1/namespaces/kh-1a2b-services/pods/a/log"),
        ("/apis/apps/v1/namespaces/project-x/deployments", "/apis/apps/v1/namespaces/kh-1a2b-project-x/deployments"),
        ("/api/v1/namespaces/admin", "/api/v1/namespaces/kh-1a2b-admin"),
        ("/api/v1/namespaces", "/api/v1/namespaces"),
        ("/api/v1/nodes", "/api/v1/nodes"),
        ("/version", "/version"),
    ],
)
def test_a_path_names_the_namespace_that_the_cluster_has(path: str, expected: str) -> None:
    assert scope_names.scope_path(PREFIX, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/namespaces", True),
        ("/api/v1/namespaces/a", True),
        ("/apis/batch/v1/namespaces/a/jobs", True),
        ("/api/v1/persistentvolumes/a", False),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", False),
    ],
)
def test_cluster_scoped_objects_are_distinguished(path: str, expected: bool) -> None:
    assert scope_names.is_namespaced(path) is expected


def test_a_sent_object_is_not_changed_and_comes_back_as_it_was() -> None:
    before = {
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "services"},
        "data": {"namespace": "services"},
    }
    sent = scoped(before)
    assert before["metadata"] == {"name": "a", "namespace": "services"}
    assert sent["metadata"]["namespace"] == "kh-1a2b-services"
    assert sent["metadata"]["labels"] == {"kaapana-harness.environment": "1a2b"}
    assert sent["data"] == {"namespace": "services"}
    assert scope_names.unscope(sent, PREFIX)["metadata"]["namespace"] == "services"


def test_a_list_comes_back_with_the_names_that_the_platform_has() -> None:
    answer = {
        "kind": "NamespaceList",
        "items": [{"metadata": {"name": "kh-1a2b-services"}}, {"metadata": {"name": "kh-1a2b-project-x"}}],
    }
    names = [item["metadata"]["name"] for item in scope_names.unscope(answer, PREFIX)["items"]]
    assert names == ["services", "project-x"]
    event = {"kind": "Event", "metadata": {"namespace": "kh-1a2b-a"}, "involvedObject": {"namespace": "kh-1a2b-a"}}
    assert scope_names.unscope(event, PREFIX)["involvedObject"]["namespace"] == "a"


def test_pods_and_what_makes_pods_get_names_images_and_no_priority() -> None:
    aliases = [{"ip": "10.0.0.1", "hostnames": ["minio-service.services.svc"]}]
    images = {"local-only/a:1": "registry:5000/a@sha256:1"}
    plain = pod(priorityClassName="kaapana-low-priority")
    template = {"metadata": {}, "spec": plain["spec"]}
    made = {
        "Pod": plain,
        "Deployment": {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": template}},
        "CronJob": {
            "kind": "CronJob",
            "metadata": {"name": "c"},
            "spec": {"jobTemplate": {"spec": {"template": template}}},
        },
    }
    for manifest in made.values():
        (spec,) = scope_names.pod_specs(scoped(manifest, images=images, aliases=aliases))
        assert spec["hostAliases"] == aliases
        assert spec["containers"][0]["image"] == "registry:5000/a@sha256:1"
        assert "priorityClassName" not in spec


def test_services_take_no_port_of_a_node_and_no_load_balancer() -> None:
    for kind in ("NodePort", "LoadBalancer"):
        sent = scoped(service("services", "a", type=kind, ports=[{"port": 80, "nodePort": 30001}]))
        assert sent["spec"] == {"type": "ClusterIP", "ports": [{"port": 80}]}
    external = service("admin", "a", type="ExternalName", externalName="b.services.svc.cluster.local")
    assert scoped(external)["spec"]["externalName"] == "b.kh-1a2b-services.svc.cluster.local"
    outside = service("admin", "a", type="ExternalName", externalName="example.org")
    assert scoped(outside)["spec"]["externalName"] == "example.org"


def test_the_policies_of_a_project_lead_to_the_environments_own_namespaces_and_the_clusters_dns() -> None:
    values = {
        "global": {"registry_url": ""},
        "project": "x",
        "credentials": dict.fromkeys(("oidc_client_secret", "system_user_password", "project_user_password"), "x"),
    }
    rendered = helm.find().render(projects.CHART, values, release="x", namespace="admin")
    policies = [scoped(manifest) for manifest in rendered if manifest["kind"] == "NetworkPolicy"]
    named = set()
    for policy in policies:
        rules = [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]
        for peer in (peer for rule in rules for peer in [*rule.get("from", []), *rule.get("to", [])]):
            selector = peer.get("namespaceSelector") or {}
            named |= set((selector.get("matchLabels") or {}).values())
            named |= {value for entry in selector.get("matchExpressions") or () for value in entry["values"]}
    assert named == {"kube-system", "kh-1a2b-services", "kh-1a2b-admin"}


def test_pods_find_services_under_all_names_that_the_platform_gives_them() -> None:
    found = scope_names.host_aliases(
        [
            service("services", "minio-service", clusterIP="10.0.0.1"),
            service("services", "headless", clusterIP="None"),
            service("services", "keycloak", clusterIP="10.0.0.2"),
            service("admin", "keycloak", externalName="keycloak.kh-1a2b-services.svc.cluster.local"),
            service("admin", "outside", externalName="example.org"),
        ],
        PREFIX,
    )
    assert found == [
        {
            "ip": "10.0.0.1",
            "hostnames": [
                "minio-service.services",
                "minio-service.services.svc",
                "minio-service.services.svc.cluster.local",
            ],
        },
        {
            "ip": "10.0.0.2",
            "hostnames": sorted(
                f"keycloak.{namespace}{end}"
                for namespace in ("services", "admin")
                for end in ("", ".svc", ".svc.cluster.local")
            ),
        },
    ]


def test_a_claim_gets_the_storage_class_of_the_settings_unless_it_names_one() -> None:
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": {}}
    assert scoped(claim, storage_class="fast")["spec"] == {"storageClassName": "fast"}
    own = {**claim, "spec": {"storageClassName": "slow"}}
    assert scoped(own, storage_class="fast")["spec"] == {"storageClassName": "slow"}
    assert scoped(claim)["spec"] == {}


@pytest.mark.parametrize(
    ("namespace", "prefix", "environment"),
    [
        ("kh-1a2b-services", "kh-1a2b-", "1a2b"),
        ("services", "", ""),
        ("kh-Services", "", ""),
        ("project-kh-1-a", "", ""),
    ],
)
def test_a_pod_knows_its_environment_by_the_name_of_its_namespace(
    namespace: str, prefix: str, environment: str
) -> None:
    assert scope_names.find_prefix(namespace) == prefix
    assert scope_names.environment_of(prefix) == environment
