"""Findings about runs that succeed."""

from __future__ import annotations

from pathlib import Path

from fake_platform import outcome, task

from harness.run.findings import collect_findings, find_given_arguments, find_ignored_arguments, find_without_input
from harness.run.stored_objects import StoredObject

SOURCE = """
class ReportOperator(KaapanaBaseOperator):
    def __init__(self, dag, name="extract-report", **kwargs):
        super().__init__(dag=dag, name=name, cmds=["bash"], arguments=["/report.sh"], **kwargs)

report = ReportOperator(dag=dag)
plain = KaapanaBaseOperator(dag=dag, name="plain", image_pull_policy="Always", cmds=None)
"""


def test_arguments_that_a_release_ignores_are_found_with_task_and_line() -> None:
    given = find_given_arguments(SOURCE, "ReportOperator.py")
    tasks = [
        task("extract-report", operator="ReportOperator"),
        task("plain", operator="KaapanaBaseOperator"),
        task("other", operator="KaapanaBaseOperator"),
    ]
    found = find_ignored_arguments(given, tasks)
    assert [(item.where, item.message) for item in found] == [
        ("extract-report", "0.6.0, 0.6.1 ignore `cmds` of `extract-report` (ReportOperator.py:4)"),
        ("extract-report", "0.6.0, 0.6.1 ignore `arguments` of `extract-report` (ReportOperator.py:4)"),
        ("plain", "0.6.0, 0.6.1 ignore `image_pull_policy` of `plain` (ReportOperator.py:7)"),
    ]
    assert found[0].platforms == ("0.6.0", "0.6.1")


def test_a_file_that_does_not_parse_gives_no_finding() -> None:
    assert find_given_arguments("def (", "x.py") == []


def test_a_failed_task_of_a_successful_run_is_pointed_out() -> None:
    found = collect_findings([task("otsus-method", "failed"), task("clean")], "success", [], 0)
    assert [(item.rule, item.where) for item in found] == [("hidden-failure", "otsus-method")]


def test_a_skip_by_exit_code_a_retry_and_a_send_into_the_void_are_pointed_out() -> None:
    tasks = [
        task("filter", "skipped", outcome=outcome("Skipped", exit_code=126)),
        task("flaky", try_number=2),
        task("dcmsend", operator="DcmSendOperator"),
    ]
    rules = [item.rule for item in collect_findings(tasks, "success", [], 0)]
    assert rules == ["skipped-by-exit-code", "needed-retries", "nothing-received"]
    assert "nothing-received" not in [item.rule for item in collect_findings(tasks, "success", [], 1)]


def test_a_report_that_the_results_page_does_not_show_is_a_finding() -> None:
    objects = [
        StoredObject("b", "staticwebsiteresults/ok.html", 1, "text/html", "x", True, Path()),
        StoredObject("b", "results/lost.html", 1, "text/html", "y", False, Path()),
    ]
    assert [item.where for item in collect_findings([], "success", objects, 0)] == ["results/lost.html"]


def test_a_missing_gpu_and_a_request_for_much_memory_are_findings() -> None:
    tasks = [
        task("net", outcome=outcome("Completed", gpu_forgotten=True)),
        task("huge", outcome=outcome("Completed", memory_request_bytes=100 * 2**30)),
        task("modest", outcome=outcome("Completed", memory_request_bytes=2**30, gpu_forgotten=False)),
    ]
    found = collect_findings(tasks, "success", [], 0)
    assert [(item.rule, item.where) for item in found] == [("gpu-not-there", "net"), ("memory-request", "huge")]
    assert "100 GiB" in found[1].message


def test_a_container_that_reads_the_input_of_an_operator_without_one_is_pointed_out() -> None:
    tasks = [
        task("with", outcome=outcome("Completed", has_input=True)),
        task("without", outcome=outcome("Completed", has_input=False)),
        task("other", outcome=outcome("Completed", has_input=False, image="localhost:5000/other:0.6.0")),
        task("never-ran", "upstream_failed"),
    ]
    assert [item.where for item in find_without_input(tasks, ["otsus-method"])] == ["without"]
