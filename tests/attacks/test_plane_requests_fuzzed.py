"""Requests to the API of the docker cluster: an object of any shape is refused, or hurts nothing but itself."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.incluster.controlplane.accounts import Account, Accounts
from harness.incluster.controlplane.admission import admit
from harness.incluster.controlplane.app import make_app
from harness.incluster.controlplane.claims import Claims
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.container_bodies import container_body
from harness.incluster.controlplane.controllers import Controllers
from harness.incluster.controlplane.engine import Engine
from harness.incluster.controlplane.networks import Networks
from harness.incluster.controlplane.pod import PodWorker
from harness.incluster.controlplane.rbac import AccessRequest, Rbac
from harness.incluster.controlplane.removal import Removal
from harness.incluster.controlplane.store import Store, key_of
from harness.kube.kinds import KINDS, Kind, kind_named
from tests.attacks.asgi import Caller
from tests.attacks.input_fuzz import fuzzed, nasty_text, nasty_value, replaced

TOKEN = "token"
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}
_CONTAINER: dict[str, Any] = {
    "name": "main", "image": "registry/tool:1", "command": ["run"], "args": ["a"], "workingDir": "/",
    "env": [{"name": "A", "value": "b"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "P_"}],
    "volumeMounts": [{"name": "data", "mountPath": "/data", "subPath": "a", "readOnly": True}],
    "resources": {"limits": {"memory": "64Mi", "cpu": "1"}, "requests": {"memory": "64Mi"}},
    "ports": [{"containerPort": 80, "name": "web", "protocol": "TCP"}],
    "readinessProbe": {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1, "failureThreshold": 3},
    "livenessProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": 1, "timeoutSeconds": 1},
    "securityContext": {"runAsUser": 1, "capabilities": {"add": ["CHOWN"], "drop": ["ALL"]}},
}  # fmt: skip
_POD: dict[str, Any] = {
    "containers": [_CONTAINER], "initContainers": [{"name": "first", "image": "registry/tool:1"}],
    "restartPolicy": "Never", "activeDeadlineSeconds": 60, "terminationGracePeriodSeconds": 1,
    "serviceAccountName": "default", "nodeSelector": {"a": "b"}, "imagePullSecrets": [{"name": "r"}],
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}], "affinity": {}, "hostname": "a",
    "securityContext": {"runAsUser": 1, "fsGroup": 1, "supplementalGroups": [1]},
    "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "1Mi"}},
                {"name": "claim", "persistentVolumeClaim": {"claimName": "a"}},
                {"name": "files", "configMap": {"name": "c", "items": [{"key": "k", "path": "p", "mode": 1}]}}],
}  # fmt: skip
_TEMPLATE: dict[str, Any] = {"metadata": {"labels": {"app": "a"}, "annotations": {"x": "y"}}, "spec": _POD}
_ALWAYS = {**_TEMPLATE, "spec": {**_POD, "restartPolicy": "Always"}}
_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
_FIELDS: dict[str, dict[str, Any]] = {
    "Pod": {"spec": _POD},
    "Deployment": {"spec": {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": _ALWAYS}},
    "Job": {"spec": {"template": _TEMPLATE, "backoffLimit": 1, "completions": 2, "parallelism": 2,
                     "activeDeadlineSeconds": 9, "ttlSecondsAfterFinished": 9}},
    "Service": {"spec": {"type": "NodePort", "selector": {"app": "a"}, "externalName": "b.project-1.svc",
                         "ports": [{"port": 80, "targetPort": 80, "nodePort": 0, "name": "x", "protocol": "TCP"}]}},
    "ConfigMap": {"data": {"k": "v"}, "binaryData": {"b": "Yg=="}, "immutable": False},
    "Secret": {"data": {"k": "dg=="}, "stringData": {"s": "v"}, "type": "Opaque"},
    "ServiceAccount": {"imagePullSecrets": [{"name": "r"}], "automountServiceAccountToken": True},
    "PersistentVolumeClaim": {"spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "", "storageClassName": "c",
                                       "resources": {"requests": {"storage": "1Gi"}}}},
    "PersistentVolume": {"spec": {"hostPath": {"path": "/a"}, "storageClassName": "c",
                                  "claimRef": {"namespace": "n", "name": "x", "uid": "u"}}},
    "StorageClass": {"provisioner": "p"},
    "LimitRange": {"spec": {"limits": [{"type": "Container", "default": {"memory": "64Mi"},
                                        "defaultRequest": {"memory": "64Mi"}}]}},
    "Role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a"]}]},
    "ClusterRole": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "RoleBinding": {"subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "project-1"}],
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"}},
    "Event": {"involvedObject": {"kind": "Pod", "name": "a"}, "type": "Normal", "reason": "x"},
}  # fmt: skip


def _object(kind: Kind) -> dict[str, Any]:
    metadata = {"name": "attack", "labels": {"app": "a"}, "annotations": {"x": "y"}, "ownerReferences": [_OWNER]}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **_FIELDS.get(kind.name, {})}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _paths(inner, (*path, number))


_OF_THE_SERVER = [
    ("metadata", "deletionTimestamp"), ("metadata", "uid"), ("metadata", "resourceVersion"),
    ("metadata", "generation"), ("metadata", "finalizers"), ("metadata", "generateName"), ("metadata", "namespace"),
    ("metadata", "creationTimestamp"), ("status",), ("status", "phase"), ("status", "conditions"),
]  # fmt: skip
_NAMESPACED = [kind for kind in KINDS if kind.namespaced]


@st.composite
def _damaged(draw: st.DrawFn) -> tuple[str, dict[str, Any], list[tuple[tuple[Any, ...], Any]]]:
    kind = draw(st.sampled_from(_NAMESPACED))
    base = _object(kind)
    paths = st.sampled_from([*_paths(base), *_OF_THE_SERVER])
    changes = draw(st.lists(st.tuples(paths, nasty_value), min_size=1, max_size=2))
    damaged = copy.deepcopy(base)
    for path, value in changes:
        damaged = replaced(damaged, path, value)
    return kind.name, damaged, draw(st.lists(st.tuples(paths, nasty_value), max_size=2))


class Plane:
    """The API, the store and the controllers; the pods stay as they were created."""

    def __init__(self, state: Path) -> None:
        self.store = store = Store()
        config = ControlPlaneConfig("e", "1@x", "now", TOKEN, "secret")
        self.networks = Networks(config, Engine("/none", config.api), store)
        claims = Claims(store, state)
        self.problems: list[str] = []

        def spawn(work: Coroutine[Any, Any, Any], name: str) -> None:
            work.close()

        node: Any = SimpleNamespace(store=store, spawn=spawn, event=lambda *_: None)
        kubelet: Any = SimpleNamespace(workers={}, delete=lambda pod, grace=None: store.remove(key_of(pod)))
        self.removal = removal = Removal(node, kubelet, claims)
        self.controllers = Controllers(node, kubelet, self.networks, claims, removal)
        reaper = SimpleNamespace(closing=SimpleNamespace(is_set=lambda: False))
        plane: Any = SimpleNamespace(
            config=config, accounts=Accounts(store, "secret"), store=store, networks=self.networks, removal=removal,
            reaper=reaper, kubelet=kubelet,
        )  # fmt: skip
        self.client = Caller(make_app(plane), _HEADERS)
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "project-1"}})
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "project-2"}})
        self.settle()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> int:
        """The status; the work that follows is done, and what goes wrong in it is a failure of the test."""
        answer = self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code < 500, answer.text
        assert answer.json() is not None
        self.settle()
        return answer.status_code

    def settle(self) -> None:
        """What the controllers do, until there is nothing more to do."""
        for _ in range(10):
            due, self.controllers._due = list(self.controllers._due), {}
            for key in due:
                asyncio.run(self.controllers._reconcile(key))
            if not due:
                return

    def works_for_others(self) -> None:
        """A pod, a list of everything, and the rights of an account: what a project needs all day."""
        rbac = Rbac(self.store)
        for namespace in ("project-1", "project-2"):
            if self.store.find("Namespace", None, namespace) is None:
                continue
            rbac.allows(Account(namespace, "default"), AccessRequest("get", "", "pods", namespace, "a"))
            if self.store.find("LimitRange", namespace, "attack") is None:
                spec = {"containers": [{"name": "a", "image": "b"}]}
                pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other"}, "spec": spec}
                admit(self.store, kind_named("Pod"), pod, namespace)
                self.networks.plan(self.store.create(pod))
                self.removal.delete(self.store.get("Pod", namespace, "other"))
                self.settle()
        for kind in KINDS:
            for manifest in self.store.list(kind.name):
                # as the API writes its answers
                json.dumps(manifest, allow_nan=False, ensure_ascii=False).encode()


def _runs(plane: Plane) -> None:
    """What becomes of pods that were accepted, as far as no engine is needed."""
    for pod in plane.store.list("Pod"):
        plan = plane.networks.plan(pod)
        for container in pod["spec"]["containers"]:
            container_body(
                ControlPlaneConfig("e", "1@x", "now", TOKEN, "secret"), pod, container, image="i", variables={},
                mounts=SimpleNamespace(binds=[], tmpfs={}, shm_size=0), network=plan, networks=plane.networks,  # type: ignore[arg-type]
                raw_sockets=True,
            )  # fmt: skip


@fuzzed
@given(_damaged())
def test_an_object_of_any_shape_is_refused_or_hurts_itself_alone(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, dict[str, Any], list[tuple[tuple[Any, ...], Any]]]
) -> None:
    name, damaged, changes = case
    plane = Plane(tmp_path_factory.getbasetemp() / "plane")
    kind = kind_named(name)
    collection = kind.path("project-1")
    status = plane.ask("POST", collection, damaged)
    assert status in (201, 400, 403, 404, 409, 422)
    if status == 201:
        _runs(plane)
    plane.works_for_others()
    made = [found for found in plane.store.list(name, "project-1") if found["metadata"]["name"] not in ("default",)]
    for found in made:
        path = f"{collection}/{found['metadata']['name']}"
        assert plane.ask("GET", path) == 200
        patch: dict[str, Any] = {}
        for where, value in changes:
            patch = replaced(patch, where, value)
        for kind_of_patch in ("merge", "strategic-merge"):
            plane.ask("PATCH", path, patch, **{"Content-Type": f"application/{kind_of_patch}-patch+json"})
            if plane.store.find(name, "project-1", found["metadata"]["name"]):
                plane.ask("PATCH", f"{path}/status", patch, **{"Content-Type": "application/merge-patch+json"})
        plane.ask("PUT", path, replaced(damaged, ("metadata", "name"), found["metadata"]["name"]))
        plane.works_for_others()
    assert plane.ask("DELETE", "/api/v1/namespaces/project-1") == 200
    assert plane.store.find("Namespace", None, "project-1") is None, "the namespace cannot be removed"
    plane.ask("GET", "/api/v1/namespaces/project-2")


_QUERIES = st.dictionaries(
    st.sampled_from(
        ["labelSelector", "fieldSelector", "resourceVersion", "dryRun", "fieldManager", "gracePeriodSeconds",
         "propagationPolicy", "timeoutSeconds", "limit", "continue"]
    ),
    nasty_text | st.sampled_from(["-1", "nan", "9" * 5000, "²", "a in (b", "a=b,", "a" * 5000, "a," * 2500]),
    max_size=3,
)  # fmt: skip
_BODIES = [
    b"", b"[]", b"null", b"{", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b"\xff\xfe",
    b'{"metadata": {"name": "x", "annotations": {"a": "\\udfff"}}}', b'{"a":' * 500 + b"1" + b"}" * 500,
    b'{"a":' * 100_000, b'{"metadata": 5}', b'{"metadata": []}', b'{"metadata": null, "spec": null}',
    b'{"a": ' + b"9" * 5000 + b"}",
    b'{"gracePeriodSeconds": "x"}', b'{"gracePeriodSeconds": -1}', b'{"gracePeriodSeconds": 1e300}',
    b'{"gracePeriodSeconds": []}', b'{"kind": 5}', b'{"apiVersion": {}}', b'{"data": {"a": 1e400}}',
]  # fmt: skip
_PATHS = [
    "/api/v1/configmaps", "/api/v1/namespaces/project-1/configmaps", "/api/v1/namespaces/project-1/configmaps/a",
    "/api/v1/namespaces/project-1/pods/a/log", "/api/v1/namespaces/project-1/pods/a/status", "/api/v1/namespaces/..",
    "/api/v1/namespaces/project-1/services/a/proxy", "/apis/apps/v1/namespaces/project-1/deployments/a/status",
    "/apis/x/v1/y", "/api/v9/pods", "/version", "/api/v1/nodes/a", "/api/v1/namespaces/project-1", "/%00", "/apis",
]  # fmt: skip


@fuzzed
@given(
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    st.sampled_from(_PATHS),
    _QUERIES,
    st.sampled_from(_BODIES) | st.binary(max_size=30),
    st.sampled_from(
        ["application/json", "application/merge-patch+json", "application/strategic-merge-patch+json",
         "application/apply-patch+yaml", "", "x"]
    ),
)  # fmt: skip
@example("DELETE", "/api/v1/namespaces/project-1/configmaps/a", {"gracePeriodSeconds": "x"}, b"", "")
def test_a_request_of_any_kind_gets_an_answer_of_the_api(
    tmp_path_factory: pytest.TempPathFactory,
    method: str,
    path: str,
    query: dict[str, str],
    body: bytes,
    content_type: str,
) -> None:
    plane = Plane(tmp_path_factory.getbasetemp() / "plane")
    plane.ask("POST", "/api/v1/namespaces/project-1/configmaps", {"metadata": {"name": "a"}, "data": {"k": "v"}})
    query = {name: text.encode("utf-8", "replace").decode() for name, text in query.items()}
    headers = {"Content-Type": content_type}
    answer = plane.client.request(method, path, params=query, content=body, headers=headers)
    assert answer.status_code < 500, answer.text
    answer.json()
    plane.settle()
    plane.works_for_others()


def test_a_patch_does_not_change_another_object(tmp_path: Path) -> None:
    plane = Plane(tmp_path)
    for kind, fields in (("ConfigMap", {}), ("Secret", {}), ("Role", {"rules": []})):
        plane.ask("POST", kind_named(kind).path("project-1"), {"metadata": {"name": "a"}, **fields})
    for kind in ("Secret", "Role"):
        other = kind_named(kind)
        patch = {"kind": kind, "apiVersion": other.api_version, "rules": [{"verbs": ["*"]}], "data": {"a": "Yg=="}}
        for way in ("merge", "strategic-merge"):
            path = kind_named("ConfigMap").path("project-1", "a")
            headers = {"Content-Type": f"application/{way}-patch+json"}
            assert plane.ask("PATCH", path, patch, **headers) == 400
            assert plane.ask("PATCH", path, {"metadata": {"name": "b"}}, **headers) == 400
            assert plane.ask("PATCH", path, {"metadata": {"namespace": "project-2"}}, **headers) == 400
        found = plane.store.get(kind, "project-1", "a")
        assert found.get("rules") == ([] if kind == "Role" else None)
        assert "data" not in found


def test_a_pod_that_hits_an_unexpected_error_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    pod = store.create(
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"},
            "spec": {"containers": [{"name": "a", "image": "b"}], "restartPolicy": "Never"},
        }
    )  # fmt: skip

    async def lives() -> None:
        def spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
            return asyncio.get_running_loop().create_task(work)

        def break_down(*_: object) -> None:
            raise LookupError("unexpected error")

        node: Any = SimpleNamespace(
            store=store, spawn=spawn, event=lambda *_: None, gpu=False, manifest=lambda: {"metadata": {"name": "node"}},
            networks=None, volumes=SimpleNamespace(sources=break_down),
        )  # fmt: skip
        await PodWorker(node, pod)._task

    asyncio.run(lives())
    status = store.get("Pod", "n", "p")["status"]
    assert (status["phase"], status["message"]) == ("Failed", "unexpected error")
