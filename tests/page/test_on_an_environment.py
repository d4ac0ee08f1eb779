"""The page of a real environment: a run that is started from it, followed live, and looked at in its report."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from harness.platform import ownership, projects, running
from harness.platform.environment import Environment
from harness.settings import Settings
from tests.page.visit import DAG, VIEWPORT, left_running, page_process, start_and_follow
from tests.report.browser import started


@pytest.mark.usefixtures("usable_engine")
def test_a_run_is_started_from_the_form_followed_live_and_its_report_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    wrong: list[str] = []
    with started() as browser, left_running() as settings, page_process(tmp_path / "reports") as (process, address):
        page = browser.new_page(viewport=VIEWPORT)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        states = start_and_follow(page, tmp_path / "page.jpg")
        assert wrong == []
        # tasks went on while the page stood still
        assert {task: seen[-1] for task, seen in states.items() if seen[-1] != "success"} == {}
        assert {"running", "success"} <= set(states[DAG])
        assert len(states) > 5
        assert (tmp_path / "page.jpg").stat().st_size > 20_000
        assert _projects(settings) == ["admin", _page_project(settings)]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert said.splitlines()[-1] == "the page has ended; the environment keeps running"
        assert _projects(settings) == ["admin"]
        _look_while_it_is_ended(browser, settings, tmp_path)
    (run,) = (tmp_path / "reports").iterdir()
    document = json.loads((run / "run.json").read_text("utf-8"))
    assert (document["state"], document["form"]["workflow_form"]["threshold_bins"]) == ("success", 64)
    assert (run / "report.html").is_file()


def _look_while_it_is_ended(browser: Any, settings: Settings, folder: Path) -> None:
    with page_process(folder / "reports") as (process, address):
        page = browser.new_page()
        page.goto(address)
        page.locator("#extensions").get_by_text(f"{DAG}-workflow").wait_for()
        # the project of the first page is gone, the report of its run is not
        page.locator("#runs").get_by_text("Reports of runs whose project is gone").wait_for()
        (ended,) = ownership.down(settings.state)
        page.get_by_role("alert").get_by_text(f"the environment {ended} has been ended").wait_for()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said


def _projects(settings: Settings) -> list[str]:
    environment = Environment.attach(settings, running.choose(settings.state))
    try:
        return [project.name for project in projects.find_all(environment.services, environment.credentials)]
    finally:
        environment.detach()


def _page_project(settings: Settings) -> str:
    (name,) = [name for name in _projects(settings) if name.startswith("page")]
    return name
