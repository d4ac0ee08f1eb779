"""Every kind of failure becomes one line that names the task and what happened to it."""

from __future__ import annotations

from typing import Any

import pytest
from fake_platform import IMAGE, outcome, task

from harness.common.repositories import HeldRepository
from harness.run import diagnosis
from harness.run.diagnosis import diagnose
from harness.wire.pulls import PullRefusal, SecretVerdict
from harness.wire.records import TaskRecord

TRACE = [
    "Loading model",
    "Traceback (most recent call last):",
    '  File "/app/otsus.py", line 12, in <module>',
    "    main()",
    "ValueError: the image has no foreground",
]


def failed(**extra: Any) -> list[TaskRecord]:
    return [
        task("get-input"),
        task("otsus-method", "failed", **extra),
        task("clean", "upstream_failed", upstream=["otsus-method"]),
    ]


def test_a_run_that_succeeded_has_no_cause() -> None:
    assert diagnose([task("otsus-method")], "success") is None


def test_a_missing_image_is_named_with_the_tags_the_registry_has() -> None:
    tasks = failed(outcome=outcome("ErrImagePull", message="manifest unknown"))
    cause = diagnose(tasks, "failed", held={IMAGE: HeldRepository(["0.5.2", "latest"])})
    assert cause is not None
    assert cause.task_id == "otsus-method"
    assert cause.summary == f"image {IMAGE} cannot be pulled: tag 0.6.0 is not in the registry, which has 0.5.2, latest"
    assert 'LABEL IMAGE="otsus-method"' in cause.fix


def test_an_image_without_a_repository_says_so() -> None:
    tasks = failed(outcome=outcome("ImagePullBackOff", message="not found"))
    cause = diagnose(tasks, "failed", held={IMAGE: HeldRepository(None, ["otsu", "other"])})
    assert cause is not None
    assert "the registry has no repository otsus-method" in cause.summary
    assert cause.detail == "not found\nthe registry has: otsu, other"


def test_a_tag_that_the_registry_has_is_not_called_missing() -> None:
    tasks = failed(outcome=outcome("ErrImagePull", message="no match for platform in manifest"))
    cause = diagnose(tasks, "failed", held={IMAGE: HeldRepository(["0.6.0"])})
    assert cause is not None
    assert cause.summary == f"image {IMAGE} cannot be pulled"
    assert cause.detail == "no match for platform in manifest"


@pytest.mark.parametrize("image", [f"{IMAGE.rpartition(':')[0]}@sha256:{0:064}", f"{IMAGE}@sha256:{0:064}"])
def test_the_digest_of_an_image_is_not_called_a_missing_tag(image: str) -> None:
    tasks = failed(outcome=outcome("ErrImagePull", message="not found", image=image))
    cause = diagnose(tasks, "failed", held={image: HeldRepository(["0.6.0"])})
    assert cause is not None
    assert cause.summary == f"image {image} cannot be pulled"


def test_an_image_that_only_an_archive_brought_is_reported_where_every_pull_asks_the_registry() -> None:
    tasks = failed(outcome=outcome("ErrImagePull", message="manifest unknown", always_pulled=True))
    cause = diagnose(tasks, "failed", held={IMAGE: HeldRepository(None, ["otsu", "other"])})
    assert cause is not None
    assert cause.summary.endswith(
        "This release always asks the registry, and an image that was only in an archive is not in it"
    )
    assert cause.fix.startswith("push it")


def test_a_pull_that_is_refused_is_named_with_its_secret_whatever_the_registry_has() -> None:
    refusal = PullRefusal(IMAGE, (("registry-secret", SecretVerdict.ELSEWHERE, ("registry.example.org",)),))
    message = "failed to authorize: no basic auth credentials"
    tasks = failed(outcome=outcome("ErrImagePull", message=message, refusal=refusal))
    cause = diagnose(tasks, "failed", held={IMAGE: HeldRepository(None, ["otsu", "other"])})
    assert cause is not None
    assert cause.summary == (
        f"image {IMAGE} cannot be pulled: unauthorized: "
        f"pull secret registry-secret is for registry.example.org, not for {refusal.host}"
    )
    assert cause.detail == message
    assert "namespace services only" in cause.fix


def test_a_registry_that_does_not_answer_is_not_reported_as_a_missing_image() -> None:
    message = f'failed to pull "{IMAGE}": dial tcp 10.96.0.7:5000: connect: connection refused'
    cause = diagnose(failed(outcome=outcome("ErrImagePull", message=message, unreached=True)), "failed")
    assert cause is not None
    assert cause.summary == f"image {IMAGE} cannot be pulled: its registry does not answer"
    assert "push" not in cause.fix


@pytest.mark.parametrize(
    ("message", "unreached"),
    [("connect: connection refused", True), ("not found", False)],
)
def test_an_image_of_the_development_kits_registry_names_the_setting_that_brings_it(
    message: str, unreached: bool
) -> None:
    image = "localhost:32000/mean-value:0.6.0"
    cause = diagnose(
        failed(outcome=outcome("ErrImagePull", message=message, image=image, unreached=unreached)), "failed"
    )
    assert cause is not None
    assert cause.summary.startswith(f"image {image} cannot be pulled")
    assert cause.fix.startswith("deliver='edk'")


def test_an_eviction_is_the_cause_and_not_the_signal_that_it_came_with() -> None:
    message = "the pod was evicted from its node while it ran (EvictionByEvictionAPI): Eviction API: evicting"
    cause = diagnose(failed(outcome=outcome("Evicted", message=message, exit_code=143)), "failed")
    assert cause is not None
    assert cause.summary == message
    assert "drained" in cause.fix


def test_a_disk_that_ran_full_is_named_with_what_keeps_it_free() -> None:
    message = "The node was low on resource: ephemeral-storage. Threshold quantity: 1, available: 0."
    cause = diagnose(failed(outcome=outcome("Evicted", message=message, exit_code=137, low_disk=True)), "failed")
    assert cause is not None
    assert cause.summary == f"was killed because the disk ran full: {message}"
    assert "disk-reserve in [tool.kaapana-harness]" in cause.fix


def test_an_invalid_image_name_is_not_called_missing() -> None:
    tasks = failed(outcome=outcome("InvalidImageName", image="{DEFAULT_REGISTRY}/x"))
    cause = diagnose(tasks, "failed")
    assert cause is not None
    assert "is not a valid image reference" in cause.summary
    assert "f-string" in cause.fix


def test_a_container_that_cannot_be_started_names_what_is_missing_in_it() -> None:
    message = 'exec: "run.sh": executable file not found in $PATH'
    cause = diagnose(failed(outcome=outcome("CreateContainerError", message=message)), "failed")
    assert cause is not None
    assert "cannot be started" in cause.summary
    assert "run.sh" in cause.summary


def test_an_exit_code_is_explained_by_the_last_exception() -> None:
    tasks = failed(outcome=outcome("Error", exit_code=1, log_tail=[*TRACE, "  cleaning up"]))
    cause = diagnose(tasks, "failed")
    assert cause is not None
    assert cause.line == "task otsus-method: exit code 1: ValueError: the image has no foreground"
    assert "otsus.py" in cause.detail


def test_an_exit_code_without_a_log_says_that_nothing_was_logged() -> None:
    cause = diagnose(failed(outcome=outcome("Error", exit_code=2)), "failed")
    assert cause is not None
    assert cause.summary == "exit code 2, and the container logged nothing"


def test_a_container_killed_for_memory_is_named_with_limit_and_peak() -> None:
    tasks = failed(outcome=outcome("OOMKilled", exit_code=137, memory_limit_bytes=80 * 2**20))
    cause = diagnose(tasks, "failed")
    assert cause is not None
    assert cause.summary == "killed because it used more memory than its limit, limit 80 MiB, peak 50 MiB"
    assert "ram_mem_mb_lmt" in cause.fix


def test_a_timeout_of_a_task_is_not_called_a_kill() -> None:
    tasks = failed(outcome=outcome("Timeout", exit_code=143, log_tail=["waiting for weights"]))
    cause = diagnose(tasks, "failed")
    assert cause is not None
    assert "longer than its execution_timeout and was killed after 4 s" in cause.summary
    assert "waiting for weights" in cause.summary


def test_a_timeout_names_the_limit_that_the_operator_has() -> None:
    message = "the task ran for 15.4 s, its execution_timeout is 0:00:15"
    cause = diagnose(failed(outcome=outcome("Timeout", message=message, timeout_s=15.0)), "failed")
    assert cause is not None
    assert "longer than its execution_timeout of 15 s and was killed; it had not logged anything" in cause.summary


def test_a_line_as_long_as_a_document_does_not_become_the_cause_whole() -> None:
    tasks = failed(outcome=outcome("Error", exit_code=3, log_tail=["x" * 5000]))
    cause = diagnose(tasks, "failed")
    assert cause is not None
    assert len(cause.summary) < 400
    assert "x" * 5000 in cause.detail


def test_the_first_task_that_failed_is_the_cause_of_several() -> None:
    tasks = [
        task("late", "failed", end="2026-11-24T20:00:09+00:00", outcome=outcome("Error", exit_code=1)),
        task("early", "failed", end="2026-11-24T20:00:02+00:00", outcome=outcome("Error", exit_code=3)),
    ]
    cause = diagnose(tasks, "failed")
    assert cause is not None
    assert cause.task_id == "early"


def test_a_failed_python_operator_is_explained_by_its_task_log() -> None:
    tasks = failed(operator="KaapanaPythonBaseOperator")
    log = "[2026-11-24T20:00:01.000+0000] {taskinstance.py:1} ERROR - Task failed\nKeyError: 'patients'\n"
    cause = diagnose(tasks, "failed", logs={"otsus-method": log})
    assert cause is not None
    assert cause.summary == "KeyError: 'patients'"


def test_a_rejected_pod_is_explained_by_the_operators_words() -> None:
    message = 'the API server refuses the pod: env "BINS" must be a string'
    cause = diagnose(failed(outcome=outcome("Rejected", message=message)), "failed")
    assert cause is not None
    assert cause.summary == f"Rejected: {message}"


def test_a_blocked_task_without_a_failed_one_names_the_upstream_state() -> None:
    tasks = [task("choose", "skipped"), task("report", "upstream_failed", upstream=["choose"])]
    cause = diagnose(tasks, "failed")
    assert cause is not None
    assert cause.task_id == "report"
    assert "choose (skipped)" in cause.summary


def test_a_run_that_the_harness_aborted_names_what_was_running() -> None:
    tasks = [task("get-input"), task("otsus-method", "running", outcome=None, end=None)]
    cause = diagnose(tasks, "failed", aborted_after_s=15.0)
    assert cause is not None
    assert cause.line == "task otsus-method: still running when the run was aborted after 15 s"


def test_a_run_in_which_nothing_started_blames_the_scheduler() -> None:
    cause = diagnose([task("get-input", None)], "failed", aborted_after_s=15.0)
    assert cause is not None
    assert cause.task_id is None
    assert "no task had started" in cause.summary


def test_a_run_without_tasks_says_that_the_dag_is_empty() -> None:
    cause = diagnose([], "failed", dag_id="empty")
    assert cause is not None
    assert cause.summary == "DAG empty has no tasks"


@pytest.mark.parametrize(
    ("operator", "line", "hint"),
    [
        ("DcmSendOperator", "F: Association Request Failed: Peer aborted Association", "network-access-ctp"),
        ("MinioOperator", "ValueError: no file passed the whitelist", "whitelisted_file_extensions"),
        ("MinioOperator", "S3Error: S3 operation failed; code: NoSuchBucket", "bucket_name"),
        ("MinioOperator", "S3Error: S3 operation failed; code: AccessDenied", "own bucket"),
        ("KaapanaBaseOperator", "ModuleNotFoundError: No module named 'torch'", "install torch in the container"),
        ("KaapanaBaseOperator", "KeyError: 'THRESHOLD'", "environment has no THRESHOLD"),
        ("KaapanaBaseOperator", "KeyError: 'OPERATOR_IN_DIR'", "input_operator="),
        ("KaapanaBaseOperator", "URLError: Temporary failure in name resolution", "network-access-external-ips"),
    ],
)
def test_known_errors_come_with_the_next_step(operator: str, line: str, hint: str) -> None:
    tasks = failed(operator=operator, outcome=outcome("Error", exit_code=1, log_tail=[line]))
    cause = diagnose(tasks, "failed")
    assert cause is not None
    assert line in cause.summary
    assert hint in cause.fix


CHAIN = """\
{prefix}Traceback (most recent call last):
  File "/app/notify.py", line 3, in send
    raise RefusedError("project_id must be a UUID, got 'my-project'")
notify.RefusedError: project_id must be a UUID, got 'my-project'

{link}

Traceback (most recent call last):
  File "/app/main.py", line 9, in each
    raise ElementError("element 1.2 failed") from error
ElementError: element 1.2 failed
of 3 elements

{link}

Traceback (most recent call last):
  File "/app/main.py", line 12, in <module>
    raise RuntimeError("1 of 1 elements failed")
RuntimeError: 1 of 1 elements failed
"""


@pytest.mark.parametrize(
    "link",
    [
        "The above exception was the direct cause of the following exception:",
        "During handling of the above exception, another exception occurred:",
    ],
)
@pytest.mark.parametrize("prefix", ["", "[2024-11-24T20:10:01.123+0000] {operator.py:99} ERROR - "])
def test_the_first_exception_of_a_chain_comes_before_the_one_that_wraps_it(link: str, prefix: str) -> None:
    lines = CHAIN.format(link=link, prefix=prefix).splitlines()
    cause = diagnose(failed(outcome=outcome("Error", exit_code=1, log_tail=lines)), "failed")
    assert cause is not None
    refused = "notify.RefusedError: project_id must be a UUID, got 'my-project'"
    assert cause.summary == f"exit code 1: {refused}; then RuntimeError: 1 of 1 elements failed"


def test_an_exception_that_was_handled_before_is_not_the_cause_of_a_later_one() -> None:
    lines = [*TRACE[:-1], "KeyError: 'handled'", "trying again", *TRACE]
    cause = diagnose(failed(outcome=outcome("Error", exit_code=1, log_tail=lines)), "failed")
    assert cause is not None
    assert cause.summary == "exit code 1: ValueError: the image has no foreground"


def test_a_dag_file_that_does_not_import_is_named_with_the_exception() -> None:
    trace = (
        "Traceback (most recent call last):\n  File \"dag_x.py\", line 3\nModuleNotFoundError: No module named 'torch'"
    )
    cause = diagnosis.make_no_run_cause("x", import_errors={"dag_x.py": trace}, job_states=[])
    assert cause.summary == "DAG file dag_x.py does not import: ModuleNotFoundError: No module named 'torch'"
    assert "the harness's does not" in cause.fix


def test_a_workflow_without_jobs_and_one_with_lost_jobs_are_distinguished() -> None:
    assert "made no job" in diagnosis.make_no_run_cause("x", import_errors={}, job_states=[]).summary
    assert "job of x is deleted" in diagnosis.make_no_run_cause("x", import_errors={}, job_states=["deleted"]).summary
