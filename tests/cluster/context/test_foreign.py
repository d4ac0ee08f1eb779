"""Environments on a shared cluster, by a user with only the documented rights."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.cluster import ledger, open_cluster
from harness.cluster.context import preflight, rights
from harness.engine import connect
from harness.errors import PlatformError
from harness.images import RegistryClient
from harness.kube import ApiError, Forbidden, Invalid
from harness.platform import ownership
from harness.platform.environment import Environment
from harness.wire.names import HARNESS_SERVICES, SERVICES_NAMESPACE
from tests.cluster.context.conftest import Opened
from tests.cluster.context.foreign import CONTEXT, Foreign
from tests.cluster.kind.test_keeper import read_until
from tests.cluster.objects import Objects, fetch_script, fetched, http_server, python
from tests.waiting import until

ROOT = Path(__file__).parents[3]
_OWNER = f"""
import sys, time
from harness.cluster import open_cluster
from harness.settings import Settings
cluster = open_cluster("context:{CONTEXT}", Settings(context_registry=sys.argv[2]), environment_id=sys.argv[1])
cluster.api.apply({{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "project-x"}}}})
print("usable", flush=True)
time.sleep(600)
"""


@pytest.fixture
def clean(foreign: Foreign) -> Iterator[Foreign]:
    """Every test leaves the cluster as it found it."""
    before = foreign.kubeconfig.read_bytes()
    yield foreign
    assert foreign.left() == []
    # the user's file is only ever read
    assert foreign.kubeconfig.read_bytes() == before


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def test_the_preflight_is_content_with_the_documented_rights(clean: Foreign) -> None:
    named = {"registry": clean.settings.context_registry, "storage_class": clean.settings.context_storage_class}
    assert preflight.check(clean.user(), CONTEXT, **named) == []
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "context", "check", CONTEXT], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert f"context {CONTEXT} of {clean.kubeconfig} has everything that an environment needs" in done.stdout


def test_the_preflight_names_every_right_that_is_missing_at_once_and_makes_nothing(clean: Foreign) -> None:
    wide, narrow = (
        next(found for found in rights.make_manifests() if found["metadata"]["name"] == name and "rules" in found)
        for name in (rights.CLUSTER_ROLE, rights.NAMESPACE_ROLE)
    )
    try:
        wide["rules"][0]["verbs"].remove("delete")
        narrow["rules"] = [rule for rule in narrow["rules"] if "jobs" not in rule["resources"]]
        for role in (wide, narrow):
            clean.admin.apply(role)
        until(lambda: not preflight.is_allowed(clean.user(), rights.Right("delete", "", "namespaces")))
        with pytest.raises(PlatformError, match="lacks what an environment needs: 2 things") as caught:
            open_cluster(f"context:{CONTEXT}", clean.settings, environment_id="never")
    finally:
        for role in rights.make_manifests():
            clean.admin.apply(role)
        until(lambda: preflight.is_allowed(clean.user(), rights.Right("delete", "", "namespaces")))
    assert caught.value.exit_status == 3
    assert "rights in the cluster: delete namespaces\n" in caught.value.last_seen
    assert "create jobs.batch" in caught.value.last_seen
    assert "pods" not in caught.value.last_seen
    assert "kaapana-harness context rights | kubectl apply -f -" in caught.value.last_seen
    assert ledger.find(clean.settings.state, "never") is None


def test_the_rights_end_at_namespaces_of_the_harness(clean: Foreign) -> None:
    user = clean.user()
    account = {"kind": "ServiceAccount", "name": "a", "namespace": "default"}
    with pytest.raises(Forbidden):
        user.list("Secret", "kube-system")
    for attempt in (
        lambda: user.create(namespace("elsewhere")),
        lambda: user.delete("Namespace", None, "local-path-storage"),
        lambda: user.create(rights.make_binding("kube-system", "me", account)),
    ):
        with pytest.raises(ApiError, match="may only touch namespaces whose names begin with kh-"):
            attempt()


def test_a_pod_reaches_services_by_their_fixed_names_and_the_host_through_the_api_server(
    clean: Foreign, opened: Opened
) -> None:
    cluster = opened()
    services = Objects(cluster.api, SERVICES_NAMESPACE)
    web = services.pod(http_server(8000, "from web"), labels={"app": "web"})
    services.ready(web)
    services.service("web", 8000, "web", type="NodePort")
    cluster.api.apply(namespace("project-x"))
    project = Objects(cluster.api, "project-x")
    assert project.output(python(fetch_script("http://web.services.svc:8000/", reached=True))) == "from web"
    host, port = cluster.address(SERVICES_NAMESPACE, "web", 8000)
    assert host == "127.0.0.1"
    assert fetched(f"http://{host}:{port}/") == b"from web"
    # a pod that is replaced is found again on the same port
    services.api.delete("Pod", SERVICES_NAMESPACE, web, grace_period_s=0)
    services.gone("Pod", web)
    services.ready(services.pod(http_server(8000, "from another"), labels={"app": "web"}))
    assert fetched(f"http://{host}:{port}/") == b"from another"
    cluster.close()


def test_two_environments_on_one_cluster_do_not_see_one_another(clean: Foreign, opened: Opened) -> None:
    first, second = opened(), opened()
    Objects(first.api, SERVICES_NAMESPACE).create("ConfigMap", "words", data={"a": "first"})
    Objects(second.api, SERVICES_NAMESPACE).create("ConfigMap", "words", data={"a": "second"})
    for cluster, word in ((first, "first"), (second, "second")):
        assert cluster.api.get("ConfigMap", SERVICES_NAMESPACE, "words")["data"] == {"a": word}
        assert [found["metadata"]["name"] for found in cluster.api.list("Namespace")] == [SERVICES_NAMESPACE]
        words = [found for found in cluster.api.list("ConfigMap") if found["metadata"]["name"] == "words"]
        assert [found["data"]["a"] for found in words] == [word]
    first.close()
    assert second.api.get("ConfigMap", SERVICES_NAMESPACE, "words")["data"] == {"a": "second"}
    second.close()


def test_a_namespace_that_another_process_removes_is_reported_as_the_cause(clean: Foreign, opened: Opened) -> None:
    cluster = opened()
    assert cluster.trouble() == ""
    services = f"kh-{cluster.environment_id}-{SERVICES_NAMESPACE}"
    clean.admin.delete("Namespace", None, services)
    assert (
        cluster.trouble()
        == f"another process has removed the namespace {services} of the environment from {cluster.name}"
    )
    cluster.close()


def test_a_cluster_scoped_object_is_refused_by_name(clean: Foreign, opened: Opened) -> None:
    cluster = opened()
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "mine"}, "spec": {}}
    with pytest.raises(Invalid, match="PersistentVolume mine belongs to the whole cluster"):
        cluster.api.apply(volume)
    cluster.close()


def test_volumes_and_pods_that_do_not_want_to_end_go_with_the_environment(clean: Foreign, opened: Opened) -> None:
    cluster = opened()
    objects = Objects(cluster.api, SERVICES_NAMESPACE)
    objects.claim("data")
    stubborn = python("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)")
    stubborn["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    objects.ready(objects.pod(stubborn, volumes=volumes, terminationGracePeriodSeconds=600))
    assert any(entry.startswith("PersistentVolume") for entry in clean.left())
    cluster.close()
    assert clean.left() == []
    assert ledger.find(clean.settings.state, cluster.environment_id) is None


def test_leftovers_of_a_killed_owner_are_removed_at_the_next_start(clean: Foreign, environment_id: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, environment_id, clean.registry],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        read_until(process, "usable")
        made = [name for name in clean.names("Namespace") if name.startswith("kh-")]
        assert made == [f"kh-{environment_id}-project-x", f"kh-{environment_id}-services"]
        process.send_signal(signal.SIGKILL)
    assert ownership.tidy(clean.settings.state) == [environment_id]
    assert clean.left() == []


def test_an_environment_that_is_kept_is_adopted_and_ends_by_down(clean: Foreign, opened: Opened) -> None:
    cluster = opened()
    Objects(cluster.api, SERVICES_NAMESPACE).create("ConfigMap", "words", data={"a": "b"})
    cluster.close(keep=True)
    assert cluster.environment_id not in ownership.prune(clean.settings.state)
    adopted = open_cluster(f"context:{CONTEXT}", clean.settings, environment_id=cluster.environment_id, reuse=True)
    assert adopted.api.get("ConfigMap", SERVICES_NAMESPACE, "words")["data"] == {"a": "b"}
    adopted.close(keep=True)
    assert ownership.down(clean.settings.state) == [cluster.environment_id]


def test_an_image_that_was_pushed_again_under_its_tag_is_what_the_next_pod_gets(
    clean: Foreign, opened: Opened, services_image: str
) -> None:
    cluster = opened()
    objects = Objects(cluster.api, SERVICES_NAMESPACE)
    reference = f"{cluster.registry}/mine:1"
    script = {"name": "main", "image": reference, "command": ["sh", "-c", "cat /word"]}
    with contextlib.closing(connect()) as client:
        for word in ("first", "second"):
            built = client.api.create_container(services_image, ["sh", "-c", f"echo {word} > /word"])
            try:
                client.api.start(built)
                client.api.wait(built)
                image = f"kh-{cluster.environment_id}/word:{word}"
                client.api.commit(built, image.rpartition(":")[0], word)
            finally:
                client.api.remove_container(built, force=True)
            try:
                with RegistryClient(cluster.registry) as registry:
                    registry.push(image, "mine:1")
            finally:
                client.api.remove_image(image)
            cluster.withdraw_images([reference])
            assert objects.output(script) == word
    cluster.close()
    with RegistryClient(cluster.registry) as registry:
        assert registry.digest("mine", "1") is None


def test_one_image_runs_another_command_under_each_of_its_names(
    clean: Foreign, opened: Opened, services_image: str
) -> None:
    cluster = opened()
    cluster.api.apply(namespace("project-x"))
    project = Objects(cluster.api, "project-x")
    commands = {f"test.invalid/{word}:1": ["python", "-c", f"print('this is {word}')"] for word in ("one", "two")}
    cluster.provide_images(dict.fromkeys(commands, services_image), commands)
    for word in ("one", "two"):
        assert project.output({"name": "main", "image": f"test.invalid/{word}:1"}) == f"this is {word}"
    cluster.close()


def test_nodes_that_cannot_pull_are_named_before_anything_waits_for_them(
    clean: Foreign, services_image: str, environment_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.cluster.context.images import RegistryImages

    def elsewhere(self: RegistryImages, images: dict[str, str], commands: dict[str, list[str]]) -> dict[str, str]:
        # as when the name of the registry means something else on the nodes
        return dict.fromkeys(images, f"localhost:1/a@sha256:{'0' * 64}")

    monkeypatch.setattr(RegistryImages, "provide", elsewhere)
    with pytest.raises(PlatformError, match="the nodes of the cluster cannot pull from the registry") as caught:
        open_cluster(f"context:{CONTEXT}", clean.settings, environment_id=environment_id, images=[services_image])
    assert "KAAPANA_HARNESS_CONTEXT_REGISTRY" in caught.value.fix


def test_a_scenario_runs_unchanged_and_nothing_of_it_is_left(clean: Foreign) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", f"--kaapana-cluster=context:{CONTEXT}"),
            *("scenarios/otsus-method/test_otsus_method.py", "-k", "with_the_defaults_of_the_form"),
        ],
        cwd=ROOT,
        env={**os.environ, "KAAPANA_HARNESS_START_TIMEOUT": "600"},
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "1 passed" in done.stdout


def test_the_whole_platform_serves_two_environments_side_by_side_under_the_same_names(clean: Foreign) -> None:
    settings = dataclasses.replace(clean.settings, start_timeout=600.0)
    with Environment.up(settings) as first, Environment.up(settings) as second:
        assert first.id != second.id
        for environment in (first, second):
            environment.services.check_health()
            environment.airflow.check_health()
            host, port = environment.cluster.address(SERVICES_NAMESPACE, *HARNESS_SERVICES[::2])
            assert httpx.get(f"http://{host}:{port}/health", trust_env=False).status_code == 200
        assert first.credentials.token != second.credentials.token
