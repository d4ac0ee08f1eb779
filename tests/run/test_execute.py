"""One run from the form to run.json, against a platform that plays a prepared run."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from fake_platform import IMAGE, FakeEnvironment, FakeProject, outcome, run_request, task

from harness.common.repositories import HeldRepository
from harness.errors import CheckError, FormError, RunError, UsageError
from harness.run import evidence
from harness.run.execute import execute
from harness.run.results import Finding, Run, RunImage
from harness.wire.receipts import ReceivedObject

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
TEXT, TEXT_OR_NULL, NUMBER_OR_NULL = {"type": "string"}, {"type": ["string", "null"]}, {"type": ["number", "null"]}


def record(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def items(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": record(**properties)}


FINDINGS = items(
    rule=TEXT,
    severity={"enum": ["error", "warning", "info"]},
    where=TEXT,
    message=TEXT,
    fix=TEXT,
    platforms={"type": "array", "items": TEXT},
)
SCHEMA = record(
    schema={"const": 1},
    dag_id=TEXT,
    run_id=TEXT,
    state=TEXT,
    platform=TEXT,
    cluster=TEXT,
    form={"type": "object"},
    started_by={"enum": ["form", "api"]},
    started={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$"},
    seconds={"type": "number", "minimum": 0},
    tasks=items(
        task_id=TEXT,
        operator=TEXT,
        state=TEXT,
        image=TEXT_OR_NULL,
        exit_code={"type": ["integer", "null"]},
        reason=TEXT_OR_NULL,
        attempts={"type": "integer"},
        queued_s=NUMBER_OR_NULL,
        seconds=NUMBER_OR_NULL,
        max_memory_bytes={"type": ["integer", "null"]},
        log=TEXT_OR_NULL,
    ),
    sent=items(
        path=TEXT,
        sop_class=TEXT,
        sop_instance_uid=TEXT,
        series_instance_uid=TEXT,
        calling_ae=TEXT,
        called_ae=TEXT,
    ),
    objects=items(
        bucket=TEXT,
        key=TEXT,
        size={"type": "integer"},
        content_type=TEXT,
        path=TEXT,
        visible_in_results={"type": "boolean"},
    ),
    findings=FINDINGS,
    on_other_releases=FINDINGS,
    images=items(
        reference=TEXT,
        origin=TEXT,
        config_digest=TEXT,
        layers={"type": "array", "items": TEXT},
        tasks={"type": "array", "items": TEXT},
    ),
    cause={"anyOf": [{"type": "null"}, record(task_id=TEXT_OR_NULL, summary=TEXT, detail=TEXT, fix=TEXT)]},
)


def receipt(number: int, peer: str = "10.1.0.7", sop_class: str = SEG) -> ReceivedObject:
    return ReceivedObject(
        str(number),
        "2026-11-24T20:00:04+00:00",
        peer,
        calling_ae="kp-otsus",
        called_ae="kp-t1",
        sop_class=sop_class,
        sop_instance_uid=f"1.2.{number}",
        series_instance_uid="1.2",
        project="t1",
        dataset="otsus",
        ingested=True,
    )


def run(environment: FakeEnvironment, folder: Path, **request: Any) -> Run:
    return execute(environment, FakeProject(), run_request("otsus-method", folder / "run", **request))


def sends(environment: FakeEnvironment, *receipts: ReceivedObject) -> None:
    """The receipts appear while the run is running."""
    original = environment.services.start_workflow

    def start(project: Any, body: dict[str, Any]) -> dict[str, Any]:
        environment.services.received.extend(receipts)
        environment.services.files.update({item.id: b"DICM" + item.id.encode() for item in receipts})
        return original(project, body)

    environment.services.start_workflow = start  # type: ignore[method-assign]


def test_run_json_of_a_failed_run_follows_the_schema(tmp_path: Path) -> None:
    bad = outcome("Error", exit_code=1, log_tail=["ValueError: no foreground"])
    tasks = [task("get-input"), task("otsus-method", "failed", outcome=bad), task("clean", "upstream_failed")]
    environment = FakeEnvironment(tasks, "failed")
    environment.object_store.later = {"results/report.html": (b"<p>x", "text/html")}
    sends(environment, receipt(1))
    result = run(environment, tmp_path, form={"threshold_bins": 64})
    document = json.loads((tmp_path / "run/run.json").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert document["cause"]["summary"] == "exit code 1: ValueError: no foreground"
    assert document["form"]["workflow_form"] == {"threshold_bins": 64}
    # the platform of these tests receives a few bytes
    assert [item["rule"] for item in document["findings"]] == ["report-not-shown", "invalid-segmentation"]
    assert document["tasks"][1]["image"] == IMAGE
    assert (tmp_path / "run" / document["tasks"][1]["log"]).read_text() == "log of otsus-method\n"
    assert document["tasks"][2]["log"] is None
    assert not result.succeeded
    assert "exit code 1: ValueError: no foreground" in repr(result.succeeded)


def test_a_restart_of_the_services_during_the_run_is_a_finding(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    assert "services-restarted" not in [item.rule for item in run(environment, tmp_path / "before").findings]
    environment.services.restarted = True
    assert "services-restarted" in [item.rule for item in run(environment, tmp_path / "after").findings]


def test_a_written_run_reads_back_equal(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    sends(environment, receipt(1))
    environment.object_store.later = {"staticwebsiteresults/r.html": (b"<p>x", "text/html")}
    result = run(environment, tmp_path)
    again = evidence.read(tmp_path / "run")
    assert evidence.make_document(again) == evidence.make_document(result)
    assert again.reports["r.html"].text == "x"
    assert again.task("otsus-method").log == "log of otsus-method\n"


def test_only_objects_that_the_run_wrote_are_collected(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    environment.object_store.now = {"old.json": (b"1", "application/json"), "changed.json": (b"1", "application/json")}
    environment.object_store.later = {"changed.json": (b"2", "application/json"), "new.csv": (b"3", "text/csv")}
    result = run(environment, tmp_path)
    assert [(item.key, item.data) for item in result.objects] == [("changed.json", b"2"), ("new.csv", b"3")]


def test_receipts_from_before_the_run_and_of_other_pods_are_not_the_runs(tmp_path: Path) -> None:
    environment = FakeEnvironment([task("dcm-send", outcome=outcome("Completed", exit_code=0))])
    environment.services.received.append(receipt(1))
    sends(environment, receipt(2, peer="10.1.0.7:40312"), receipt(3, peer="10.1.0.99"))
    result = run(environment, tmp_path)
    assert [item.sop_instance_uid for item in result.sent] == ["1.2.2"]
    assert result.sent[0].file.read_bytes() == b"DICM2"
    assert environment.services.settled == 1


def test_receipts_count_when_no_address_is_that_of_a_pod(tmp_path: Path) -> None:
    environment = FakeEnvironment([task("dcm-send", outcome=outcome("Completed", exit_code=0))])
    sends(environment, receipt(2, peer="10.9.0.1"))
    assert len(run(environment, tmp_path).sent) == 1


def test_two_segmentations_where_one_is_expected_are_listed(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    sends(environment, receipt(1), receipt(2))
    with pytest.raises(CheckError, match="2 segmentations sent where exactly one is expected") as failure:
        run(environment, tmp_path).sent.segmentation()
    assert "1.2.1 from kp-otsus to kp-t1" in str(failure.value)


def test_no_segmentation_lists_what_came_instead(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    sends(environment, receipt(1, sop_class="1.2.840.10008.5.1.4.1.1.4"))
    with pytest.raises(CheckError, match="no segmentation sent") as failure:
        run(environment, tmp_path).sent.segmentation()
    assert "MR Image Storage" in str(failure.value)


def test_the_deadline_aborts_the_run_and_names_what_was_running(tmp_path: Path) -> None:
    environment = FakeEnvironment([task("otsus-method", "running", end=None)], "failed")
    environment.airflow.hang = True
    result = run(environment, tmp_path, timeout_s=0.2)
    assert environment.airflow.aborted == ["otsus-method-241124"]
    assert result.state == "failed"
    assert result.cause is not None
    assert "still running when the run was aborted" in result.cause.summary


def test_an_interrupt_while_following_aborts_the_run(tmp_path: Path) -> None:
    environment = FakeEnvironment([task("otsus-method", "running", end=None)], "failed")
    environment.airflow.hang = True

    class CtrlC:
        def task(self, *_: Any) -> None:
            raise KeyboardInterrupt

        def tick(self, running: list[str]) -> None: ...

        def say(self, text: str) -> None: ...

    with pytest.raises(KeyboardInterrupt):
        execute(environment, FakeProject(), run_request("otsus-method", tmp_path / "run"), listener=CtrlC())
    assert environment.airflow.aborted == ["otsus-method-241124"]
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_refusal_of_the_platform_is_raised_in_its_words(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    environment.services.forms = {}
    environment.services.refusal = RunError("the platform refuses", fix="Add Software to Project")
    with pytest.raises(RunError, match="the platform refuses"):
        run(environment, tmp_path, form={"threshold_bins": 64})


def test_an_unknown_form_key_is_reported_before_anything_is_started(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    with pytest.raises(FormError, match="threshold_bin"):
        run(environment, tmp_path, form={"threshold_bin": 64})
    assert environment.services.started == []


def test_text_values_are_typed_by_the_form_and_win(tmp_path: Path) -> None:
    result = run(FakeEnvironment(), tmp_path, form={"threshold_bins": 1}, form_text={"threshold_bins": "64"})
    assert result.form["workflow_form"] == {"threshold_bins": 64}


def test_jobs_that_appear_late_are_waited_for(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    environment.services.answers.insert(0, [{"id": 1, "run_id": None, "status": "queued"}])
    environment.services.answers.insert(0, [])
    assert run(environment, tmp_path).run_id == "otsus-method-241124"


def test_a_job_that_is_lost_ends_with_the_cause_at_once(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    environment.services.answers = [[{"id": 1, "run_id": None, "status": "failed", "description": "DAG is paused"}]]
    with pytest.raises(RunError, match="Airflow has no run of it") as failure:
        run(environment, tmp_path)
    assert failure.value.last_seen == "DAG is paused"


def test_a_dag_without_a_data_form_refuses_a_dataset(tmp_path: Path, small_series: Any) -> None:
    with pytest.raises(UsageError, match="takes no dataset"):
        run(FakeEnvironment(), tmp_path, dataset=small_series)


def test_a_dag_with_a_data_form_needs_a_dataset_and_gets_it_by_name(tmp_path: Path, small_series: Any) -> None:
    environment = FakeEnvironment()
    name = {"type": "string", "oneOf": [], "required": True}
    environment.services.forms["otsus-method"]["data_form"] = {"type": "object", "properties": {"dataset_name": name}}
    with pytest.raises(UsageError, match="needs a dataset"):
        run(environment, tmp_path)
    run(environment, tmp_path, dataset=small_series)
    project, dataset, size = environment.services.uploads[0]
    assert (project, len(dataset) <= 13, size > 100) == ("t1", True, True)
    assert environment.services.started[0]["conf_data"]["data_form"] == {"dataset_name": dataset}


def test_several_runs_of_one_workflow_are_distinguished(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    environment.services.answers = [[{"id": 2, "run_id": "second"}, {"id": 1, "run_id": "first"}]]
    result = run(environment, tmp_path)
    assert result.run_ids == ("first", "second")
    assert [item.task_id for item in result.tasks] == ["otsus-method [1/2]", "otsus-method [2/2]"]
    assert len({item.log_path for item in result.tasks}) == 2


def test_an_operator_that_airflow_never_runs_has_no_log(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    environment.airflow.tasks = [task("otsus-method"), task("join", operator="EmptyOperator")]
    environment.airflow.logs["join"] = None
    result = run(environment, tmp_path)
    assert (result.task("join").log_path, result.task("join").log) == (None, "")
    assert result.task("otsus-method").log == "log of otsus-method\n"


def test_a_report_beside_the_results_page_is_refused_with_the_way_to_it(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    environment.object_store.later = {"results/report.html": (b"<p>x", "text/html")}
    result = run(environment, tmp_path)
    with pytest.raises(CheckError, match="does not show it") as failure:
        result.reports["report.html"]
    assert "staticwebsiteresults" in failure.value.fix
    with pytest.raises(CheckError, match=r"no report 'other\.html'"):
        result.reports["other.html"]


def test_the_page_of_a_run_escapes_what_containers_said(tmp_path: Path) -> None:
    bad = outcome("Error", exit_code=1, log_tail=["ValueError: <script>alert(1)</script>"])
    run(FakeEnvironment([task("otsus-method", "failed", outcome=bad)], "failed"), tmp_path)
    page = (tmp_path / "run/report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("content", [None, "{", '{"schema": 2}', '{"schema": 1}', "[]"])
def test_a_folder_without_a_run_is_wrong_use(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(UsageError):
        evidence.read(tmp_path)


def test_no_thread_of_a_finished_run_is_left(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    run(FakeEnvironment(), tmp_path)
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_the_findings_of_a_run_include_those_of_the_extension(tmp_path: Path) -> None:
    known = Finding("parameter-unread", "warning", "site", "no template reads it", "render it")
    run = execute(FakeEnvironment(), FakeProject(), run_request("otsus-method", tmp_path / "run", findings=[known]))
    assert known in run.findings


def test_images_that_the_registry_does_not_have_are_pointed_out_for_releases_that_always_pull(tmp_path: Path) -> None:
    by_digest = "localhost:1/a@sha256:" + "0" * 64
    tasks = [
        task("one", outcome=outcome("Completed", image=IMAGE)),
        task("two", outcome=outcome("Completed", image=by_digest)),
    ]
    images = [RunImage(name, "images.tar", "sha256:1", ()) for name in (IMAGE, by_digest)]
    request = run_request("otsus-method", tmp_path / "run", images=images, platform="0.6.0")
    result = execute(
        FakeEnvironment(tasks),
        FakeProject(),
        request,
        registry=SimpleNamespace(
            look_up=lambda repository: HeldRepository(None), digests=lambda reference: frozenset()
        ),
    )
    others = [(item.rule, item.where) for item in result.on_other_releases if item.rule == "always-pulled"]
    assert others == [("always-pulled", IMAGE)]


def test_replacements_of_a_site_in_a_dockerfile_are_in_the_evidence(tmp_path: Path) -> None:
    replaced = ("line 4: https://codes.example/c.txt -> site/c.txt",)
    images = [RunImage(IMAGE, "built", "sha256:1", ("sha256:2",), replaced=replaced)]
    run = execute(FakeEnvironment(), FakeProject(), run_request("otsus-method", tmp_path / "run", images=images))
    assert [image.replaced for image in run.images] == [replaced]
    assert [image.replaced for image in evidence.read(run.directory).images] == [replaced]
    assert replaced[0].replace(">", "&gt;") in (run.directory / "report.html").read_text("utf-8")
