"""Interactive steps with and without the author's terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_platform import FakeCluster, FakeEnvironment, FakeProject, outcome, run_request, task

from harness.common.redaction import redact
from harness.run import interactive
from harness.run.execute import execute
from harness.run.follow import Silent, follow
from harness.run.interactive import Attendant, Terminal, find_author
from harness.wire import reasons
from tests.waiting import until


class Author:
    """An author who presses Enter when the test says so."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.done = False

    def say(self, text: str) -> None:
        self.shown.append(text)

    def is_done(self) -> bool:
        pressed, self.done = self.done, False
        return pressed


def step(run_id: str = "r-1", **data: str) -> dict[str, Any]:
    """The ConfigMap of a step as an operator makes it."""
    document = {
        "what": "dev_server='code-server'",
        "run_id": run_id,
        "task_id": "train",
        "folder": "/kaapana/mounted/data/r-1",
        "namespace": "project-t1",
        "pod": "r-1-train",
        "service": "step-r-1-train",
    }
    return {
        "metadata": {"namespace": "project-t1", "name": "r-1-train-step"},
        "data": {"step.json": json.dumps(document), **data},
    }


@pytest.fixture
def cluster() -> FakeCluster:
    result = FakeCluster()
    result.steps = [step()]
    return result


def attendant(cluster: FakeCluster, author: Author | None, why: str = "") -> Attendant:
    return Attendant(cluster, ["r-1"], Silent(), lambda: (author, why))  # type: ignore[arg-type]


def test_the_author_gets_link_and_shell_and_completes_the_step_with_enter(cluster: FakeCluster) -> None:
    author = Author()
    looking = attendant(cluster, author)
    looking.tick([])
    assert cluster.steps[0]["data"]["attended"] == "terminal"
    looking.tick([])
    assert author.shown == []  # the container has not said what it has
    cluster.steps[0]["data"]["tool"] = "code-server"
    author.done = True  # an Enter from before the question
    looking.tick([])
    (text,) = author.shown
    assert "train is an interactive step (dev_server='code-server')" in text
    assert f"http://127.0.0.1:40001/?folder=/kaapana  password {cluster.PASSWORD}\n" in text
    # nowhere else: the container may print its environment
    assert cluster.PASSWORD not in redact(text)
    assert "docker exec -it r-1-train sh" in text
    looking.tick([])
    assert "answer" not in cluster.steps[0]["data"]
    author.done = True
    looking.tick([])
    assert cluster.steps[0]["data"]["answer"] == "completed"
    assert len(author.shown) == 1


def test_an_image_without_an_editor_gets_a_shell(cluster: FakeCluster) -> None:
    author = Author()
    cluster.steps = [step(tool="shell")]
    looking = attendant(cluster, author)
    looking.tick([])
    looking.tick([])
    assert "no code-server" in author.shown[0]
    assert "http://" not in author.shown[0]
    assert "docker exec -it r-1-train sh" in author.shown[0]


def test_the_step_of_another_run_is_left_alone(cluster: FakeCluster) -> None:
    cluster.steps = [step("r-2"), {"metadata": {"namespace": "x", "name": "y"}, "data": {"step.json": "["}}]
    attendant(cluster, None, "no terminal").tick([])
    assert set(cluster.steps[0]["data"]) == {"step.json"}


def test_without_an_author_the_step_is_refused_with_the_reason(cluster: FakeCluster) -> None:
    attendant(cluster, None, "the run has no interactive terminal: CI is set").tick([])
    data = cluster.steps[0]["data"]
    assert (data["answer"], data["reason"]) == ("refused", "the run has no interactive terminal: CI is set")


def test_the_time_of_the_author_does_not_count(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(interactive.time, "monotonic", lambda: now)
    looking = attendant(cluster, Author())
    looking.tick([])
    now = 130.0
    assert looking.paused_s == 30
    cluster.steps = []
    looking.tick([])
    now = 200.0
    assert looking.paused_s == 30


def test_the_deadline_of_a_run_moves_with_the_pause() -> None:
    environment = FakeEnvironment()
    environment.airflow.hang = True
    pauses = iter([0.0, 0.0, 0.3])
    followed = follow(
        environment.airflow,  # type: ignore[arg-type]
        "otsus-method",
        "r",
        Silent(),
        timeout_s=0.2,
        paused=lambda: next(pauses, 0.3),
    )
    assert followed.state is None
    assert followed.seconds >= 0.5


@pytest.mark.parametrize(
    ("environ", "words"),
    [({"CI": "true"}, "CI is set"), ({"CI": "1"}, "CI is set"), ({"PYTEST_XDIST_WORKER": "gw1"}, "xdist")],
)
def test_automatic_runs_have_no_author(environ: dict[str, str], words: str) -> None:
    author, why = find_author(environ)
    assert author is None
    assert words in why


def test_a_run_without_a_terminal_has_no_author() -> None:
    program = "from harness.run.interactive import find_author; print(find_author({'CI': 'false'}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        start_new_session=True,  # which has no terminal
        cwd=Path(__file__).parents[2],
        check=True,
    )
    assert done.stdout.strip() == "(None, 'the run has no interactive terminal: /dev/tty cannot be opened')"


def test_a_terminal_is_written_to_and_enter_is_seen() -> None:
    ours, theirs = pty.openpty()
    try:
        terminal = Terminal(theirs)
        terminal.say("one\ntwo")
        shown = b""
        # what is written to a terminal arrives in pieces, and later
        while b"two" not in shown:
            shown += os.read(ours, 100)
        assert shown.split() == [b"one", b"two"]
        assert terminal.is_done() is False
        os.write(ours, b"\n")
        until(terminal.is_done)
        assert terminal.is_done() is False
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_cause_of_a_refused_step_says_what_to_do(tmp_path: Path) -> None:
    said = "train waits for its author (dev_server='code-server'), and the run has no interactive terminal: CI is set"
    tasks = [task("train", "failed", outcome=outcome(reasons.INTERACTIVE_STEP, message=said))]
    run = execute(FakeEnvironment(tasks, "failed"), FakeProject(), run_request("otsus-method", tmp_path))  # type: ignore[arg-type]
    assert run.cause is not None
    assert "CI is set" in run.cause.summary
    assert "leave dev_server" in run.cause.fix
