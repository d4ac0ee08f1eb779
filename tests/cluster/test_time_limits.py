"""A pod's deadline is its own: what else is late in its life, the engine for instance, is named as such."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.incluster.controlplane import helper_containers, podnetwork
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.deadline import run_within
from harness.incluster.controlplane.engine import Engine, EngineTimeoutError
from harness.incluster.controlplane.errors import NotReadyError
from harness.incluster.controlplane.images import Images
from harness.incluster.controlplane.memory import MemoryMeter
from harness.incluster.controlplane.networks import Networks
from harness.incluster.controlplane.node import Node
from harness.incluster.controlplane.pod import PodWorker
from harness.incluster.controlplane.store import Store
from harness.kube import Manifest

CONFIG = ControlPlaneConfig("t", "1@x", "now", "token", "secret")
SHORT_S = 0.05


@contextlib.asynccontextmanager
async def slow_engine(folder: Path) -> AsyncIterator[Engine]:
    """Begin an engine that accepts every request, and does not answer one that starts something or waits."""
    closing = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        target = head.split(" ")[1]
        if target.endswith(("/start", "/wait")) and "/containers/x/start" not in target:
            await closing.wait()
        body = json.dumps({"Id": "x"}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    async with await asyncio.start_unix_server(answer, folder / "s"):
        yield Engine(str(folder / "s"), "1.41")
        closing.set()


def late(folder: Path, ask: Callable[[Engine], Awaitable[object]]) -> str:
    """Ask a slow engine; its error."""

    async def run() -> str:
        async with slow_engine(folder) as engine:
            with pytest.raises(EngineTimeoutError) as caught:
                await ask(engine)
        assert caught.value.status == 0
        return str(caught.value)

    return asyncio.run(run())


def test_a_call_that_the_engine_does_not_answer_is_its_own_time_out(tmp_path: Path) -> None:
    said = late(tmp_path, lambda engine: engine.call("POST", "/exec/x/start", timeout_s=SHORT_S))
    assert said == "the engine did not answer POST /exec/x/start in 0.05 s"


def test_a_program_in_a_container_that_does_not_end_in_time_is_named(tmp_path: Path) -> None:
    said = late(tmp_path, lambda engine: engine.execute("c", ["python", "-m", "x"], SHORT_S))
    assert said == "python did not end in 0.05 s"


def test_a_helper_that_does_not_end_in_time_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_containers, "_ANSWER_S", SHORT_S)
    said = late(tmp_path, lambda engine: helper_containers.run_helper(engine, CONFIG, "i", ["cat"], {}, name="n"))
    assert said == "cat did not end in 0.05 s"


def test_a_guard_that_is_late_says_what_it_was_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def survey(*args: object, **options: object) -> bytes:
        return b""

    async def no_rules(*args: object) -> list[Any]:
        return []

    monkeypatch.setattr(podnetwork, "run_helper", survey)
    monkeypatch.setattr(podnetwork, "_GUARD_S", SHORT_S)

    async def guard(engine: Engine) -> None:
        networks = SimpleNamespace(guard_rules=no_rules)
        node: Any = SimpleNamespace(engine=engine, config=CONFIG, sandbox_image="i", networks=networks)
        await podnetwork.PodNetwork(node, {}, lambda: None)._guard("pod")

    assert late(tmp_path, guard) == "the pod's network was not guarded in time: python did not end in 0.05 s"


def end_of_pod(make_volumes: Callable[[Manifest], object], **spec: Any) -> dict[str, Any]:
    """Run a pod on a node whose volumes are made in this way; its status when it has ended."""

    async def run() -> dict[str, Any]:
        engine, store = Engine("/none", "1.41"), Store()
        volumes: Any = SimpleNamespace(sources=make_volumes)
        node = Node(
            config=CONFIG,
            engine=engine,
            store=store,
            images=Images(engine),
            networks=Networks(CONFIG, engine, store),
            volumes=volumes,
            meter=MemoryMeter(Path("/none")),
            sandbox_image="i",
            cpus=1,
            memory=1 << 30,
            gpu=False,
            slots=asyncio.Semaphore(1),
        )
        containers = [{"name": "main", "image": "i"}]
        pod = store.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "p", "namespace": "project-1"},
                "spec": {"containers": containers, "restartPolicy": "Never", **spec},
            }
        )
        worker = PodWorker(node, pod)
        await asyncio.wait_for(worker._task, 10)
        ended = store.find("Pod", "project-1", "p")
        assert ended is not None
        return dict(ended["status"])

    return asyncio.run(run())


@pytest.mark.parametrize("spec", [{}, {"activeDeadlineSeconds": 3600}], ids=["no deadline", "a deadline"])
@pytest.mark.parametrize("kind", [asyncio.TimeoutError, TimeoutError, EngineTimeoutError])
def test_something_late_within_a_pod_is_not_the_pods_deadline(kind: type[Exception], spec: dict[str, Any]) -> None:
    def make_volumes(pod: Manifest) -> object:
        raise kind("the disk did not answer")

    status = end_of_pod(make_volumes, **spec)
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Error", "the disk did not answer")


def test_a_pod_above_its_deadline_ends_with_that_reason() -> None:
    def make_volumes(pod: Manifest) -> object:
        raise NotReadyError("no such claim")

    status = end_of_pod(make_volumes, activeDeadlineSeconds=SHORT_S)
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert status["message"] == "Pod was active on the node longer than the specified deadline"


def test_work_that_is_given_up_before_its_deadline_is_cancelled() -> None:
    async def run() -> bool:
        work = asyncio.get_running_loop().create_future()

        async def wait() -> None:
            await work

        task = asyncio.create_task(run_within(wait(), 3600))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return work.cancelled()

    assert asyncio.run(run())
