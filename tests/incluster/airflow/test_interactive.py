"""An interactive step from the operator's side: offered, attended, completed, refused (runtime 7.5, 7.6)."""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.incluster.airflow import interactive
from harness.incluster.airflow.errors import InvalidPodError
from harness.incluster.airflow.interactive import InteractiveSession, InteractiveStepError
from harness.incluster.airflow.outcome import Outcome
from harness.kube.errors import NotFound, api_error
from harness.wire.interactive import Step

STEP = Step("dev_server='code-server'", "d", "d-1", "train", "-", "/kaapana/mounted/data/d-1")
POD = {
    "kind": "Pod",
    "metadata": {"name": "d-1-train", "namespace": "project-a", "labels": {"run_id": "d-1"}, "annotations": {}},
    "spec": {
        "initContainers": [{"name": "clean"}],
        "containers": [
            {
                "name": "main",
                "image": "mine:1",
                "command": ["python", "train.py"],
                "args": ["--fast"],
                "env": [{"name": "WORKSPACE", "value": "/old"}, {"name": "EPOCHS", "value": "3"}],
                "resources": {"limits": {"memory": "600Mi", "nvidia.com/gpu": "0"}},
                "volumeMounts": [{"name": "workflowdata", "mountPath": "/kaapana/mounted/data"}],
            }
        ],
    },
}


class Api:
    """An API server in memory; a pod runs until it is deleted, its log is ``lines``."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.changed = threading.Condition()
        self.watchers: list[tuple[str, str, queue.Queue[tuple[str, Any]]]] = []

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        manifest = json.loads(json.dumps(manifest))
        if manifest["kind"] == "Pod":
            state = {"name": "main", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
            manifest["status"] = {"phase": "Running", "containerStatuses": [state]}
        self._set("ADDED", manifest)
        return dict(manifest)

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        if (kind, name) not in self.objects:
            raise api_error(404, "NotFound", name)
        return self.objects[kind, name]

    def patch(self, kind: str, namespace: str, name: str, change: dict[str, Any]) -> None:
        manifest = json.loads(json.dumps(self.get(kind, namespace, name)))
        manifest["data"].update(change["data"])
        self._set("MODIFIED", manifest)

    def delete(self, kind: str, namespace: str, name: str, *, grace_period_s: int | None = None) -> None:
        self._set("DELETED", self.get(kind, namespace, name))

    def _set(self, change: str, manifest: dict[str, Any]) -> None:
        key = (manifest["kind"], manifest["metadata"]["name"])
        with self.changed:
            self.objects[key] = manifest
            if change == "DELETED":
                del self.objects[key]
            for kind, name, events in self.watchers:
                if (kind, name) == key:
                    events.put((change, manifest))
            self.changed.notify_all()

    def watch(
        self, kind: str, namespace: str, *, name: str, timeout_s: float, since: str = ""
    ) -> Iterator[tuple[str, Any]]:
        events: queue.Queue[tuple[str, Any]] = queue.Queue()
        with self.changed:
            if (kind, name) in self.objects:
                events.put(("ADDED", self.objects[kind, name]))
            self.watchers.append((kind, name, events))
        while True:
            try:
                yield events.get(timeout=timeout_s)
            except queue.Empty:
                return

    def logs(self, namespace: str, name: str, *, container: str, follow: bool) -> Iterator[str]:
        yield from self.lines

    def until(self, condition: Callable[[], Any]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout=10)

    @property
    def step(self) -> dict[str, str]:
        """Data of the step's ConfigMap, empty before it exists."""
        return dict(self.objects.get(("ConfigMap", "d-1-train-step"), {}).get("data", {}))

    def answer(self, **data: str) -> None:
        self.patch("ConfigMap", "project-a", "d-1-train-step", {"data": data})


class Running:
    """A session in a thread, as in Airflow's task."""

    def __init__(self, api: Api) -> None:
        self.log: list[str] = []
        self.outcome: Outcome | None = None
        self.error: Exception | None = None
        session = InteractiveSession(api, POD, STEP, on_line=self.log.append, startup_timeout_s=5)  # type: ignore[arg-type]

        def work() -> None:
            try:
                self.outcome = session.run()
            except Exception as error:
                self.error = error

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def api() -> Api:
    return Api(["kaapana-harness: interactive step with code-server", "listening"])


def test_a_step_is_attended_says_its_tool_and_ends_well_when_it_is_completed(api: Api) -> None:
    running = Running(api)
    api.until(lambda: api.step)
    assert ("Pod", "d-1-train") not in api.objects  # nothing starts before an author is there
    document = json.loads(api.step["step.json"])
    assert (document["run_id"], document["task_id"], document["pod"]) == ("d-1", "train", "d-1-train")
    service = api.objects["Service", document["service"]]
    api.answer(attended="terminal")
    api.until(lambda: api.step.get("tool"))
    assert api.step["tool"] == "code-server"
    labels = api.objects["Pod", "d-1-train"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    api.answer(answer="completed")
    running.end()
    assert running.outcome is not None
    assert (running.outcome.reason, running.error) == ("Completed", None)
    assert "completed by hand" in running.outcome.message
    assert api.objects == {}
    assert "listening" in running.log


@pytest.mark.parametrize("kind", ["ConfigMap", "Pod"])
def test_a_step_whose_pod_or_offer_is_removed_counts_as_completed(api: Api, kind: str) -> None:
    running = Running(api)
    api.until(lambda: api.step)
    api.answer(attended="terminal")
    api.until(lambda: ("Pod", "d-1-train") in api.objects)
    api.delete(kind, "project-a", "d-1-train" + ("-step" if kind == "ConfigMap" else ""))
    running.end()
    assert running.outcome is not None
    assert running.outcome.reason == "Completed"
    assert api.objects == {}


def test_a_refused_step_fails_with_the_reason_and_starts_no_container(api: Api) -> None:
    running = Running(api)
    api.until(lambda: api.step)
    api.answer(answer="refused", reason="the run has no interactive terminal: CI is set")
    running.end()
    assert isinstance(running.error, InteractiveStepError)
    assert str(running.error) == (
        "train is an interactive step (dev_server='code-server'), and the run has no interactive terminal: CI is set"
    )
    assert api.objects == {}


def test_a_step_that_no_client_follows_does_not_hang(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactive, "ATTENDANCE_S", 0.05)
    running = Running(api)
    running.end()
    assert "no test or command followed its run within" in str(running.error)
    assert api.objects == {}


def test_a_step_ends_after_the_platforms_twelve_hours(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactive, "LONGEST_S", 0.5)
    running = Running(api)
    api.until(lambda: api.step)
    api.answer(attended="terminal")
    running.end()
    assert "it was not completed within" in str(running.error)
    assert api.objects == {}


def test_leftovers_of_an_earlier_attempt_are_replaced(api: Api) -> None:
    name = {"name": "d-1-train-step", "namespace": "project-a"}
    api.create({"kind": "ConfigMap", "metadata": name, "data": {"answer": "completed"}})
    create, refused = api.create, []

    def strict(manifest: dict[str, Any]) -> None:
        key = (manifest["kind"], manifest["metadata"]["name"])
        if key in api.objects:
            refused.append(key)
            raise api_error(409, "AlreadyExists", key[1])
        create(manifest)

    api.create = strict  # type: ignore[method-assign]
    running = Running(api)
    api.until(lambda: "step.json" in api.step)
    assert refused == [("ConfigMap", "d-1-train-step")]
    api.answer(answer="refused", reason="x")
    running.end()


def test_the_pod_has_the_tasks_data_and_environment_but_waits_for_its_author() -> None:
    pod = interactive.step_pod(POD)
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "mine:1"
    assert container["volumeMounts"] == POD["spec"]["containers"][0]["volumeMounts"]  # type: ignore[index]
    assert container["env"][:2] == [{"name": "WORKSPACE", "value": "/kaapana"}, {"name": "EPOCHS", "value": "3"}]
    assert container["command"][:2] == ["sh", "-c"]
    assert "code-server --auth password --bind-addr 0.0.0.0:8080" in container["command"][2]
    assert "args" not in container
    assert container["securityContext"] == {"runAsUser": 0}
    assert container["resources"]["limits"] == {"memory": "5Gi"}
    assert "initContainers" not in pod["spec"]
    assert POD["spec"]["containers"][0]["args"] == ["--fast"]  # type: ignore[index]  # the original is as it was


def test_each_attempt_has_a_password_of_its_own_in_a_secret_that_goes_with_it(api: Api) -> None:
    passwords = []
    for _ in range(2):
        running = Running(api)
        api.until(lambda: api.step)
        secret = api.objects["Secret", "d-1-train-step"]
        passwords.append(base64.b64decode(secret["data"]["password"]).decode())
        api.answer(attended="terminal")
        api.until(lambda: ("Pod", "d-1-train") in api.objects)
        pod = api.objects["Pod", "d-1-train"]
        reference = {"name": "d-1-train-step", "key": "password"}
        assert pod["spec"]["containers"][0]["env"][-1]["valueFrom"] == {"secretKeyRef": reference}
        # neither the pod nor the step's description has it
        assert passwords[-1] not in json.dumps([pod, api.step])
        api.answer(answer="completed")
        running.end()
        assert api.objects == {}
        assert passwords[-1] not in "".join(running.log)
    assert len(set(passwords)) == 2
    assert min(map(len, passwords)) >= 24


def test_the_editor_gets_the_password_and_what_it_starts_does_not(tmp_path: Path) -> None:
    editor = tmp_path / "code-server"
    editor.write_text('#!/bin/sh\necho "$PASSWORD|$KAAPANA_HARNESS_STEP_PASSWORD|$*"\n')
    editor.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "WORKSPACE": "/w", "KAAPANA_HARNESS_STEP_PASSWORD": "p w'\""}
    command = interactive.step_pod(POD)["spec"]["containers"][0]["command"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "p w'\"||--auth password --bind-addr 0.0.0.0:8080 /w"


def test_the_dev_server_takes_text_only() -> None:
    interactive.check_environment({"A": ""})
    with pytest.raises(InvalidPodError, match="EPOCHS is None"):
        interactive.check_environment({"EPOCHS": None})


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ({"launch_application_chart": "", "dev_server": None}, ""),
        ({"launch_application_chart": "", "dev_server": "code-server"}, "dev_server='code-server'"),
        ({"launch_application_chart": "mitk", "dev_server": None}, "launch_application_chart='mitk'"),
    ],
)
def test_the_argument_that_makes_a_task_interactive_is_named_as_the_author_wrote_it(
    operator: Any, expected: str
) -> None:
    assert interactive.interactive_parameter(SimpleNamespace(**operator)) == expected


def test_nothing_of_a_step_stays_when_it_is_killed_while_it_waits(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    session = InteractiveSession(api, POD, STEP, on_line=lambda line: None, startup_timeout_s=5)  # type: ignore[arg-type]
    monkeypatch.setattr(session._objects, "wait_until_attended", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        session.run()
    assert api.objects == {}
    with pytest.raises(NotFound):
        api.get("ConfigMap", "project-a", "d-1-train-step")
