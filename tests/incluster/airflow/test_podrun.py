"""Following a pod whose state changes between watches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from harness.incluster.airflow.podrun import PodRun
from harness.kube.client import KubeApi
from harness.kube.errors import api_error
from harness.wire.name_lookups import UnresolvedName
from tests.incluster.airflow.in_image.fake_kube import FakeKube, wait_until

# below the minute that one watch lasts
SOON_S = 30.0
NAMESPACE = "project-a"


@pytest.fixture
def kube() -> Iterator[FakeKube]:
    fake = FakeKube()
    yield fake
    fake.close()


def pod(image: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "run-task", "namespace": NAMESPACE, "annotations": {"kaapana-harness/task": "t"}},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }


def run_of(kube: FakeKube, image: str) -> PodRun:
    return PodRun(KubeApi(kube.url), pod(image), on_line=print, startup_timeout_s=60)


def test_a_pod_that_is_deleted_before_it_is_watched_is_noticed_at_once(kube: FakeKube) -> None:
    run = run_of(kube, "lines/hang")
    run.create()
    KubeApi(kube.url).delete("Pod", NAMESPACE, "run-task")
    begin = time.monotonic()
    assert run.follow().reason == "Deleted"
    assert time.monotonic() - begin < SOON_S


def test_a_pod_that_ends_before_it_is_watched_has_its_outcome(kube: FakeKube) -> None:
    run = run_of(kube, "lines/exit-3")
    run.create()
    assert wait_until(lambda: [m["status"]["phase"] for m in kube.objects.values()] == ["Failed"], kube)
    assert run.follow().exit_code == 3


def test_the_names_that_a_failed_pod_asked_for_in_vain_are_in_its_outcome(kube: FakeKube) -> None:
    asked = UnresolvedName("weights.example.com", label="network-access-external-ips")
    for name, about, noted in (
        ("1", "run-task", asked.annotations()),
        ("2", "another", UnresolvedName("other.example").annotations()),
    ):
        kube.put(
            {
                "kind": "Event",
                "metadata": {"name": name, "namespace": NAMESPACE, "annotations": noted},
                "involvedObject": {"name": about},
                "reason": "UnknownName",
                "message": "",
            }
        )
    run = run_of(kube, "lines/exit-3")
    run.create()
    assert run.follow().unresolved == (asked,)


@pytest.mark.parametrize("ended", [True, False])
def test_an_eviction_is_reported_whether_or_not_the_end_of_its_container_is_seen(kube: FakeKube, ended: bool) -> None:
    run = run_of(kube, "lines/hang")
    run.create()
    said = "Eviction API: evicting"
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": said}
    state = {"terminated": {"exitCode": 143}} if ended else {"running": {}}
    status = {
        "phase": "Failed" if ended else "Running",
        "conditions": [condition],
        "containerStatuses": [{"name": "main", "state": state}],
    }
    assert wait_until(lambda: [m["status"]["phase"] for m in kube.objects.values()] == ["Running"], kube)
    kube.put(pod("lines/hang") | {"status": status})
    if not ended:
        KubeApi(kube.url).delete("Pod", NAMESPACE, "run-task")
    found = run.follow()
    assert found.reason == "Evicted"
    assert said in found.message


def test_a_pod_that_went_while_the_server_forgot_its_changes_is_noticed_at_once(
    kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(kube, "lines/hang")
    run.create()
    KubeApi(kube.url).delete("Pod", NAMESPACE, "run-task")
    watch = KubeApi.watch

    def forgetful(api: KubeApi, *arguments: Any, since: str = "", **options: Any) -> Any:
        if since:
            raise api_error(410, "Expired", "too old resource version")
        return watch(api, *arguments, **options)

    monkeypatch.setattr(KubeApi, "watch", forgetful)
    begin = time.monotonic()
    assert run.follow().reason == "Deleted"
    assert time.monotonic() - begin < SOON_S
