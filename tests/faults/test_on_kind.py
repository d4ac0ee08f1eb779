"""Runs while parts of a real cluster fail; only with ``--kaapana-cluster kind``."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.kind.nodes import KindNode
from harness.common.references import to_canonical
from harness.kube import KubeApi, Manifest
from harness.platform import readiness
from harness.wire import names

_RUNNING_S = 120.0
_ENDED_S = 300.0


@pytest.fixture(autouse=True)
def _only_on_kind(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("kaapana_cluster") != "kind":
        pytest.skip("only with --kaapana-cluster kind")


@pytest.fixture
def node(kaapana: Any) -> KindNode:
    (only,) = kaapana.environment.cluster.nodes
    return only


@pytest.fixture
def registry_is_down(kaapana: Any) -> Iterator[Callable[[], None]]:
    """A function that takes the platform's registry down; it is back after the test."""
    api: KubeApi = kaapana.environment.cluster.api
    name, namespace, _ = names.HARNESS_REGISTRY
    pods = functools.partial(api.watch, "Pod", namespace, labels={"app.kubernetes.io/name": name})

    def scale(replicas: int) -> None:
        api.patch("Deployment", namespace, name, {"spec": {"replicas": replicas}})

    def down() -> None:
        scale(0)
        for change, _ in pods(timeout_s=_RUNNING_S):
            if change == "DELETED":
                return
        pytest.fail("the registry's pod stays")

    yield down
    scale(1)
    for _, pod in pods(timeout_s=_RUNNING_S):
        if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ()):
            # ready inside the cluster; the next test pushes from here
            readiness.wait_until_reached([kaapana.environment.check_registry], timeout_s=_RUNNING_S)
            return
    pytest.fail("the registry does not come back")


def _running_pod(api: KubeApi, namespace: str) -> Manifest:
    """The pod of the task, as soon as its container runs."""
    for _, pod in api.watch("Pod", namespace, timeout_s=_RUNNING_S):
        if pod["metadata"]["name"].endswith("faulty") and (pod.get("status") or {}).get("phase") == "Running":
            return pod
    raise AssertionError("the task's pod never ran")


def _run_while(kaapana: Any, extension: Any, form: dict[str, Any], then: Callable[[Manifest], None]) -> Any:
    """Run the extension, and do something as soon as its container runs."""
    happened: list[BaseException | None] = []

    def act() -> None:
        try:
            then(_running_pod(kaapana.environment.cluster.api, kaapana.project.namespace))
            happened.append(None)
        except BaseException as error:
            happened.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    run = extension.run(form=form)
    thread.join()
    assert happened == [None]
    return run


def test_images_of_an_archive_reach_the_node_and_not_the_registry(
    kaapana: Any, faults_extension: Path, node: KindNode
) -> None:
    # under a name that no other test has pushed
    dockerfile = faults_extension / "processing-containers/faulty/Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace('IMAGE="faulty"', 'IMAGE="archived"'))
    operator = faults_extension / "extension/docker/files/faults/FaultyOperator.py"
    operator.write_text(operator.read_text().replace("/faulty:", "/archived:"))
    installed = kaapana.install(faults_extension, deliver="tar")
    reference = installed.images["archived"]
    assert to_canonical(reference) in node.names()
    assert kaapana.environment.platform_registry.tags(reference.rpartition(":")[0]) is None
    assert installed.run(form={"mode": "succeed", "ticket": "a"}).succeeded
    # and when it is deleted from the node, nothing can bring it back
    node.remove([to_canonical(reference)])
    run = installed.run(form={"mode": "succeed", "ticket": "a"})
    assert run.task("faulty").reason in {"ErrImagePull", "ImagePullBackOff"}
    assert run.cause.summary == f"image {reference} cannot be pulled: the registry has no repository archived"
    assert "--deliver tar" in run.cause.fix


def test_an_image_that_is_deleted_from_the_node_is_pulled_again(
    kaapana: Any, patient_extension: Path, node: KindNode
) -> None:
    installed = kaapana.install(patient_extension)
    assert installed.run(form={"mode": "succeed", "ticket": "a"}).succeeded
    node.remove([to_canonical(installed.images["faulty"])])
    assert installed.run(form={"mode": "succeed", "ticket": "a"}).succeeded


def test_a_registry_that_is_down_is_the_cause_when_an_image_has_to_be_pulled(
    kaapana: Any, patient_extension: Path, node: KindNode, registry_is_down: Callable[[], None]
) -> None:
    installed = kaapana.install(patient_extension)
    reference = installed.images["faulty"]
    registry_is_down()
    if to_canonical(reference) in node.names():
        node.remove([to_canonical(reference)])
    run = installed.run(form={"mode": "succeed", "ticket": "a"})
    assert run.cause.task_id == "faulty"
    assert run.cause.summary == f"image {reference} cannot be pulled: its registry does not answer"
    assert kaapana.environment.registry in run.cause.fix


def test_a_pod_that_is_evicted_is_reported_as_that(kaapana: Any, patient_extension: Path) -> None:
    def evict(pod: Manifest) -> None:
        place = {key: pod["metadata"][key] for key in ("name", "namespace")}
        path = f"/api/v1/namespaces/{place['namespace']}/pods/{place['name']}/eviction"
        # the container ignores SIGTERM, as the first process of its pod
        grace = {"gracePeriodSeconds": 1}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": place, "deleteOptions": grace}
        kaapana.environment.cluster.api.request("POST", path, body=body)

    run = _run_while(kaapana, kaapana.install(patient_extension), {"mode": "hang", "ticket": "a"}, evict)
    assert run.cause.task_id == "faulty"
    assert "evicted" in run.cause.summary
    assert run.task("faulty").reason == "Evicted"


def test_a_run_survives_a_restart_of_the_api_server(kaapana: Any, patient_extension: Path, node: KindNode) -> None:
    def server() -> str:
        return node.run("pgrep", "-o", "-f", "^kube-apiserver").strip()

    before = server()

    def restart(pod: Manifest) -> None:
        del pod
        node.run("kill", "-9", before)

    run = _run_while(kaapana, kaapana.install(patient_extension), {"mode": "wait", "count": 9, "ticket": "a"}, restart)
    assert run.succeeded, run.cause
    assert server() != before
    assert "waited" in run.task("faulty").log


def _kill_services(api: KubeApi, node: KindNode) -> None:
    """Kill the container of the services as soon as it runs, and return when the node has noticed."""
    name, namespace, _ = names.HARNESS_SERVICES
    killed = ""
    for _, pod in api.watch("Pod", namespace, labels={"app.kubernetes.io/name": name}, timeout_s=_RUNNING_S):
        (status,) = pod["status"]["containerStatuses"]
        container = status.get("containerID", "").removeprefix("containerd://")
        if not killed and "running" in status["state"]:
            node.run("ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", container)
            killed = container
        elif killed and ("running" not in status["state"] or container != killed):
            return
    pytest.fail("the container of the services is not started again" if killed else "it never ran")


def test_a_run_waits_for_services_that_were_killed_so_often_that_kubernetes_lets_them_wait(
    kaapana: Any, patient_extension: Path, node: KindNode
) -> None:
    installed = kaapana.install(patient_extension)
    # from the third time on Kubernetes waits for 20 s before it starts a container again
    for _ in range(3):
        _kill_services(kaapana.environment.cluster.api, node)
    run = installed.run(form={"mode": "succeed", "ticket": "a"})
    assert run.succeeded, run.cause
    assert "services-restarted" in [finding.rule for finding in run.findings]


def test_a_node_that_stops_in_the_middle_of_a_run_is_the_cause_and_nothing_is_left(
    patient_extension: Path, tmp_path: Path
) -> None:
    harness = Path(sys.executable).with_name("kaapana-harness")
    command = [str(harness), "run", str(patient_extension), "--cluster", "kind", "--out", str(tmp_path / "out")]
    command += ["--form", "mode=wait", "--form", "ticket=a", "--form", "count=9"]
    environ = {**os.environ, "KAAPANA_HARNESS_STATE_DIR": str(tmp_path / "state")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environ)
    assert process.stderr is not None
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if re.search(r"run faults-\d+", line):
                break
        found = re.search(r"starting environment (\w+)", "".join(said))
        assert found, "".join(said)[-3000:]
        name = f"kh-{found[1]}"
        subprocess.run(["docker", "stop", "-t", "0", f"{name}-control-plane"], check=True, capture_output=True)
        rest = process.stderr.read()
        process.wait(_ENDED_S)
    finally:
        process.kill()
        process.wait()
    first = next(line for line in rest.splitlines() if line.startswith("error: "))
    trouble = f"a node of the kind cluster has stopped (exit status 137): container {name}-control-plane"
    assert first == f"error: {trouble}", rest[-3000:]
    assert "Traceback" not in rest
    assert process.returncode == 3
    for kind in (["ps", "--all"], ["network", "ls"], ["volume", "ls"]):
        left = subprocess.run(
            ["docker", *kind, "--quiet", "--filter", f"name={name}"], check=True, capture_output=True, text=True
        )
        assert left.stdout == ""
