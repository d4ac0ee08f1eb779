"""What the page says while it happens."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from harness.cluster import ledger
from harness.page import observer, streams
from harness.page.observer import format_run_name
from harness.page.server import open_page
from harness.platform.http import RefusalError
from tests.page.conftest import Visitor
from tests.page.fake_environment import DAG, RUN, FakeEnvironment, job, receipt
from tests.waiting import until

LOG = f"/log?dag={DAG}&run={RUN}&task={DAG}&attempt=1"
OF_RUN = ("changed", format_run_name(DAG, RUN))


def wait_for(events: Any, wanted: tuple[str, str]) -> None:
    """Return at this event; the client's own timeout ends a wait in vain."""
    assert wanted in (event for event in events)


def test_each_change_of_a_task_is_sent_at_once(environment: FakeEnvironment, visitor: Visitor) -> None:
    with visitor.events("/events") as events:
        assert next(events) == ("ready", "")
        environment.airflow.change(DAG, "success")
        wait_for(events, OF_RUN)
        assert "running" not in visitor.text(f"/run?dag={DAG}&run={RUN}&part=tasks").partition("<table")[2]
        environment.airflow.end("success")
        wait_for(events, OF_RUN)


def test_the_names_of_changed_parts_are_sent(environment: FakeEnvironment, visitor: Visitor) -> None:
    with visitor.events("/events") as events:
        assert next(events) == ("ready", "")
        # what was shown is what the next look compares with
        for part in ("received", "runs", "projects"):
            visitor.text(f"/parts/{part}")
        environment.services.received = [receipt(1, b"")]
        wait_for(events, ("changed", "received"))
        environment.services.started = [job(run_id="second", status="queued"), job()]
        wait_for(events, ("changed", "runs"))
        environment.services.names.append("t2")
        wait_for(events, ("changed", "projects"))


def test_the_end_of_an_environment_is_sent_with_the_reason(environment: FakeEnvironment, visitor: Visitor) -> None:
    with visitor.events("/events") as events:
        environment.services.lost = "Keycloak does not answer"
        wait_for(events, ("gone", "the environment fake0001 has been ended"))
        assert "the environment fake0001 has been ended" in visitor.text("/")
        answer = visitor.get("/parts/projects")
        assert (answer.status_code, answer.text) == (503, "Keycloak does not answer")
        environment.services.lost = ""
        wait_for(events, ("back", ""))
    assert "has been ended" not in visitor.text("/")


def test_an_environment_that_hangs_is_reported_with_the_trouble_of_its_cluster(
    environment: FakeEnvironment, visitor: Visitor
) -> None:
    ledger.record(environment.settings.state, ledger.new_entry("fake0001", "docker"))
    environment.services.lost, environment.cluster.why = "Keycloak does not answer", "the control plane was killed"
    with visitor.events("/events") as events:
        wait_for(events, ("gone", "the control plane was killed"))
        environment.cluster.why = ""
        wait_for(events, ("gone", "Keycloak does not answer"))


def test_a_project_that_is_removed_during_a_look_is_not_reported(
    environment: FakeEnvironment, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Semaphore(0)

    def refuse(project: str) -> list[Any]:
        asked.release()
        raise RefusalError("the emulated platform", 404, f"there is no project {project}")

    # listed, and removed before its metrics are asked for
    monkeypatch.setattr(observer, "SELDOM", 1)
    monkeypatch.setattr(environment.services, "scrape_targets", refuse)
    with visitor.events("/events") as events:
        assert next(events) == ("ready", "")
        # the second look comes when the first has ended
        assert asked.acquire(timeout=30)
        assert asked.acquire(timeout=30)
        assert 'role="alert" hidden' in visitor.text("/")


def test_a_log_streams_in_whole_lines_until_the_attempt_ends(environment: FakeEnvironment, visitor: Visitor) -> None:
    airflow = environment.airflow
    with visitor.events(LOG) as events:
        airflow.logs[DAG] = "first\nsec"
        assert next(events) == ("log", "first\n")
        airflow.logs[DAG] = "first\nsecond\nthird"
        assert next(events) == ("log", "second\n")
        airflow.change(DAG, "success", end="2026-11-24T20:00:09+00:00")
        assert next(events) == ("log", "third")
        assert next(events) == ("end", "")


def test_the_log_of_an_attempt_that_has_none_ends(environment: FakeEnvironment, visitor: Visitor) -> None:
    environment.airflow.change(DAG, "upstream_failed", end="2026-11-24T20:00:09+00:00")
    with visitor.events(LOG) as events:
        assert next(events) == ("end", "no line was written")


def test_a_log_of_a_lost_run_says_why_it_ends(visitor: Visitor) -> None:
    with visitor.events(f"/log?dag={DAG}&run=lost&task=x&attempt=1") as events:
        assert next(events)[0] == "problem"


def test_a_text_does_not_end_its_event() -> None:
    assert streams.encode("log", "a\n\nevent: gone\r\ndata: x\u2028") == (
        b'event: log\ndata: "a\\n\\nevent: gone\\r\\ndata: x\\u2028"\n\n'
    )


def test_the_environment_is_not_polled_without_a_visitor(
    environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()
    monkeypatch.setattr(observer, "INTERVAL_S", 0.01)
    monkeypatch.setattr(observer.Observer, "look", lambda self: looked.set())
    with open_page(environment, tmp_path) as address:
        visitor = Visitor(address)
        visitor.enter()
        assert not looked.wait(0.3)
        with visitor.events("/events"):
            assert looked.wait(10)


def test_the_server_ends_under_open_streams_and_leaves_no_thread(environment: Any, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with open_page(environment, tmp_path) as address:
        visitor = Visitor(address)
        visitor.enter()
        changes, log = visitor.events("/events"), visitor.events(LOG)
        events, lines = changes.__enter__(), log.__enter__()
        environment.airflow.change(DAG, "success")
        wait_for(events, OF_RUN)
        environment.airflow.end("success")
    assert [kind for kind, _ in [*events, *lines] if kind not in {"changed", "ready", "end"}] == []
    until(lambda: not [t for t in set(threading.enumerate()) - before if t.name != "AnyIO worker thread"])
