"""Facts that the docker cluster publishes about a pod, so that no client has to parse its messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.incluster.airflow import outcome
from harness.incluster.controlplane.http import Reply
from harness.incluster.controlplane.images import Images, PullError
from harness.incluster.controlplane.pod import PodWorker
from harness.incluster.controlplane.store import Store
from harness.kube.troubles import Trouble, trouble_of
from harness.wire import reasons
from harness.wire.pulls import PullProblem

REGISTRY = "localhost:5000"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "project-a"},
    "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": f"{REGISTRY}/tool:1"}]},
}


class Engine:
    """Answers each pull with the same error."""

    def __init__(self, error: str) -> None:
        self.error = error

    async def stream(self, method: str, path: str, **_: Any) -> AsyncIterator[bytes]:
        assert (method, path) == ("POST", "/images/create")
        yield json.dumps({"error": self.error}).encode()


class Idle(Engine):
    """Pulls for ever; its containers can be stopped."""

    def __init__(self) -> None:
        super().__init__("")
        self.stopped: list[str] = []

    async def stream(self, method: str, path: str, **_: Any) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async def stop(self, container: str, grace_s: int) -> None:
        assert grace_s == 0
        self.stopped.append(container)


class Registry:
    """Gives each request the same answer."""

    def __init__(self, answer: int | OSError) -> None:
        self.answer = answer

    async def ask(self, path: str, logins: Any) -> Reply:
        assert path == "/v2/tool/manifests/1"
        if isinstance(self.answer, OSError):
            raise self.answer
        return Reply(self.answer, {}, b"connection refused")


def node(engine: Engine | None = None, *, answer: int | OSError | None = None) -> Any:
    """A node that has only what a pod needs up to its image."""
    engine = engine or Engine("")
    images = Images(engine)  # type: ignore[arg-type]
    if answer is not None:
        images.registry.address = REGISTRY
        images.registry.ask = Registry(answer).ask  # type: ignore[method-assign]
    return SimpleNamespace(
        engine=engine,
        images=images,
        store=Store(),
        gpu=False,
        config=SimpleNamespace(prefix="e1"),
        volumes=SimpleNamespace(sources=lambda pod: {}),
        networks=SimpleNamespace(plan=lambda pod: SimpleNamespace(needs_guard=False)),
        manifest=lambda: {"metadata": {"name": "docker", "labels": {}}},
        event=lambda *arguments, **more: None,
        spawn=lambda work, what: asyncio.create_task(work),
    )


def seen(machine: Any) -> dict[str, Any]:
    """The pod as a client sees it once it has a status."""

    async def run() -> dict[str, Any]:
        worker = PodWorker(machine, machine.store.create(POD))
        found: dict[str, Any] = {}
        for _ in range(1000):
            await asyncio.sleep(0)
            found = machine.store.find("Pod", "project-a", "p")
            if found.get("status"):
                break
        await worker.halt()
        return found

    return asyncio.run(run())


def trouble(machine: Any) -> Trouble:
    found = trouble_of(seen(machine))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 5000)"), TimeoutError("no answer in 10 s")],
)
def test_a_registry_that_does_not_answer_is_a_fact_whatever_the_error_says(error: OSError) -> None:
    found = trouble(node(answer=error))
    assert found.published is PullProblem.UNREACHED
    assert found.unreached
    assert str(error) in found.message


def test_a_registry_that_wants_another_login_is_a_fact() -> None:
    found = trouble(node(answer=401))
    assert found.published is PullProblem.UNAUTHORIZED
    assert found.unauthorized


@pytest.mark.parametrize("status", [404, 502])
def test_another_answer_of_the_registry_is_neither_whatever_it_says(status: int) -> None:
    found = trouble(node(answer=status))
    assert found.published is PullProblem.OTHER
    assert (found.unreached, found.unauthorized) == (False, False)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        ("Get https://r.example/v2/: dial tcp 10.0.0.1:443: connect: connection refused", PullProblem.UNREACHED),
        ("Head https://r.example/v2/a/manifests/1: no basic auth credentials", PullProblem.UNAUTHORIZED),
        ("manifest unknown", PullProblem.OTHER),
    ],
)
def test_the_words_of_the_engine_are_read_where_it_pulls(error: str, problem: PullProblem) -> None:
    assert trouble(node(Engine(error))).published is problem


def test_a_pod_that_is_evicted_says_of_what_its_node_was_short_and_its_task_that_the_disk_ran_full() -> None:
    engine = Idle()
    machine = node(engine)

    async def run() -> dict[str, Any]:
        worker = PodWorker(machine, machine.store.create(POD))
        worker.containers[0].id = "c1"
        worker.containers[0].mark_running()
        await worker.evict("ephemeral-storage", "Threshold quantity: 5, available: 1.")
        worker.containers[0].mark_terminated({"State": {"OOMKilled": False}}, 137, out_of_memory=False)
        worker._finish("Failed")
        await worker.halt()
        return dict(machine.store.find("Pod", "project-a", "p"))

    pod = asyncio.run(run())
    assert engine.stopped == ["c1"]
    assert pod["metadata"]["annotations"] == {"kaapana-harness/short-of": "ephemeral-storage"}
    ended = outcome.read_outcome(pod, "main", "tool:1", [])
    assert (ended.reason, ended.low_disk) == ("Evicted", True)
    assert ended.message.startswith("The node was low on resource: ephemeral-storage. Threshold quantity: 5, avail")


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [("Tool:{{ version }}", None, reasons.IMAGE_NAME), (f"{REGISTRY}/tool:1", "Never", reasons.IMAGE_NEVER_PULL)],
)
def test_an_image_that_no_pull_can_bring_has_a_reason_for_which_hosts_give_up(
    image: str, policy: str | None, reason: str
) -> None:
    with pytest.raises(PullError) as caught:
        asyncio.run(node().images.resolve(image, policy))
    assert caught.value.reason == reason
    assert reason in reasons.PULL_FAILED
