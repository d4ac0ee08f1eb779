"""Metrics of a run's pods: files of evidence, values to assert on, findings."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from fake_platform import FakeEnvironment, FakeProject, run_request

from harness.errors import CheckError
from harness.run.execute import execute
from harness.run.results import Run
from harness.wire.scrape_targets import ScrapedTarget

RUN = "otsus-method-241124"


def target(task: str = f"{RUN}/otsus-method", **values: Any) -> ScrapedTarget:
    """A target as the services record it, which answered once by default."""
    labels = {"kubernetes_pod_uid": values.pop("uid", "u1"), "instance": "10.1.0.7:9000"}
    series = [
        {"metric": {"__name__": "loss", "fold": "0", **labels}, "values": [[1.0, "4.0"], [2.0, "NaN"]]},
        {"metric": {"__name__": "loss", "fold": "1", **labels}, "values": [[1.0, "3.5"]]},
    ]
    given = {"attempts": 1, "answers": 1, "series": series, **values}
    return ScrapedTarget("http://10.1.0.7:9000/metrics", task, labels, **given)


def run_with(folder: Path, *targets: ScrapedTarget) -> Run:
    environment = FakeEnvironment()
    environment.services.metrics = list(targets)
    return execute(environment, FakeProject(), run_request("otsus-method", folder))


def test_metrics_of_the_pods_of_a_run_are_evidence_that_a_test_can_ask(tmp_path: Path) -> None:
    run = run_with(tmp_path, target(), target("another-run/otsus-method"), target(""))
    assert [path.name for path in (tmp_path / "metrics").iterdir()] == ["otsus-method.json"]
    assert list(run.metrics) == ["otsus-method"]
    metrics = run.metrics["otsus-method"]
    assert metrics.names == ["loss"]
    assert metrics.last("loss", fold="1") == 3.5
    first, second = metrics.values("loss", fold="0")
    assert first == 4.0
    assert math.isnan(second)
    assert run.findings == ()
    assert "metrics" not in json.loads((tmp_path / "run.json").read_text())


def test_a_missing_or_ambiguous_series_is_reported_with_the_existing_ones(tmp_path: Path) -> None:
    metrics = run_with(tmp_path, target()).metrics["otsus-method"]
    with pytest.raises(CheckError, match="2 series of task otsus-method match loss") as caught:
        metrics.last("loss")
    assert 'fold="1"' in caught.value.last_seen
    with pytest.raises(CheckError, match="no series of task otsus-method match accuracy"):
        metrics.last("accuracy")


def test_of_a_task_that_was_tried_again_the_last_attempt_counts(tmp_path: Path) -> None:
    run = run_with(tmp_path, target(answers=0, error="x", series=[]), target(uid="u2"))
    assert run.metrics["otsus-method"].last("loss", fold="1") == 3.5
    assert run.findings == ()


@pytest.mark.parametrize(
    ("values", "rule", "words"),
    [
        (
            {"attempts": 7, "error": "http://10.1.0.7:9000/metrics does not answer: refused"},
            "metrics-never-answered",
            "never answered: http://10.1.0.7:9000/metrics does not answer: refused (asked 7 times)",
        ),
        ({"attempts": 0, "error": "too late"}, "metrics-never-answered", "(never asked)"),
        ({"answered_otherwise": True, "error": "HTTP 404"}, "metrics-unreadable", "no metrics: HTTP 404"),
    ],
)
def test_an_endpoint_that_gave_no_metrics_is_a_finding(
    tmp_path: Path, values: dict[str, Any], rule: str, words: str
) -> None:
    run = run_with(tmp_path, target(answers=0, series=[], **values))
    (finding,) = run.findings
    assert (finding.rule, finding.severity, finding.where) == (rule, "warning", "otsus-method")
    assert words in finding.message


def test_a_run_without_annotated_pods_has_no_metrics(tmp_path: Path) -> None:
    assert run_with(tmp_path).metrics == {}
    assert not (tmp_path / "metrics").exists()


def test_a_task_without_metrics_is_named_with_those_that_have_some(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="task 'otsu' has no metrics; there are some of 'otsus-method'"):
        run_with(tmp_path, target()).metrics["otsu"]


def test_a_failed_assertion_about_a_value_says_what_the_values_were(tmp_path: Path) -> None:
    metrics = run_with(tmp_path, target()).metrics["otsus-method"]
    assert metrics.last("loss", fold="1").in_words("asserted 3.5000 < 3") == [
        'loss{fold="1"} of task otsus-method is 3.5: asserted 3.5000 < 3',
        "lowest 3.5, highest 3.5; its values in the order of time: 3.5",
    ]
    assert metrics.last("loss", fold="0").explanation == [
        "lowest 4, highest 4; its values in the order of time: 4, nan"
    ]
