"""The API's own behaviour: verbs, refusals, selectors, watches."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from harness.cluster import Cluster
from harness.kube import ApiError, Conflict, Invalid, NotFound
from tests.cluster.objects import IMAGE, Objects, only_on_docker, shell


def _map(project: Objects, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": project.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}


def test_creating_twice_is_a_conflict_and_getting_nothing_is_not_found(project: Objects) -> None:
    project.create("ConfigMap", "one", data={})
    with pytest.raises(Conflict, match='configmaps "one" already exists'):
        project.create("ConfigMap", "one", data={})
    with pytest.raises(NotFound, match='configmaps "two" not found'):
        project.api.get("ConfigMap", project.namespace, "two")
    with pytest.raises(NotFound):
        project.api.delete("ConfigMap", project.namespace, "two")
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        Objects(project.api, "nowhere").create("ConfigMap", "one", data={})


def test_an_unknown_kind_is_named(project: Objects) -> None:
    with pytest.raises(NotFound, match="CronTab"):
        project.api.create(
            {
                "apiVersion": "stable.example.com/v1",
                "kind": "CronTab",
                "metadata": {"name": "x", "namespace": "default"},
            }
        )


def test_a_kind_that_is_not_emulated_is_named(cluster: Cluster) -> None:
    only_on_docker(cluster, "Kubernetes has all kinds")
    with pytest.raises(NotFound, match="daemonsets"):
        cluster.api.request("GET", "/apis/apps/v1/daemonsets")


def test_a_wrong_token_is_refused(cluster: Cluster) -> None:
    for token in ("wrong", None):
        with pytest.raises(ApiError) as caught:
            cluster.api.with_token(token).list("Pod")
        assert caught.value.status in (401, 403)


def test_apply_creates_changes_and_takes_back_what_it_had_set(project: Objects) -> None:
    api = project.api
    api.apply(_map(project, "words", data={"a": "1", "b": "2"}))
    api.patch("ConfigMap", project.namespace, "words", {"data": {"other": "3"}})
    applied = api.apply(_map(project, "words", data={"a": "9"}))
    assert applied["data"] == {"a": "9", "other": "3"}


def test_a_merge_patch_removes_what_is_null(project: Objects) -> None:
    project.create("ConfigMap", "words", data={"a": "1", "b": "2"})
    patched = project.api.patch(
        "ConfigMap", project.namespace, "words", {"data": {"a": None}, "metadata": {"labels": {"x": "y"}}}
    )
    assert patched["data"] == {"b": "2"}
    assert patched["metadata"]["labels"] == {"x": "y"}


def test_lists_are_filtered_by_labels(project: Objects) -> None:
    for name, color in (("one", "red"), ("two", "blue")):
        project.create("ConfigMap", name, labels={"color": color}, data={})
    found = project.api.list("ConfigMap", project.namespace, labels={"color": "blue"})
    assert [entry["metadata"]["name"] for entry in found] == ["two"]


def test_a_watch_sends_the_existing_objects_and_then_every_change(project: Objects) -> None:
    # not ConfigMaps: Kubernetes puts one of its own into every namespace
    project.create("Secret", "first", stringData={})
    seen: list[tuple[str, str]] = []
    ready = threading.Event()

    def follow() -> None:
        for change, found in project.api.watch("Secret", project.namespace, timeout_s=120):
            seen.append((change, found["metadata"]["name"]))
            ready.set()
            if change == "DELETED":
                return

    thread = threading.Thread(target=follow)
    thread.start()
    assert ready.wait(120)
    project.create("Secret", "second", stringData={})
    project.api.patch("Secret", project.namespace, "second", {"stringData": {"a": "b"}})
    project.api.delete("Secret", project.namespace, "second")
    thread.join(10)
    assert seen == [("ADDED", "first"), ("ADDED", "second"), ("MODIFIED", "second"), ("DELETED", "second")]


def test_a_watch_ends_when_its_time_is_over(project: Objects) -> None:
    assert list(project.api.watch("Secret", project.namespace, timeout_s=0.2)) == []


_CONTAINER = {"name": "main", "image": IMAGE}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": [_CONTAINER | {"volumeMounts": [{"name": "x", "mountPath": "/x"}]}]}, "volumeMounts[0].name"),
        ({"containers": []}, "spec.containers"),
        ({"containers": [_CONTAINER, _CONTAINER]}, "spec.containers[1].name"),
        ({"volumes": [{"name": "a b", "emptyDir": {}}]}, "spec.volumes[0].name"),
    ],
)
def test_a_pod_that_cannot_be_is_refused_with_the_name_of_its_field(
    project: Objects, spec: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        project.create("Pod", "refused", spec={"containers": [_CONTAINER], **spec})
    assert 'Pod "refused" is invalid: ' in caught.value.message
    assert field in caught.value.message
    assert project.api.list("Pod", project.namespace) == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"hostNetwork": True}, "spec.hostNetwork"),
        ({"containers": [_CONTAINER | {"lifecycle": {"preStop": {}}}]}, "spec.containers[0].lifecycle"),
        ({"containers": [_CONTAINER | {"env": [{"name": "N", "value": 3}]}]}, "spec.containers[0].env[0].value"),
        ({"containers": [_CONTAINER | {"env": [{"name": "a b", "value": ""}]}]}, "spec.containers[0].env[0].name"),
        (
            {"containers": [_CONTAINER | {"securityContext": {"privileged": True}}]},
            "spec.containers[0].securityContext.privileged",
        ),
        (
            {"containers": [_CONTAINER | {"resources": {"limits": {"memory": "lots"}}}]},
            "spec.containers[0].resources.limits.memory",
        ),
        ({"volumes": [{"name": "share", "nfs": {"server": "s"}}]}, "spec.volumes[0].nfs"),
        ({"surprise": 1}, "spec.surprise"),
    ],
)
def test_a_field_that_is_not_emulated_is_refused_by_name(
    cluster: Cluster, project: Objects, spec: dict[str, Any], field: str
) -> None:
    only_on_docker(cluster, "Kubernetes does it, or refuses it in other words")
    with pytest.raises(Invalid) as caught:
        project.create("Pod", "refused", spec={"containers": [_CONTAINER], **spec})
    assert f'Pod "refused" is invalid: {field}: ' in caught.value.message
    assert project.api.list("Pod", project.namespace) == []


@pytest.mark.parametrize("name", ["my_dag-config", "manual__2026-01-01T00:00:00+00:00-config", "Upper"])
def test_a_name_that_kubernetes_does_not_take_is_refused(project: Objects, name: str) -> None:
    with pytest.raises(Invalid, match=r"metadata\.name"):
        project.create("ConfigMap", name, data={})


def test_a_label_that_kubernetes_does_not_take_is_refused(project: Objects) -> None:
    with pytest.raises(Invalid, match=r"metadata\.labels"):
        project.create("ConfigMap", "x", labels={"run_id": "x" * 64}, data={})


def test_a_configuration_of_more_than_a_mebibyte_is_refused(project: Objects) -> None:
    with pytest.raises(Invalid, match="1048576 bytes"):
        project.create("ConfigMap", "large", data={"a": "x" * ((1 << 20) + 1)})


def test_the_pod_of_a_name_that_is_taken_is_a_conflict_until_it_is_gone(project: Objects) -> None:
    project.pod(shell("true"), name="same")
    with pytest.raises(Conflict):
        project.pod(shell("true"), name="same")
    project.api.delete("Pod", project.namespace, "same", grace_period_s=0)
    project.gone("Pod", "same")
    project.pod(shell("true"), name="same")


def test_a_cluster_that_works_has_no_trouble(cluster: Cluster) -> None:
    assert cluster.trouble() == ""
