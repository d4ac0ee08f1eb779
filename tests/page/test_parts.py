"""What each part of the page says."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest

from harness import report
from harness.findings import Finding
from harness.page.views import PARTS, format_moment
from harness.run.results import Cause
from harness.wire.scrape_targets import ScrapedTarget
from harness.wire.service_refusals import RefusedRequest
from tests.checks.made_series import write_series
from tests.page.conftest import Visitor, plain
from tests.page.fake_environment import (
    DAG,
    PASSWORD,
    RUN,
    STARTED,
    FakeEnvironment,
    job,
    outcome,
    receipt,
    release,
    task,
)
from tests.report.made_runs import make_run

HOSTILE = "<script>alert(1)</script>\"'&\u202eevil\x07"
DURING = datetime.datetime.fromisoformat(STARTED).timestamp() + 3
CT = "1.2.840.10008.5.1.4.1.1.2"


def test_the_page_names_environment_platform_and_cluster(visitor: Visitor) -> None:
    assert "Environment fake0001 , platform documented, cluster docker" in plain(visitor.text("/"))


def test_runs_are_listed_with_state_project_and_a_page_of_their_own(visitor: Visitor) -> None:
    text = visitor.text("/parts/runs")
    assert f"/run?dag={DAG}&amp;run={RUN}" in text
    assert f"{DAG} • running {RUN} t1 " in plain(text)


def test_a_job_without_a_run_says_why(environment: FakeEnvironment, visitor: Visitor) -> None:
    environment.services.started = [{**job(run_id="", status="failed"), "error": "Airflow does not know the DAG"}]
    text = visitor.text("/parts/runs")
    assert "Airflow does not know the DAG" in text
    assert "/run?" not in text


def test_a_run_shows_its_tasks_and_what_it_was_started_with(environment: FakeEnvironment, visitor: Visitor) -> None:
    environment.airflow.tasks.append(task("clean", None, upstream=[DAG]))
    text = visitor.text(f"/run?dag={DAG}&run={RUN}")
    assert '"threshold_bins": 64' in text.replace("&#34;", '"')
    shown = plain(text)
    assert "get-input ✓ success 1" in shown
    assert f"{DAG} • running 1" in shown
    assert "clean • waiting" in shown


def test_a_missing_run_is_named(visitor: Visitor) -> None:
    answer = visitor.get("/run?dag=x&run=y")
    assert answer.status_code == 503
    assert "no run 'y' of 'x'" in answer.text


def test_the_report_of_a_run_whose_project_is_gone_is_listed_apart(evidence: Path, visitor: Visitor) -> None:
    run = make_run(evidence / "a b#1", cause=Cause("a", "it failed"))
    report.write(run)
    # its project is gone, and with it the platform's own record of the run
    assert "Reports of runs whose project is gone 1" in plain(visitor.text("/parts/runs"))
    assert 'href="/evidence/a%20b%231/report.html"' in visitor.text("/parts/runs")
    answer = visitor.get("/evidence/a%20b%231/report.html")
    assert "it failed" in answer.text
    # its own script, which its policy allows by its digest
    assert "sandbox" not in answer.headers["content-security-policy"]


def test_a_run_has_a_link_to_its_report(environment: FakeEnvironment, evidence: Path, visitor: Visitor) -> None:
    run = make_run(evidence / "a b#1")
    report.write(run)
    environment.services.started = [job(run_id=run.run_id, status="finished")]
    text = visitor.text("/parts/runs")
    assert 'href="/evidence/a%20b%231/report.html"' in text
    assert "whose project is gone" not in text


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("objects/x.html", "text/html"), ("logs/a.log", "text/plain"), ("objects/x.bin", "application/octet-stream")],
)
def test_files_of_the_evidence_do_nothing(evidence: Path, visitor: Visitor, name: str, content_type: str) -> None:
    path = evidence / "run-1" / name
    path.parent.mkdir(parents=True)
    path.write_text("<script>alert(1)</script>")
    answer = visitor.get(f"/evidence/run-1/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(content_type)
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert ("attachment" in answer.headers.get("content-disposition", "")) == (
        content_type == "application/octet-stream"
    )


@pytest.mark.parametrize("path", ["../secret", "..%2fsecret", "link", "run-1", "%2fetc/passwd", "a%00b", "nowhere"])
def test_no_file_outside_of_the_evidence_is_served(evidence: Path, visitor: Visitor, path: str) -> None:
    (evidence / "run-1").mkdir(parents=True)
    (evidence.parent / "secret").write_text("secret")
    (evidence / "link").symlink_to(evidence.parent / "secret")
    assert visitor.get(f"/evidence/{path}").status_code == 404


def test_results_are_those_that_the_platform_lists(environment: FakeEnvironment, visitor: Visitor) -> None:
    key = "staticwebsiteresults/a b/report & more.html"
    environment.services.pages = {key: b"<html><body><h1>Volume</h1><script>alert(1)</script></body></html>"}
    text = visitor.text("/parts/results")
    assert "report &amp; more.html" in text
    address = text.partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    answer = visitor.get(address)
    assert "<h1>Volume</h1>" in answer.text
    assert "script" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-scripts" not in policy


def test_received_objects_are_shown_with_a_picture(
    environment: FakeEnvironment, visitor: Visitor, tmp_path: Path
) -> None:
    files = sorted(write_series(tmp_path / "series", uid="1.2.3.4").iterdir())
    for number, file in enumerate(files):
        environment.services.files[f"r{number}"] = file.read_bytes()
        more = {"sop_class": CT, "series_instance_uid": "1.2.3.4", "sop_instance_uid": f"1.2.3.4.{number}"}
        environment.services.received.append(receipt(number, file.read_bytes(), **more))
    text = visitor.text("/parts/received")
    assert f"CT Image Storage , {len(files)} objects" in plain(text)
    addresses = [part.partition('"')[0].replace("&amp;", "&") for part in text.split('src="')[1:]]
    picture = visitor.get(addresses[0])
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.content.startswith(b"\xff\xd8\xff")
    page = visitor.text("/series?project=t1&uid=1.2.3.4")
    assert "data-viewer=" in page
    assert "data:image/jpeg;base64," in page
    assert not any((tmp_path / "scratch").glob("*/sent"))


def test_an_object_without_a_picture_is_shown_without_one(environment: FakeEnvironment, visitor: Visitor) -> None:
    environment.services.received = [receipt(1, b"no DICOM", error="it is damaged")]
    environment.services.files["r1"] = b"no DICOM"
    text = visitor.text("/parts/received")
    assert "it is damaged" in text
    assert visitor.get("/thumbnail?project=t1&uid=1.2").status_code == 404
    page = visitor.text("/series?project=t1&uid=1.2")
    assert 'class="note"' in page
    assert "<img" not in page


def test_metrics_have_their_last_value_and_the_task_that_offered_them(
    environment: FakeEnvironment, visitor: Visitor
) -> None:
    series = [{"metric": {"__name__": "loss", "epoch": "a"}, "values": [[1.0, "0.5"], [2.0, "0.25"]]}]
    target = ScrapedTarget("http://10.1.0.7:9000/metrics", f"{RUN}/train", attempts=3, answers=2, series=series)
    silent = ScrapedTarget("http://10.1.0.8:9000/metrics", f"{RUN}/deaf", attempts=3, error="connection refused")
    environment.services.targets = [target, silent]
    text = plain(visitor.text("/parts/metrics"))
    assert f"train {RUN} http://10.1.0.7:9000/metrics 3 2 __name__=loss, epoch=a 0.25" in text
    assert f"deaf {RUN} http://10.1.0.8:9000/metrics 3 0 connection refused" in text


def test_refused_requests_are_listed_by_the_task_that_asked(environment: FakeEnvironment, visitor: Visitor) -> None:
    environment.airflow.tasks = [task(DAG, "failed", outcome=outcome())]
    asked = [
        RefusedRequest("minio-service", 404, "GET", "/bucket/x", "", peer, at, "NoSuchBucket")
        for peer, at in (("10.1.0.7", DURING), ("10.1.0.7", 1.0), ("10.1.0.9", DURING))
    ]
    environment.services.refused = asked
    text = visitor.text("/parts/refused")
    assert text.count("NoSuchBucket") == 1
    assert f"{DAG} {RUN} " in plain(text)


def test_extensions_and_projects_are_listed(environment: FakeEnvironment, visitor: Visitor) -> None:
    finding = Finding("extension-note", "warning", "dag_x.py:3", "a field has no title", "give it one")
    environment.cluster.api.releases = [release("otsus-method-workflow", [finding])]
    text = plain(visitor.text("/parts/extensions"))
    assert "otsus-method-workflow 0.1.0 • deployed otsus-method" in text
    assert "a field has no title" in text
    assert "t1 project-t1 kp-t1 otsus-method brain" in plain(visitor.text("/parts/projects"))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_an_environment_without_anything_says_so(
    environment: FakeEnvironment, visitor: Visitor, part: str
) -> None:
    environment.services.started, environment.cluster.api.releases = [], []
    assert plain(visitor.text(f"/parts/{part}"))


def test_untrusted_names_stay_text(environment: FakeEnvironment, visitor: Visitor) -> None:
    services, long = environment.services, "x" * 10_000
    environment.airflow.tasks = [task(HOSTILE, "failed", outcome=outcome())]
    services.started = [job(dag_id=HOSTILE, run_id=RUN, project="t1"), job(dag_id=long, run_id=RUN)]
    services.received = [receipt(1, b"", calling_ae=HOSTILE, error=HOSTILE, series_instance_uid=HOSTILE)]
    services.pages = {f"staticwebsiteresults/{HOSTILE}.html": b""}
    metric = {"metric": {HOSTILE: HOSTILE}, "values": [[1, HOSTILE]]}
    services.targets = [ScrapedTarget(HOSTILE, HOSTILE, series=[metric])]
    services.refused = [RefusedRequest(HOSTILE, 404, "GET", HOSTILE, HOSTILE, "10.1.0.7", DURING, HOSTILE)]
    environment.cluster.api.releases = [release(HOSTILE, [Finding("extension-note", "warning", HOSTILE, HOSTILE)])]
    services.programs = {"t1": [HOSTILE]}
    texts = [visitor.text(f"/parts/{part}") for part in PARTS] + [visitor.text(f"/run?dag={DAG}&run={RUN}")]
    for text in texts:
        assert "<script>alert" not in text
        assert "\u202e" not in text
        assert "\x07" not in text
    assert sum("&lt;script&gt;" in text for text in texts) == len(texts)


def test_no_credential_of_the_environment_shows(environment: FakeEnvironment, visitor: Visitor) -> None:
    environment.services.received = [receipt(1, b"", error=f"login {PASSWORD}")]
    environment.services.pages = {"staticwebsiteresults/x.html": f"<p>{PASSWORD}</p>".encode()}
    environment.services.started = [{**job(), "conf_data": {"workflow_form": {"password": PASSWORD}}}]
    for path in ("/parts/received", "/result?project=t1&key=staticwebsiteresults/x.html", f"/run?dag={DAG}&run={RUN}"):
        text = visitor.text(path)
        assert PASSWORD not in text
        assert "***" in text


def test_a_missing_page_is_404(visitor: Visitor) -> None:
    for path in ("/nowhere", "/parts/nowhere", "/series?project=t1&uid=9", "/result?project=x&key=y", "/thumbnail"):
        assert visitor.get(path).status_code == 404
    assert visitor.get(f"/log?dag={DAG}&run={RUN}&task=x&attempt=-1").status_code == 404


def test_times_are_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert format_moment(STARTED) == "2026-11-24 20:00:01"
    assert format_moment("soon") == "soon"
    assert format_moment(None) == ""
