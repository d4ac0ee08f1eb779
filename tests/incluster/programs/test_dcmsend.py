"""Sending: which files, under which AE titles, and what counts as sent. The receiver is real (pynetdicom)."""

from __future__ import annotations

import threading

import pytest
from pynetdicom import AE, StoragePresentationContexts, evt

from harness.incluster.programs.common import ProgramError
from harness.incluster.programs.dcmsend import ae_titles, dataset_name
from tests.incluster.programs.program_runs import PROJECT, series

IN = {"OPERATOR_IN_DIR": "nrrd2dcmseg", "PACS_HOST": "127.0.0.1"}


class Receiver:
    """Counts associations and keeps what arrives; answers with ``status``."""

    def __init__(self) -> None:
        self.status, self.refused = 0x0000, 0
        self.titles: list[tuple[str, str]] = []
        self.instances: list[str] = []
        self.lock = threading.Lock()

    def store(self, event: evt.Event) -> int:
        with self.lock:
            requestor = event.assoc.requestor
            self.titles.append((requestor.ae_title, requestor.primitive.called_ae_title))
            if self.refused:
                self.refused -= 1
                return 0xA700
            if self.status == 0:
                self.instances.append(event.request.AffectedSOPInstanceUID)
            return self.status


@pytest.fixture
def receiver(run_folder):
    result = Receiver()
    ae = AE()
    ae.supported_contexts = StoragePresentationContexts
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, result.store)])
    run_folder.env["PACS_PORT"] = str(server.server_address[1])
    yield result
    server.shutdown()


def test_every_dicom_file_below_the_folder_is_sent_whatever_its_extension(execute_tool, run_folder, receiver):
    folder = run_folder.element("nrrd2dcmseg")
    paths = series(folder / "deep", slices=3)
    paths[0].rename(folder / "no-extension")
    (folder / "report.txt").write_text("no DICOM")
    ended = execute_tool("dcmsend", **IN, AETITLE="my-data")
    assert ended.status == 0, ended.errors
    assert len(receiver.instances) == 3
    assert set(receiver.titles) == {("my-data", "ANY-SCP")}
    assert "3 file(s) sent" in ended.output


def test_titles_are_cut_to_sixteen_characters_and_the_log_says_so(execute_tool, run_folder, receiver):
    series(run_folder.element("nrrd2dcmseg"), slices=1)
    ended = execute_tool("dcmsend", **IN, WORKFLOW_NAME="otsus-method-a1B2c3")
    assert ended.status == 0, ended.errors
    assert set(receiver.titles) == {("otsus-method-a1B", "ANY-SCP")}
    assert "dataset 'otsus-method-a1B2c3' is longer" in ended.output


def test_a_cut_title_that_the_author_chose_is_a_finding_the_name_of_the_workflow_none(
    execute_tool, run_folder, receiver
):
    series(run_folder.element("nrrd2dcmseg"), slices=1)
    assert "notice" not in execute_tool("dcmsend", **IN, WORKFLOW_NAME="otsus-method-a1B2c3").output
    assert "notice ae-title-cut: dataset" in execute_tool("dcmsend", **IN, AETITLE="results-of-the-study").output


def test_level_batch_sends_the_folder_of_the_run(execute_tool, run_folder, receiver):
    series(run_folder.root / "nrrd2dcmseg", slices=2)
    assert execute_tool("dcmsend", **IN, LEVEL="batch", AETITLE="d").status == 0
    assert len(receiver.instances) == 2


def test_an_empty_element_is_skipped_but_a_task_that_sends_no_object_fails(execute_tool, run_folder, receiver):
    run_folder.element("nrrd2dcmseg", uid="1.1")
    ended = execute_tool("dcmsend", **IN)
    assert ended.status == 1
    assert "nothing was sent" in ended.cause
    series(run_folder.element("nrrd2dcmseg", uid="1.2"), slices=1)
    ended = execute_tool("dcmsend", **IN)
    assert ended.status == 0
    assert "notice nothing-to-send: 1.1" in ended.output


def test_a_receiver_that_refuses_once_is_asked_again(execute_tool, run_folder, receiver):
    receiver.refused = 1
    series(run_folder.element("nrrd2dcmseg"), slices=1)
    ended = execute_tool("dcmsend", **IN)
    assert ended.status == 0, ended.errors
    assert "attempt 1 of 5 failed" in ended.output


def test_a_receiver_that_always_refuses_fails_after_five_attempts(execute_tool, run_folder, receiver):
    receiver.status = 0xA700
    series(run_folder.element("nrrd2dcmseg"), slices=1)
    ended = execute_tool("dcmsend", **IN)
    assert ended.status == 1
    assert len(receiver.titles) == 5
    assert "after 5 attempts" in ended.cause


def test_success_in_the_fifth_attempt_is_too_late_as_on_the_platform(execute_tool, run_folder, receiver):
    receiver.refused = 4
    series(run_folder.element("nrrd2dcmseg"), slices=1)
    assert execute_tool("dcmsend", **IN).status == 1
    assert len(receiver.instances) == 1


@pytest.mark.parametrize("form", ["workflow_form", "project_form"])
def test_a_configuration_without_a_form_fails(execute, run_folder, form):
    run_folder.conf(**{form: None})
    ended = execute("dcmsend", **IN)
    assert ended.status == 1
    assert f"has no {form}" in ended.cause


def test_an_unknown_level_is_refused(execute, run_folder):
    assert "LEVEL is 'study'" in execute("dcmsend", **IN, LEVEL="study").cause


@pytest.mark.parametrize(
    ("env", "form", "name"),
    [
        ({"AETITLE": "mine", "WORKFLOW_NAME": "w"}, {}, "mine"),
        ({"AETITLE": "mine"}, {"task_num": 3}, "mine3"),
        ({"AETITLE": ""}, {}, ""),
        ({"AETITLE": "NONE", "WORKFLOW_NAME": "w"}, {"task_num": 3}, "w"),
        ({"AETITLE": "NONE"}, {}, "trial"),
    ],
)
def test_the_dataset_is_the_title_then_the_workflow_then_the_tag_of_the_first_file(
    monkeypatch, tmp_path, env, form, name
):
    monkeypatch.delenv("WORKFLOW_NAME", raising=False)
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    (first,) = series(tmp_path, slices=1, ClinicalTrialProtocolID="trial")
    assert dataset_name(form, first) == name


def test_a_dataset_without_any_name_is_called_after_the_export(monkeypatch, tmp_path):
    monkeypatch.delenv("WORKFLOW_NAME", raising=False)
    (first,) = series(tmp_path, slices=1)
    assert dataset_name({}, first) == "KAAPANA export"


@pytest.mark.parametrize(
    ("dataset", "called", "titles"),
    [
        ("d", "", ("kp-d", "kp-admin")),
        ("kp-d", "", ("kp-d", "kp-admin")),
        ("d", "other", ("kp-d", "kp-other")),
        ("d", "kp-other", ("kp-d", "kp-other")),
    ],
)
def test_titles_for_the_platforms_own_receiver_are_marked(monkeypatch, dataset, called, titles):
    monkeypatch.setenv("CALLED_AE_TITLE_SCP", called)
    assert ae_titles({"project_form": PROJECT}, dataset, True) == titles


def test_the_platforms_own_receiver_needs_the_project(monkeypatch):
    monkeypatch.delenv("CALLED_AE_TITLE_SCP", raising=False)
    with pytest.raises(ProgramError, match="project_form"):
        ae_titles({}, "d", True)
