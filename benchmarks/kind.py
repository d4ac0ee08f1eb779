"""The same on kind, against what Kubernetes' own commands take, and against the docker cluster."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.common import ALGORITHM, EXTENSION, STEPS, harness, memory_mb, timed_run
from benchmarks.figures import Figure, own_state
from harness import engine, images
from harness.api import Kaapana
from harness.cluster.kind import command, names, node_image
from harness.cluster.kind.cluster import KindCluster
from harness.data import brain_mr
from harness.incluster.airflow.podrun import PodRun
from harness.kube import Manifest
from harness.platform.environment import Environment
from harness.settings import Settings

_IMAGE = "benchmark.invalid/shell:1"
_WARM_GOAL_S = 25
_AT_ONCE = 20
# two containers a run, which do next to nothing
_SMALL = "bench-small"


def start(folder: Path, rounds: int) -> list[Figure]:
    """``up --cluster kind`` against ``kind create cluster`` with the same node image, in turns; memory when idle."""
    bare, ours, more, memory = [], [], [], []
    with own_state(folder):
        settings = Settings.load({"cluster": "kind"})
        Environment.up(settings).down()
        for _ in range(rounds):
            bare.append(_bare_cluster(settings, folder))
            clock = time.monotonic()
            environment = Environment.up(settings)
            ours.append(time.monotonic() - clock)
            more.append(ours[-1] - bare[-1])
            memory.append(memory_mb(f"{names.LABEL_CLUSTER}={names.cluster_name(environment.id)}"))
            environment.down()
    return [
        Figure("kind create cluster --wait, same node image", bare, "s", ""),
        Figure("environment start on kind, images present", ours, "s", ""),
        Figure("the second minus the first", more, "s", "<= 15 s"),
        Figure("memory of the idle environment on kind", memory, "MB", "<= 2500 MB"),
    ]


def warm_run(folder: Path, rounds: int) -> list[Figure]:
    """The shell command in a kept environment on kind and on docker, in turns; on kind also after an edit."""
    series = brain_mr(Settings.load().cache).path
    copy = Path(shutil.copytree(EXTENSION, folder / "edited-on-kind"))
    on_kind, on_docker, ratios, edited = [], [], [], []
    with own_state(folder):
        try:
            for cluster in ("docker", "kind"):
                Environment.up(Settings.load({"cluster": cluster, "reuse": True})).down(keep=True)
                timed_run(copy, series, folder / f"first-{cluster}", "--cluster", cluster)
            for number in range(rounds):
                on_docker.append(timed_run(copy, series, folder / f"docker-{number}", "--cluster", "docker"))
                on_kind.append(timed_run(copy, series, folder / f"kind-{number}", "--cluster", "kind"))
                ratios.append(on_kind[-1] / on_docker[-1])
            for number in range(rounds):
                source = copy / ALGORITHM
                source.write_text(source.read_text("utf-8") + f"\n# edit {number} at {time.time()}\n", "utf-8")
                edited.append(timed_run(copy, series, folder / f"kind-edited-{number}", "--cluster", "kind"))
        finally:
            subprocess.run([harness(), "down"], check=True, capture_output=True)
    return [
        Figure("otsus-method on kind, environment kept, nothing changed", on_kind, "s", f"<= {_WARM_GOAL_S} s"),
        Figure("the same on docker", on_docker, "s", ""),
        Figure("ratio of the two", ratios, "", "<= 2"),
        Figure("otsus-method on kind, one line changed, to the verdict", edited, "s", "<= 30 s"),
    ]


def pod(folder: Path, rounds: int) -> list[Figure]:
    """A pod that does nothing, by the operators' code and by ``kubectl run``, in turns on one cluster."""
    ours, by_kubectl, ratios = [], [], []
    with own_state(folder):
        settings = Settings.load()
        cluster = KindCluster.create(settings, f"b{secrets.token_hex(3)}")
        try:
            cluster.wait_until_usable()
            cluster.provide_images({_IMAGE: images.ensure("services", settings=settings)})
            kubectl = _kubectl(cluster)
            for number in range(3 * rounds):
                by_kubectl.append(_timed(_run_by_kubectl, kubectl, f"theirs-{number}"))
                ours.append(_timed(_run_by_us, cluster, f"ours-{number}"))
                ratios.append(ours[-1] / by_kubectl[-1])
        finally:
            cluster.close()
    return [
        Figure("a pod that does nothing, created to finished, by the operators' code on kind", ours, "s", ""),
        Figure("kubectl run of the same pod, and kubectl wait", by_kubectl, "s", ""),
        Figure("ratio of the two", ratios, "", "<= 1.2"),
    ]


def many_runs(folder: Path, rounds: int) -> list[Figure]:
    """Runs at once on one kind cluster, of an extension with one container and the cleaner; each has to succeed."""
    del rounds
    settings = Settings.load({"cluster": "kind"})
    with own_state(folder), Kaapana.open(settings, evidence=folder / "many") as kaapana:
        extension = kaapana.install(STEPS)
        extension.run(dag=_SMALL)
        alone = extension.run(dag=_SMALL)
        assert alone.succeeded, alone.cause
        clock = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            folders = [folder / "many" / f"at-once-{number}" for number in range(_AT_ONCE)]
            runs = list(pool.map(lambda path: extension.run(dag=_SMALL, directory=path), folders))
        wall = time.monotonic() - clock
        failed = [str(run.cause) for run in runs if not run.succeeded]
        assert not failed, failed
        memory = memory_mb(f"{names.LABEL_CLUSTER}={names.cluster_name(kaapana.environment.id)}")
    return [
        Figure("small run on kind, alone", [alone.seconds], "s", ""),
        Figure(f"{_AT_ONCE} of them at once on kind, all together", [wall], "s", "all succeed"),
        Figure("each of these, trigger to end", [run.seconds for run in runs], "s", ""),
        Figure("memory of the node after them", [memory], "MB", ""),
    ]


def _timed(action: Callable[..., Any], *arguments: Any) -> float:
    clock = time.monotonic()
    action(*arguments)
    return time.monotonic() - clock


def _bare_cluster(settings: Settings, folder: Path) -> float:
    """Seconds that kind takes for a cluster of its own, until its node is ready."""
    name = f"khbare-{secrets.token_hex(3)}"
    program, image = command.ensure(settings), node_image.ensure(settings)
    environ = {**os.environ, **command.make_environment(settings.state), "KIND_EXPERIMENTAL_DOCKER_NETWORK": name}
    environ["KUBECONFIG"] = str(folder / name)

    def call(*arguments: str) -> None:
        subprocess.run([program, *arguments, "--name", name], env=environ, check=True, capture_output=True)

    try:
        return _timed(call, "create", "cluster", "--image", image, "--wait", "180s")
    finally:
        call("delete", "cluster")
        with engine.connect_api() as api:
            api.remove_network(name)


def _kubectl(cluster: KindCluster) -> list[str]:
    own = shutil.which("kubectl")
    if own:
        return [own, "--kubeconfig", str(cluster.kubeconfig)]
    node = cluster.nodes[0].name
    return ["docker", "exec", node, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"]


def _run_by_kubectl(kubectl: list[str], name: str) -> None:
    run = [*kubectl, "run", name, f"--image={_IMAGE}", "--restart=Never", "--command", "--", "true"]
    subprocess.run(run, check=True, capture_output=True)
    ended = "--for=jsonpath={.status.phase}=Succeeded"
    subprocess.run([*kubectl, "wait", ended, f"pod/{name}", "--timeout=60s"], check=True, capture_output=True)


def _run_by_us(cluster: KindCluster, name: str) -> None:
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "annotations": {"kaapana-harness/task": name}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": name, "image": _IMAGE, "command": ["true"]}],
        },
    }
    attempt = PodRun(cluster.api, manifest, on_line=lambda line: None, startup_timeout_s=60)
    attempt.create()
    assert attempt.follow().reason == "Completed"
