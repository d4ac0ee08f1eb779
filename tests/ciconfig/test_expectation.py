"""Evaluation of ``expect:`` blocks on finished runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from harness.ciconfig import Expectation, SentExpectation
from harness.errors import CheckError
from harness.findings import Finding
from harness.run.outputs import SentObject, SentObjects
from harness.run.results import Cause, Run, TaskResult
from harness.run.stored_objects import StoredObject


def sent(folder: Path, modality: str) -> SentObject:
    name = f"{generate_uid()}.dcm"
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(folder / name), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Modality = modality
    dataset.save_as(folder / name)
    return SentObject(name, "1.2", "1.3", "1.4", "AE", "AE", folder)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    stored = StoredObject("project-a", "results/a/report.html", 3, "text/html", "x", True, tmp_path)
    finding = Finding("form-overrides", "warning", "my-dag", "the form wins")
    return Run(
        dag_id="my-dag",
        run_id="my-dag-1",
        state="success",
        platform="0.6.0",
        cluster="docker",
        form={},
        started="",
        seconds=1.0,
        tasks=(TaskResult("left", "Op", "success"), TaskResult("right", "Op", "skipped")),
        sent=SentObjects([sent(tmp_path, "SR"), sent(tmp_path, "SR"), sent(tmp_path, "OT")]),
        objects=(stored,),
        findings=(finding,),
        cause=None,
        directory=tmp_path,
        run_ids=("my-dag-1",),
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"runs": 1, "tasks": {"left": "success", "right": "skipped"}},
        {"sent": (SentExpectation("SR", 2), SentExpectation("OT"))},
        {"stored": ("results/*.html", "results/a/report.html")},
        {"findings": ("form-overrides",)},
    ],
)
def test_an_expected_result_raises_no_error(run: Run, given: dict[str, Any]) -> None:
    Expectation(**given).check(run)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"state": "failed"}, "my-dag ended success, expected failed"),
        ({"runs": 2}, "1 DAG runs were made, expected 2"),
        ({"tasks": {"right": "success"}}, "task right ended skipped, expected success"),
        ({"tasks": {"middle": "success"}}, "my-dag has no task 'middle'; it has left, right"),
        ({"sent": (SentExpectation("SR"), SentExpectation("OT"))}, "2 objects of SR were sent, expected 1"),
        ({"sent": (SentExpectation("SR", 2),)}, "1 objects of OT were sent, expected none"),
        ({"sent": (SentExpectation("SR", 2), SentExpectation("OT"), SentExpectation("SEG"))}, "0 objects of SEG"),
        ({"stored": ("*.pdf",)}, r"no object was stored as \*\.pdf; stored: results/a/report\.html"),
        ({"findings": ()}, r"the findings are \['form-overrides'\], expected \[\]"),
    ],
)
def test_each_difference_is_named(run: Run, given: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckError, match=message) as caught:
        Expectation(**given).check(run)
    assert caught.value.evidence == str(run.directory)


def test_the_cause_of_a_failure_comes_first_and_the_other_differences_below(run: Run) -> None:
    failed = dataclasses.replace(run, state="failed", cause=Cause("left", "exit code 1", "Traceback", "mind the gap"))
    with pytest.raises(CheckError) as caught:
        Expectation(runs=3).check(failed)
    assert caught.value.cause == "task left: exit code 1"
    assert caught.value.last_seen.splitlines() == ["Traceback", "expect: 1 DAG runs were made, expected 3"]
    assert caught.value.fix == "mind the gap"


def test_a_failure_may_be_expected_by_its_cause(run: Run) -> None:
    failed = dataclasses.replace(run, state="failed", cause=Cause("left", "exit code 1", "", ""))
    Expectation(state="failed", cause="exit code 1").check(failed)
    with pytest.raises(CheckError, match="the cause is 'task left: exit code 1', expected it to contain 'code 2'"):
        Expectation(state="failed", cause="code 2").check(failed)
