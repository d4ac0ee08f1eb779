"""One environment on a shared cluster asks for its own namespaces, under the platform's names, and for nothing else."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from harness.cluster.context import preflight, rights
from harness.cluster.context.transport import ContextTransport
from harness.kube import Forbidden, Invalid, KubeApi, Manifest, NotFound, merging
from harness.kube.errors import api_error
from harness.kube.scope import Scope, ScopedTransport
from harness.kube.transport import HttpTransport, Request

PREFIX = "kh-1a2b-"


@dataclasses.dataclass
class Cluster:
    """A transport to a cluster that has objects by their paths, and remembers what it was sent."""

    objects: dict[str, Manifest] = dataclasses.field(default_factory=dict)
    streams: dict[str, list[Manifest]] = dataclasses.field(default_factory=dict)
    forbidden: set[str] = dataclasses.field(default_factory=set)
    sent: list[Request] = dataclasses.field(default_factory=list)
    closed: threading.Event = dataclasses.field(default_factory=threading.Event)
    url: str = "https://lab.example:6443"

    def send(self, request: Request) -> Manifest:
        self.sent.append(request)
        if request.path in self.forbidden:
            raise api_error(403, "Forbidden", "not yours")
        if request.method == "DELETE":
            return {}
        if request.body is not None:
            path = request.path
            if request.method == "POST":
                path = f"{path}/{request.body['metadata']['name']}"
            self.objects[path] = request.body
            return json.loads(json.dumps(request.body))  # type: ignore[no-any-return]
        if request.path not in self.objects:
            raise api_error(404, "NotFound", f"no {request.path}")
        return json.loads(json.dumps(self.objects[request.path]))  # type: ignore[no-any-return]

    def stream(self, request: Request, *, longest: int | None = None) -> Iterator[str]:
        self.sent.append(request)
        if request.path in self.forbidden:
            raise api_error(403, "Forbidden", "not yours")
        yield from (json.dumps(event) for event in self.streams.pop(request.path, []))
        if request.query.get("watch"):
            # a server holds the connection as long as nothing changes
            self.closed.wait(request.read_timeout)

    def namespaces(self) -> Sequence[str] | None:
        return None

    def with_token(self, token: str | None) -> Cluster:
        return Cluster(url=f"{self.url} as {token}")

    def has_scope(self, *namespaces: str, **images: str) -> None:
        """Let the environment have these namespaces and images."""
        path = f"/api/v1/namespaces/{PREFIX}services/configmaps/kaapana-harness-scope"
        self.objects[path] = Scope(namespaces, images).manifest()

    def has_pods(self, namespace: str, *names: str) -> None:
        items = [{"metadata": {"name": name, "namespace": PREFIX + namespace}} for name in names]
        self.objects[f"/api/v1/namespaces/{PREFIX}{namespace}/pods"] = {"kind": "PodList", "items": items}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.closed.set()


@pytest.fixture
def api(cluster: Cluster) -> KubeApi:
    return KubeApi(transport=ScopedTransport(cluster, PREFIX, storage_class="fast"))


def paths(cluster: Cluster, method: str = "GET") -> list[str]:
    return [request.path for request in cluster.sent if request.method == method]


def pod_event(change: str, namespace: str, name: str, version: int) -> Manifest:
    metadata = {"name": name, "namespace": PREFIX + namespace, "resourceVersion": str(version)}
    return {"type": change, "object": {"kind": "Pod", "metadata": metadata}}


def test_objects_are_in_the_environments_namespaces_and_come_back_under_the_platforms_names(
    cluster: Cluster, api: KubeApi
) -> None:
    made = api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "services"}})
    assert paths(cluster, "POST") == [f"/api/v1/namespaces/{PREFIX}services/secrets"]
    assert cluster.sent[0].body["metadata"]["namespace"] == f"{PREFIX}services"
    assert made["metadata"]["namespace"] == "services"
    assert api.get("Secret", "services", "a")["metadata"]["namespace"] == "services"


def test_a_cluster_scoped_object_is_refused_before_it_is_sent(cluster: Cluster, api: KubeApi) -> None:
    with pytest.raises(Invalid, match="ClusterRole all belongs to the whole cluster"):
        api.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "all"}})
    with pytest.raises(Invalid, match="/api/v1/nodes/n1 belongs to the whole cluster"):
        api.patch("Node", None, "n1", {"spec": {"unschedulable": True}})
    assert cluster.sent == []


def test_all_objects_of_a_kind_are_those_of_the_environments_namespaces(cluster: Cluster, api: KubeApi) -> None:
    cluster.has_scope("services", "project-a", "project-gone", "project-going")
    cluster.has_pods("services", "backend")
    cluster.has_pods("project-a", "task")
    cluster.forbidden.add(f"/api/v1/namespaces/{PREFIX}project-going/pods")
    found = [(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in api.list("Pod")]
    assert found == [("services", "backend"), ("project-a", "task")]
    assert "/api/v1/pods" not in paths(cluster)


def test_only_the_environments_own_namespaces_are_listed(cluster: Cluster, api: KubeApi) -> None:
    cluster.objects["/api/v1/namespaces"] = {"items": [{"metadata": {"name": f"{PREFIX}services"}}]}
    assert [found["metadata"]["name"] for found in api.list("Namespace", labels={"a": "b"})] == [f"{PREFIX}services"]
    assert cluster.sent[0].query == {"labelSelector": "a=b,kaapana-harness.environment=1a2b"}


def test_claims_and_pods_get_what_the_cluster_has_for_them(cluster: Cluster, api: KubeApi) -> None:
    cluster.has_scope("services", **{"localhost/a:1": "registry.site/a@sha256:1"})
    pod = {"containers": [{"name": "main", "image": "localhost/a:1"}], "priorityClassName": "kaapana-low-priority"}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "services"}, "spec": pod})
    metadata = {"name": "c", "namespace": "services"}
    api.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {}})
    made, claim = [request.body["spec"] for request in cluster.sent if request.method == "POST"]
    assert made["containers"] == [{"name": "main", "image": "registry.site/a@sha256:1"}]
    assert "priorityClassName" not in made
    assert claim == {"storageClassName": "fast"}


def test_changes_in_all_namespaces_come_under_the_platforms_names(
    cluster: Cluster, api: KubeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "_ROUND_S", 0.2)
    cluster.has_scope("services", "project-a", "project-going")
    for number, namespace in enumerate(("services", "project-a")):
        path = f"/api/v1/namespaces/{PREFIX}{namespace}/pods"
        cluster.streams[path] = [pod_event("ADDED", namespace, f"pod-{number}", number + 1)]
    cluster.forbidden.add(f"/api/v1/namespaces/{PREFIX}project-going/pods")
    watch = api.watch("Pod", None, timeout_s=30)
    found = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for _, pod in (next(watch), next(watch))}
    assert found == {("services", "pod-0"), ("project-a", "pod-1")}
    # begun again it would yield what is in the new one, too
    cluster.has_scope("services", "project-a", "project-b")
    assert list(watch) == []


def test_a_watch_of_several_namespaces_has_no_version_to_begin_with(cluster: Cluster, api: KubeApi) -> None:
    cluster.has_scope("services")
    with pytest.raises(ValueError, match="versions of several namespaces"):
        next(api.watch("Pod", None, since="5", timeout_s=1))


def test_the_lines_of_a_log_are_left_as_they_are(cluster: Cluster, api: KubeApi) -> None:
    path = f"/api/v1/namespaces/{PREFIX}services/pods/p/log"
    cluster.streams[path] = [{"object": {"metadata": {"namespace": f"{PREFIX}services"}}}]
    assert json.loads(next(api.logs("services", "p")))["object"]["metadata"]["namespace"] == f"{PREFIX}services"


def test_another_user_reaches_the_same_environment(cluster: Cluster, api: KubeApi) -> None:
    with pytest.raises(NotFound, match=f"{PREFIX}services"):
        api.with_token("other").get("Secret", "services", "a")
    assert api.with_token("other").url == "https://lab.example:6443 as other"


def test_another_user_has_neither_the_token_nor_the_certificate_of_the_first() -> None:
    first = HttpTransport("https://lab.example", token="mine", authority="PEM")
    second = first.with_token(None)
    assert (second._token, second._tls, second._authority) == (None, None, "PEM")


@pytest.fixture
def host(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> ContextTransport:
    """What the host sends; the cluster grants every right at the second look."""
    looks = iter([False])
    monkeypatch.setattr(preflight, "find_user", lambda _: "me")
    monkeypatch.setattr(preflight, "is_allowed", lambda *_: next(looks, True))
    config = {"auths": {"registry.site": {"auth": "x"}}}
    return ContextTransport(cluster, "1a2b", annotations={"owner": "1@host"}, pull_config=config)


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def test_with_a_namespace_come_its_owner_the_right_to_work_in_it_and_its_note(
    cluster: Cluster, host: ContextTransport
) -> None:
    made = KubeApi(transport=host).apply(namespace("project-a"))
    assert made["metadata"]["name"] == "project-a"
    stored = cluster.objects[f"/api/v1/namespaces/{PREFIX}project-a"]["metadata"]
    assert stored["annotations"] == {"owner": "1@host"}
    assert stored["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"
    bindings = [request.body for request in cluster.sent if request.body and request.body["kind"] == "RoleBinding"]
    assert [binding["roleRef"]["name"] for binding in bindings] == [rights.NAMESPACE_ROLE]
    assert list(host.namespaces()) == ["project-a"]


def test_a_namespace_that_is_deleted_is_not_asked_any_more(cluster: Cluster, host: ContextTransport) -> None:
    api = KubeApi(transport=host)
    api.create(namespace("services"))
    api.create(namespace("project-a"))
    api.delete("Secret", "project-a", "s")
    assert list(host.namespaces()) == ["services", "project-a"]
    api.delete("Namespace", None, "project-a")
    assert list(host.namespaces()) == ["services"]


def test_the_namespace_is_made_in_a_thread_that_an_interrupt_does_not_reach(
    cluster: Cluster, host: ContextTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    send = cluster.send

    def note(request: Request) -> Manifest:
        if request.body and request.body["kind"] == "Namespace":
            threads.append(threading.current_thread())
        return send(request)

    monkeypatch.setattr(cluster, "send", note)
    KubeApi(transport=host).apply(namespace("services"))
    assert threads
    assert threads[0] is not threading.main_thread()


def test_the_platforms_pull_secret_opens_the_users_registry(cluster: Cluster, host: ContextTransport) -> None:
    metadata = {"name": "registry-secret", "namespace": "services"}
    data = {".dockerconfigjson": "e30="}
    KubeApi(transport=host).apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    sent = cluster.sent[-1].body
    assert json.loads(sent["stringData"][".dockerconfigjson"]) == {"auths": {"registry.site": {"auth": "x"}}}
    assert "data" not in sent


def test_images_are_noted_beside_those_that_stay(cluster: Cluster, host: ContextTransport) -> None:
    host.note_images({"a:1": "r/a@1", "b:1": "r/b@1"})
    host.note_images({"b:1": "r/b@2"}, withdrawn=["a:1"])
    assert host.scope().images == {"b:1": "r/b@2"}


def test_a_right_that_the_cluster_refuses_for_other_reasons_is_an_error(cluster: Cluster, api: KubeApi) -> None:
    cluster.forbidden.add(f"/api/v1/namespaces/{PREFIX}services/secrets/a")
    with pytest.raises(Forbidden):
        api.get("Secret", "services", "a")
