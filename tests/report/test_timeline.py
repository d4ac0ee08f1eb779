"""When tasks waited, started and ran, and the critical path of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import report
from harness.report import graph, timeline
from harness.run.course import Course
from harness.run.results import TaskResult
from tests.report.made_runs import make_run, waited

# the second of two parallel tasks decides, although the first is started later
COURSE = (
    waited("get-input", (), 0, 1, 2, 4, 5),
    waited("quick", ("get-input",), 5, 6, 6.5, 7, 7),
    waited("slow", ("get-input",), 5, 5, 6, 20, 21),
    waited("clean", ("quick", "slow"), 21, 22, None, None, 24),
    waited("never", ("clean",), None, None, None, None, 24),
)
TASKS = [TaskResult(entry.task_id, "Operator", "success") for entry in COURSE]


def test_the_critical_path_follows_the_upstream_task_that_ended_last() -> None:
    assert timeline.find_critical_path(COURSE) == ["get-input", "slow", "clean"]


def test_the_critical_path_goes_through_tasks_that_could_not_start() -> None:
    course = [
        waited("fails", (), 0, 1, 2, 8, 9),
        waited("works", (), 0, 1, 2, 3, 4),
        waited("blocked", ("fails",), None, None, None, None, 9.1),
        waited("clean", ("blocked", "works"), 9.2, 9.3, None, None, 10),
    ]
    assert timeline.find_critical_path(course) == ["fails", "blocked", "clean"]


def test_a_run_in_which_nothing_started_has_no_critical_path() -> None:
    assert timeline.find_critical_path([waited("never", (), None, None, None, None, 3)]) == []


def test_the_time_of_a_task_is_split_into_waiting_starting_running_and_ending() -> None:
    rows = {row.task.task_id: row for row in timeline.arrange(TASKS, COURSE)}
    slow = {phase.name: (phase.begin, phase.end) for phase in rows["slow"].phases}
    assert slow == {"waiting": (5, 5), "starting": (5, 6), "running": (6, 20), "ending": (20, 21)}
    assert [phase.name for phase in rows["clean"].phases] == ["waiting", "running"]
    assert rows["never"].phases == ()
    assert [name for name, row in rows.items() if row.critical] == ["get-input", "slow", "clean"]


def test_an_image_that_cannot_be_pulled_makes_a_task_start_until_its_end() -> None:
    row = timeline.arrange(TASKS[:1], [waited("get-input", (), 0, 1, None, 9, 9)])[0]
    assert row.seconds("starting") == 8
    assert row.seconds("running") is None


def test_a_clock_that_ticks_in_whole_seconds_makes_no_negative_times() -> None:
    row = timeline.arrange(TASKS[:1], [waited("get-input", (), 1.4, 1.9, 1, 2, 2.3)])[0]
    assert all(phase.seconds >= 0 for phase in row.phases)
    assert row.phases[-1].end == pytest.approx(2.3 - 1.4, abs=1e-3)


def test_the_page_says_in_a_table_what_the_drawing_shows(tmp_path: Path) -> None:
    states = {entry.task_id: "success" for entry in COURSE}
    page = report.write(make_run(tmp_path / "run", tasks=states, went=Course(COURSE))).path.read_text()
    assert "<title>slow, running: 14.0 s</title>" in page
    row = page.partition('<th scope="row"><bdi>slow</bdi></th>')[2].partition("</tr>")[0]
    assert ("◆ yes" in row, '<td class="number">14.0</td>' in row) == (True, True)
    assert "quick waited for get-input" not in page.partition('<ul class="visually-hidden">')[0]
    assert "<li>clean waited for quick, slow</li>" in page


def test_a_run_of_an_earlier_version_has_the_table_and_says_that_times_are_unknown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (tmp_path / "run/course.json").unlink()
    page = report.write(run).path.read_text()
    assert "did not record them" in page
    assert '<th scope="row"><bdi>otsus-method</bdi></th>' in page


def test_the_graph_puts_each_task_behind_what_it_waits_for() -> None:
    found = graph.lay_out(TASKS, COURSE, ["get-input", "slow", "clean"])
    assert found is not None
    columns = {node.task.task_id: node.x for node in found.nodes}
    assert columns["get-input"] < columns["quick"] == columns["slow"] < columns["clean"] < columns["never"]
    assert sorted(critical for _, critical in found.edges) == [False, False, False, True, True]


def test_a_circle_and_hundreds_of_tasks_make_no_endless_graph() -> None:
    circle = [waited("a", ("b",), 0, 1, 2, 3, 4), waited("b", ("a",), 0, 1, 2, 3, 4)]
    tasks = [TaskResult(name, "Operator", "success") for name in "ab"]
    assert graph.lay_out(tasks, circle, []) is not None
    assert timeline.find_critical_path(circle) == ["b", "a"]
    many = [waited(str(number), (), 0, 1, 2, 3, 4) for number in range(500)]
    assert graph.lay_out([TaskResult(entry.task_id, "Operator", "success") for entry in many], many, []) is None
