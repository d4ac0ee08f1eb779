"""Objects of our own charts, with each interface to Helm on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.extension.charts import INSTALLER
from harness.kube import Manifest, kinds
from harness.platform import manifests, projects
from harness.platform.dependencies import BROUGHT
from harness.platform.helm import Helm
from harness.wire import names

INSTALLER_CHART = BROUGHT[INSTALLER].folder
PLATFORM = Path(manifests.__file__).parent / "chart"
GLOBALS = {"registry_url": "localhost:40123", "kaapana_build_version": "0.6.0"}
PLATFORM_VALUES = {
    "global": GLOBALS,
    "environment": "e1",
    "profile": '{"name": "documented"}',
    "images": {"registry": "i/registry:1", "minio": "i/minio:1", "services": "i/services:1", "airflow": "i/airflow:1"},
    "token_digest": "TD",
    "dags_token": "DT",
    "credentials": {
        "token": "T",
        "oidc_client_secret": "O",
        "system_user_password": "S",
        "user_password": "U",
        "minio_user": "M",
        "minio_password": "P",
    },
}
INSTALLER_GLOBALS = {
    **GLOBALS,
    "image": "dag-mean",
    "action": "copy",
    "admin_namespace": "admin",
    "services_namespace": "services",
}


def render(helm: Helm, chart: Path, values: dict[str, Any]) -> manifests.Rendered:
    return manifests.arrange(helm.render(chart, values, release="r", namespace="admin"))


def only(objects: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    (found,) = [m for m in objects if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


@pytest.fixture
def platform(helm: Helm) -> tuple[Manifest, ...]:
    return render(helm, PLATFORM, PLATFORM_VALUES).objects


def test_every_object_of_the_platform_is_of_a_known_kind_and_has_a_namespace(platform: tuple[Manifest, ...]) -> None:
    for manifest in platform:
        kind = kinds.kind_named(manifest["kind"])
        assert manifest["apiVersion"] == kind.api_version
        assert ("namespace" in manifest["metadata"]) == kind.namespaced, manifests.describe(manifest)


def test_objects_come_in_the_order_in_which_helm_creates_them(platform: tuple[Manifest, ...]) -> None:
    order = list(dict.fromkeys(manifest["kind"] for manifest in platform))
    assert order[:3] == ["PriorityClass", "Namespace", "LimitRange"]
    assert order.index("Secret") < order.index("Service") < order.index("Deployment")


@pytest.mark.parametrize(
    "service",
    [
        names.KEYCLOAK,
        names.KUBE_HELM,
        names.AII,
        names.DICOM_WEB_FILTER,
        names.CTP_DICOM,
        names.MINIO,
        names.OPENSEARCH,
        names.KAAPANA_BACKEND,
        names.NOTIFICATION,
        names.AIRFLOW,
        names.AIRFLOW_DATABASE,
        names.HARNESS_SERVICES,
        names.HARNESS_REGISTRY,
    ],
)
def test_every_name_of_the_platform_is_a_service_with_its_port(
    platform: tuple[Manifest, ...], service: tuple[str, str, int]
) -> None:
    name, namespace, port = service
    (found,) = [
        m
        for m in platform
        if m["kind"] == "Service" and (m["metadata"]["name"], m["metadata"]["namespace"]) == (name, namespace)
    ]
    if namespace == "admin":
        assert found["spec"]["externalName"] == f"{name}.services.svc.cluster.local"
        found = only(tuple(m for m in platform if m["metadata"].get("namespace") == "services"), "Service", name)
    assert port in [entry["port"] for entry in found["spec"]["ports"]]


def test_services_map_every_port_to_itself_and_select_a_workload(platform: tuple[Manifest, ...]) -> None:
    workloads = [m for m in platform if m["kind"] == "Deployment"]
    labels = [m["spec"]["template"]["metadata"]["labels"] for m in workloads]
    for service in (m for m in platform if m["kind"] == "Service" and "selector" in m["spec"]):
        assert all(entry["port"] == entry["targetPort"] for entry in service["spec"]["ports"])
        assert any(service["spec"]["selector"].items() <= found.items() for found in labels)


def test_processing_pods_reach_the_receiver_only_on_its_own_network(platform: tuple[Manifest, ...]) -> None:
    key = "kaapana-harness/reachable-from"
    networks = {
        m["metadata"]["name"]: manifests.read_annotations(m).get(key)
        for m in platform
        if m["kind"] == "Service" and m["metadata"]["namespace"] == "services"
    }
    assert networks["ctp-dicom-service"] == "ctp"
    assert networks["kube-helm-service"] is None
    # Python operators run in pods of the projects (runtime 3)
    assert networks["airflow-database-service"] == "pods"
    assert networks["minio-service"] == "pods"


def test_every_container_of_the_platform_has_a_memory_limit_above_the_namespaces_default(
    platform: tuple[Manifest, ...],
) -> None:
    for manifest in (m for m in platform if m["kind"] == "Deployment"):
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            assert container["resources"]["limits"]["memory"].endswith("Gi")
            assert container["image"].startswith("i/")


def test_no_credential_stands_in_the_environment_of_a_workload(platform: tuple[Manifest, ...]) -> None:
    values = set(PLATFORM_VALUES["credentials"].values())  # type: ignore[attr-defined]
    for manifest in (m for m in platform if m["kind"] == "Deployment"):
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            assert not values & {entry.get("value") for entry in container.get("env", [])}


@pytest.mark.parametrize("container", [0, 1])
def test_airflow_gets_the_variables_that_dag_code_reads_at_import(
    platform: tuple[Manifest, ...], container: int
) -> None:
    pod = only(platform, "Deployment", "airflow")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "kaapana-kube-admin"
    env = {entry["name"]: entry.get("value") for entry in pod["containers"][container]["env"]}
    assert env["DEFAULT_REGISTRY"] == "localhost:40123"
    assert env["KAAPANA_BUILD_VERSION"] == "0.6.0"
    for service in names.KEYCLOAK, names.DICOM_WEB_FILTER, names.AII, names.KAAPANA_BACKEND, names.MINIO:
        assert names.url(service) in env.values()
    assert {
        "OPENSEARCH_URL",
        "NOTIFICATION_URL",
        "KUBE_HELM_URL",
        names.PROFILE_VARIABLE,
        "OIDC_CLIENT_SECRET",
    } <= set(env)


def test_the_chart_sets_the_variables_of_the_harness_that_its_containers_read() -> None:
    templates = "".join(path.read_text("utf-8") for path in (PLATFORM / "templates").iterdir())
    known = {value for name, value in vars(names).items() if name.endswith("_VARIABLE")}
    # the docker cluster sets that one
    assert set(re.findall("KAAPANA_HARNESS_[A-Z_]+", templates)) == known - {names.KUBE_SCHEME_VARIABLE}


def test_a_project_has_the_objects_that_its_pods_name(helm: Helm) -> None:
    values = {
        "global": GLOBALS,
        "project": "abc",
        "credentials": {"oidc_client_secret": "O", "system_user_password": "S", "project_user_password": "P"},
    }
    objects = render(helm, projects.CHART, values).objects
    assert objects[0]["kind"] == "Namespace"
    assert {m["metadata"].get("namespace", "project-abc") for m in objects} == {"project-abc"}
    assert only(objects, "Secret", names.SECRET_PROJECT_USER)["stringData"] == {
        "project-user": "project-abc-system-user",
        "project-user-password": "P",
    }
    for name in names.SECRET_OIDC_CLIENT, names.SECRET_SYSTEM_USER, names.SECRET_REGISTRY:
        only(objects, "Secret", name)
    for name in names.PVC_WORKFLOW_DATA, names.PVC_MODELS, names.PVC_TENSORBOARD:
        only(objects, "PersistentVolumeClaim", name)
    limits = only(objects, "LimitRange", "default-resource-limits")["spec"]["limits"][0]
    assert limits["default"]["memory"] == "50Mi"
    policies = {m["metadata"]["name"]: m["spec"] for m in objects if m["kind"] == "NetworkPolicy"}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    external = policies["external-addresses"]
    assert external["podSelector"]["matchLabels"] == {names.LABEL_NETWORK_EXTERNAL: "true"}


def test_a_projects_volumes_are_those_of_a_node_where_the_cluster_has_made_their_folders(helm: Helm) -> None:
    values = {"global": GLOBALS, "project": "abc"}
    claims = {f"{volume}-pv-claim" for volume in names.PROJECT_VOLUMES}
    objects = render(helm, projects.CHART, values).objects
    assert {m["metadata"]["name"] for m in objects if m["kind"] == "PersistentVolumeClaim"} == claims
    assert not [m for m in objects if m["kind"] == "PersistentVolume"]
    values["volume_node"] = "n1"
    values["volumes"] = {volume: {"folder": f"/volumes/{volume}-1a2b"} for volume in names.PROJECT_VOLUMES}
    objects = render(helm, projects.CHART, values).objects
    volume = only(objects, "PersistentVolume", "models-1a2b")["spec"]
    # a folder that is not there is an error, not one that root alone may write to
    assert volume["hostPath"] == {"path": "/volumes/models-1a2b", "type": "Directory"}
    assert volume["claimRef"] == {"namespace": "project-abc", "name": names.PVC_MODELS}
    claim = only(objects, "PersistentVolumeClaim", names.PVC_MODELS)["spec"]
    assert volume["capacity"] == claim["resources"]["requests"] == {"storage": "200Gi"}
    assert volume["storageClassName"] == claim["storageClassName"]


def test_the_installers_job_is_the_platforms(helm: Helm) -> None:
    rendered = render(helm, INSTALLER_CHART, {"global": INSTALLER_GLOBALS})
    (job,) = rendered.objects
    assert (job["apiVersion"], job["kind"], job["metadata"]) == (
        "batch/v1",
        "Job",
        {"name": "dag-mean", "namespace": "services"},
    )
    assert job["spec"]["backoffLimit"] == 0
    pod = job["spec"]["template"]["spec"]
    assert "metadata" not in job["spec"]["template"]
    assert pod["restartPolicy"] == "Never"
    (init,) = pod["initContainers"]
    assert init["image"] == "localhost:40123/service-checker:0.6.0"
    assert {entry["name"]: entry["value"] for entry in init["env"]} == {
        "WAIT": "kube-helm,kube-helm-service.admin.svc,5000,/health-check",
        "DELAY": "2",
        "TIMEOUT": "10",
    }
    (copy,) = pod["containers"]
    assert copy["name"] == "copy-dag-mean"
    assert copy["image"] == "localhost:40123/dag-mean:0.0.0"
    assert "resources" not in copy
    assert {entry["name"]: entry["value"] for entry in copy["env"]} == {
        "ACTION": "copy",
        "ADMIN_NAMESPACE": "admin",
        "SERVICES_NAMESPACE": "services",
        "KAAPANA_BUILD_VERSION": "0.6.0",
        "KAAPANA_DEFAULT_REGISTRY": "localhost:40123",
        "DOCKER_VERSION": "0.0.0",
    }
    mounts = {mount["name"]: mount["mountPath"] for mount in copy["volumeMounts"]}
    claims = {volume["persistentVolumeClaim"]["claimName"]: mounts[volume["name"]] for volume in pod["volumes"]}
    assert claims == {names.PVC_DAGS: names.DAGS_DIR, names.PVC_PLUGINS: names.PLUGINS_DIR}
    assert pod["imagePullSecrets"] == [{"name": "registry-secret"}]


def test_the_removing_hook_is_the_platforms(helm: Helm) -> None:
    rendered = render(helm, INSTALLER_CHART, {"global": {**INSTALLER_GLOBALS, "pull_policy_images": "Always"}})
    (hook,) = rendered.hooks_of("pre-delete")
    assert hook["metadata"]["name"] == "remove-dag-mean"
    assert manifests.read_annotations(hook) == {
        "helm.sh/hook": "pre-delete",
        "helm.sh/hook-weight": "-5",
        "helm.sh/hook-delete-policy": "hook-succeeded,hook-failed",
    }
    pod = hook["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsUser": 0}
    assert "initContainers" not in pod
    (remove,) = pod["containers"]
    assert remove["imagePullPolicy"] == "IfNotPresent"
    assert {"name": "ACTION", "value": "remove"} in remove["env"]
    assert rendered.objects[0]["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Always"


@pytest.mark.parametrize(
    ("extra", "image"),
    [
        ({}, "localhost:40123/dag-mean:0.0.0"),
        ({"harness_dag_image_tag": "0.6.0"}, "localhost:40123/dag-mean:0.6.0"),
        ({"custom_registry_url": "other:1/p"}, "other:1/p/dag-mean:0.0.0"),
    ],
)
def test_the_dag_images_reference_follows_registry_and_tag_rule(helm: Helm, extra: dict[str, str], image: str) -> None:
    rendered = render(helm, INSTALLER_CHART, {"global": {**INSTALLER_GLOBALS, **extra}})
    for job in (*rendered.objects, *rendered.hooks):
        pod = job["spec"]["template"]["spec"]
        assert pod["containers"][0]["image"] == image
        # the platform's registry stays the one of the environment and of the checker
        assert {"name": "KAAPANA_DEFAULT_REGISTRY", "value": "localhost:40123"} in pod["containers"][0]["env"]
    if "custom_registry_url" in extra:
        # first four hex digits of the address's SHA-256
        assert pod["imagePullSecrets"][1]["name"].startswith("registry-secret-")
        assert len(pod["imagePullSecrets"][1]["name"]) == len("registry-secret-") + 4


def test_the_action_prefetch_only_keeps_the_image(helm: Helm) -> None:
    rendered = render(helm, INSTALLER_CHART, {"global": {**INSTALLER_GLOBALS, "action": "prefetch"}})
    assert [m["kind"] for m in rendered.objects] == ["Deployment"]
    assert rendered.objects[0]["metadata"]["name"] == "get-dag-mean"
    assert rendered.hooks == ()


@pytest.mark.parametrize("gpu", [False, True])
def test_operators_learn_whether_the_platform_has_gpus(helm: Helm, gpu: bool) -> None:
    objects = render(helm, PLATFORM, {**PLATFORM_VALUES, "gpu_support": gpu}).objects
    environment = only(objects, "Deployment", "airflow")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "GPU_SUPPORT", "value": str(gpu).lower()} in environment
