"""Runs that are looked at while they go: metrics, steps that are done by hand; and files stored the old ways."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.run import interactive


@pytest.fixture
def observed(kaapana: Any) -> Any:
    return kaapana.install(Path(__file__).parent / "extension")


def test_annotated_pods_are_asked_for_metrics_and_a_mute_one_is_a_finding(observed: Any) -> None:
    run = observed.run(dag="measured")
    assert run.succeeded
    metrics = run.metrics["train"]
    assert metrics.values("loss", fold="0", custom_job_name="observed") == [0.9, 0.4]
    assert (run.directory / "metrics" / "train.json").is_file()
    (finding,) = [item for item in run.findings if item.rule.startswith("metrics")]
    assert (finding.rule, finding.where) == ("metrics-never-answered", "mute")
    assert ":9001/metrics" in finding.message


def test_files_reach_the_bucket_by_the_old_operator_and_by_its_helper(kaapana: Any, observed: Any) -> None:
    run = observed.run(dag="stored", form={"bucket_name": kaapana.project.bucket})
    assert run.succeeded
    # c.bin has none of the operator's endings, a.txt was removed again
    assert sorted(item.key for item in run.objects) == ["helped/d.txt", "kept/notes/b.txt"]
    assert "kept/notes/a.txt removed" in run.task("minio-actions-remove").log


def test_an_interactive_step_fails_the_run_in_automatic_runs(observed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    run = observed.run(dag="by-hand", timeout_s=120)
    assert not run.succeeded
    assert run.cause.task_id == "edit"
    assert "dev_server='code-server'" in run.cause.summary
    assert "CI is set" in run.cause.summary
    assert "leave dev_server" in run.cause.fix
    assert run.task("check").state == "upstream_failed"


class Author:
    """Does what the terminal says: goes into the container, writes a note, presses Enter."""

    def __init__(self) -> None:
        self.shown = ""
        self.printed = ""

    def say(self, text: str) -> None:
        self.shown = text
        match = re.search(r"shell +(docker exec .*) sh$", text, re.M)
        assert match, text
        command = shlex.split(match[1].replace(" -it ", " "))
        script = 'echo "by user $(id -u) for $TASK_ID at $WORKSPACE, $PROGRAM" > "$WORKFLOW_DIR/by-hand.txt"; pwd'
        done = subprocess.run([*command, "sh", "-c", script], capture_output=True, text=True, check=True, timeout=60)
        self.printed = done.stdout

    def is_done(self) -> bool:
        return bool(self.printed)


def test_an_interactive_step_has_the_runs_data_and_the_run_goes_on_when_it_is_done(
    observed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = Author()
    monkeypatch.setattr(interactive, "find_author", lambda: (author, ""))
    run = observed.run(dag="by-hand", timeout_s=120)
    assert run.succeeded
    assert "the image has no code-server" in author.shown
    assert author.printed.strip() == "/kaapana/app"
    assert "found: by user 0 for edit at /kaapana, edit" in run.task("check").log
    assert run.task("edit").reason == "Completed"


def _answer(url: str) -> str:
    """What a program says that has been started and may not listen yet; its published port may cut off till then."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return httpx.get(url, trust_env=False, timeout=10).text
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class EditorsAuthor(Author):
    """Opens the link of the editor instead."""

    def say(self, text: str) -> None:
        self.shown = text
        match = re.search(r"http://127\.0\.0\.1:\d+/", text)
        assert match, text
        self.printed = _answer(match[0] + "mounted/data/")


def test_the_link_of_an_interactive_step_leads_to_the_editor_of_the_image(
    observed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = EditorsAuthor()
    monkeypatch.setattr(interactive, "find_author", lambda: (author, ""))
    run = observed.run(dag="with-editor", timeout_s=120)
    assert run.succeeded
    assert run.run_id in author.printed
    password = re.search(r"password (\S{24,})", author.shown)
    assert password, author.shown
    # the container has printed it
    assert "the password is ***" in run.task("edit").log
    files = [path for path in run.directory.rglob("*") if path.is_file()]
    assert [path for path in files if password[1].encode() in path.read_bytes()] == []
