"""The cleaner removes the run's folder, and only that."""

from __future__ import annotations

from tests.incluster.programs.program_runs import series


def test_the_folder_of_the_run_is_removed_and_its_neighbours_stay(execute, run_folder):
    series(run_folder.element("get-input-data"))
    neighbour = run_folder.root.parent / "other-run"
    neighbour.mkdir()
    ended = execute("workflow-cleaner")
    assert ended.status == 0
    assert not run_folder.root.exists()
    assert neighbour.is_dir()


def test_the_folder_stays_when_it_is_not_to_be_cleaned(execute, run_folder):
    ended = execute("workflow-cleaner", CLEAN_WORKFLOW_DIR="False")
    assert ended.status == 0
    assert run_folder.root.is_dir()


def test_a_folder_that_was_removed_already_is_not_a_failure(execute, run_folder, tmp_path):
    assert execute("workflow-cleaner", WORKFLOW_DIR=str(tmp_path / "data" / "gone")).status == 0


def test_no_workflow_dir_is_a_failure(execute, run_folder):
    ended = execute("workflow-cleaner", WORKFLOW_DIR="")
    assert ended.status == 1
    assert "WORKFLOW_DIR is not set" in ended.cause


def test_a_folder_at_the_top_of_the_file_system_is_never_removed(execute, run_folder):
    ended = execute("workflow-cleaner", WORKFLOW_DIR="/tmp")
    assert ended.status == 1
    assert "nothing was removed" in ended.cause
    assert run_folder.root.is_dir()
