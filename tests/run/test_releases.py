"""Findings of a run about other releases (runtime 17)."""

from __future__ import annotations

from typing import Any

import pytest
from fake_platform import outcome, task

from harness.run import releases
from harness.run.findings import collect_findings, find_ignored_arguments
from harness.wire.records import TaskRecord

MIB = 2**20
OLD = ("0.4", "0.5.0", "0.5.3")
NEW = ("0.6.0", "0.6.1")


def found(
    tasks: list[TaskRecord], platform: str, run_id: str = "my-dag-260101000000000000"
) -> list[tuple[str, str, Any]]:
    pods = [record.task_id for record in tasks if record.result.image]
    findings = releases.collect_findings(tasks, platform=platform, run_ids=[run_id], pod_tasks=pods)
    return [(finding.rule, finding.where, finding.platforms) for finding in findings]


def with_arguments(*arguments: str) -> TaskRecord:
    return task("my-task", operator="MyOperator", outcome=outcome("Completed", arguments=list(arguments)))


@pytest.mark.parametrize(
    ("argument", "ignoring"),
    [
        ("cmds", NEW),
        ("arguments", NEW),
        ("image_pull_policy", NEW),
        ("node_selectors", NEW),
        ("tolerations", NEW),
        ("affinity", NEW),
        ("priority_class_name", NEW),
        ("get_logs", NEW),
        ("xcom_push", NEW),
        ("manage_cache", NEW),
        ("delete_input_on_success", NEW),
        ("annotations", OLD),
        ("namespace", OLD),
    ],
)
def test_an_argument_that_releases_pass_over_is_found_by_what_the_task_was_given(
    argument: str, ignoring: tuple[str, ...]
) -> None:
    (finding,) = find_ignored_arguments([], [with_arguments(argument)])
    assert (finding.rule, finding.platforms) == ("ignored-argument", ignoring)
    assert f"`{argument}` of `my-task`" in finding.message
    assert finding.fix


def test_a_parameter_of_a_later_release_keeps_the_dag_from_importing_on_older_ones() -> None:
    assert found([with_arguments("display_name")], "0.6.0") == [("unknown-parameter", "my-task", ("0.4",))]
    assert found([with_arguments("launch_application_chart")], "0.6.0") == [("unknown-parameter", "my-task", OLD)]
    assert found([with_arguments("cmds")], "0.6.0") == []


def test_a_retry_that_succeeds_may_stumble_over_leftovers_where_they_stay() -> None:
    retried = task("flaky", try_number=2, outcome=outcome("Completed"))
    assert found([retried], "documented") == [("leftovers-on-retry", "flaky", NEW)]
    assert found([retried], "0.6.0") == []
    assert found([task("at-once", outcome=outcome("Completed"))], "documented") == []


@pytest.mark.parametrize(
    ("platform", "limit", "peak", "expected"),
    [
        ("0.6.0", 660, 640, OLD),
        ("0.6.0", 660, 590, None),
        ("documented", 600, 590, None),
    ],
)
def test_a_peak_that_only_fits_with_the_factor_of_a_release_is_pointed_out(
    platform: str, limit: int, peak: int, expected: Any
) -> None:
    hungry = task("hungry", outcome=outcome("Completed", max_memory_bytes=peak * MIB, memory_limit_bytes=limit * MIB))
    assert found([hungry], platform) == ([("memory-above-limit", "hungry", expected)] if expected else [])


def test_pods_that_would_share_a_name_are_pointed_out_where_names_were_not_cut() -> None:
    run_id = "total-segmentator-v2-260101000000000000"
    tasks = [task(f"get-zenodo-model-for-{name}", outcome=outcome("Completed")) for name in ("body", "body-mr", "lung")]
    both = "get-zenodo-model-for-body, get-zenodo-model-for-body-mr"
    assert found(tasks, "0.5.3", run_id) == [("pod-name-clash", both, NEW)]
    assert found(tasks, "0.6.0", run_id) == []
    assert found(tasks[1:], "0.5.3", "short-260101000000000000") == []
    python = [task(each.task_id, outcome=outcome("Completed", image="")) for each in tasks]
    assert found(python, "0.5.3", run_id) == []


def test_a_dag_id_that_only_older_releases_take_is_pointed_out() -> None:
    refused, without_conf = releases.collect_findings(
        [], platform="0.5.3", run_ids=["My_Dag-260101000000000000"], pod_tasks=[]
    )
    assert (refused.rule, refused.severity, refused.platforms) == ("run-id", "error", ("0.6.0",))
    assert "lower-case letters" in refused.message
    assert (without_conf.rule, without_conf.platforms) == ("run-without-conf", ("0.6.1",))
    assert "it is mounted at the folder yag-260101000000000000" in without_conf.message
    assert found([], "0.5.3") == []
    assert found([], "0.6.0", "My_Dag-260101000000000000") == []


def test_a_run_id_with_a_dot_has_no_conf_on_0_6_1() -> None:
    dotted = "a.b-260115100000123456"
    assert found([], "0.6.0", dotted) == [("run-without-conf", dotted, ("0.6.1",))]
    (finding,) = releases.collect_findings([], platform="0.6.1", run_ids=[dotted], pod_tasks=[])
    assert finding.message.startswith("there is no conf.json in its folder: it is mounted at the folder ab-2601")


def test_a_keyword_that_only_0_6_1_takes_keeps_the_dag_from_importing_elsewhere() -> None:
    assert found([with_arguments("depends_on_past")], "0.6.1") == [
        ("fixed-keyword", "my-task", ("0.4", "0.5.0", "0.5.3", "0.6.0"))
    ]
    assert found([with_arguments("depends_on_past")], "0.6.0") == []


def test_an_image_that_only_an_archive_brought_is_not_found_where_every_pull_asks_the_registry() -> None:
    images = [
        releases.Pullable("localhost:32000/a:1", "sha256:1", frozenset({"sha256:1", "sha256:3"})),
        releases.Pullable("localhost:32000/b:1", "sha256:2", frozenset()),
    ]
    (finding,) = releases.find_archive_only(images, platform="0.6.0")
    assert (finding.rule, finding.where, finding.platforms) == ("always-pulled", "localhost:32000/b:1", ("0.6.1",))
    assert finding.message.endswith("its task ends there in ErrImagePull")
    assert releases.find_archive_only(images, platform="0.6.1") == []


def test_an_older_image_in_the_registry_runs_where_every_pull_asks_it_in_place_of_the_one_from_the_archive() -> None:
    images = [releases.Pullable("localhost:32000/a:1", "sha256:1", frozenset({"sha256:2"}))]
    (finding,) = releases.find_archive_only(images, platform="0.6.0")
    assert finding.rule == "always-pulled"
    assert "another image of this name, which runs there" in finding.message


def test_a_branch_that_has_seen_the_data_of_the_run_will_not_see_it_everywhere() -> None:
    branch = task("decide", outcome=outcome("Completed", branch=True))
    assert found([branch], "documented") == [("branch-without-data", "decide", NEW)]
    assert found([task("plain", outcome=outcome("Completed"))], "documented") == []


@pytest.mark.parametrize(
    ("operator", "variables", "words"),
    [
        ("MyOperator", ["THREADS"], None),
        ("MyOperator", ["PATH"], "PATH"),
        ("MyOperator", ["MINIO_URL", "THREADS"], "MINIO_URL"),
        ("MyOperator", ["RUN_ID"], "has no effect"),
        ("MinioOperator", ["ACTION"], "ACTION"),
        ("MinioOperator", ["MINIO_PREFIX"], None),
        ("MergeMasksOperator", ["MODE"], "MODE"),
    ],
)
def test_a_form_value_that_takes_over_a_variable_by_accident_is_pointed_out(
    operator: str, variables: list[str], words: str | None
) -> None:
    record = task("my-task", operator=operator, outcome=outcome("Completed", overridden_env=variables))
    clashes = [
        finding for finding in collect_findings([record], "success", [], 0) if finding.rule == "form-overrides-env"
    ]
    assert [words in finding.message for finding in clashes] == ([] if words is None else [True])
