"""Find where other releases of the platform would end a run differently (runtime 17). Pure functions over records.

A task's arguments are in its record (``outcome.arguments``), their effect on each release in the profiles.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from harness import profiles
from harness.findings import Finding, Rule, Severity
from harness.findings import releases as rules
from harness.wire import naming
from harness.wire.records import TaskRecord


@dataclasses.dataclass(frozen=True)
class ReleaseDifference:
    """An argument of an operator that not every release honours.

    Args:
        key: of the profiles.
        fix: what works on all releases.
        severity: of the finding.
    """

    key: str
    fix: str
    severity: Severity = "warning"


_IMAGE = "use the image's ENTRYPOINT and CMD, e.g. in a separate image, controlled by env_vars"
_ONE_NODE = "no release needs it: leave it out"

ARGUMENTS: Final[Mapping[str, ReleaseDifference]] = {
    "cmds": ReleaseDifference("pod.cmds_honoured", _IMAGE),
    "arguments": ReleaseDifference("pod.cmds_honoured", _IMAGE),
    "image_pull_policy": ReleaseDifference(
        "pod.pull_policy_honoured", "give every change a new tag: the pull policy of the release counts"
    ),
    "priority_class_name": ReleaseDifference("pod.scheduling_honoured", _ONE_NODE, "info"),
    "node_selectors": ReleaseDifference(
        "pod.scheduling_honoured", "the release does not let you choose the node: do not rely on it"
    ),
    "affinity": ReleaseDifference(
        "pod.scheduling_honoured", "the release does not let you choose the node: do not rely on it"
    ),
    "tolerations": ReleaseDifference(
        "pod.scheduling_honoured", "the release does not let you choose the node: do not rely on it"
    ),
    "annotations": ReleaseDifference("pod.annotations_honoured", "annotations, e.g. for metrics, need 0.6.0"),
    "namespace": ReleaseDifference("pod.namespace_honoured", "leave it out: the project's namespace is the right one"),
    "get_logs": ReleaseDifference("pod.get_logs_honoured", "the release always follows the log", "info"),
    "xcom_push": ReleaseDifference("pod.xcom_honoured", "write a file to the output folder instead"),
    "manage_cache": ReleaseDifference("pod.cache_honoured", "the operator has to work without the cache"),
    "delete_input_on_success": ReleaseDifference(
        "pod.delete_input_on_success", "do not rely on it: operators must ignore folders of other operators"
    ),
}
"""Arguments that a release silently ignores if its key is false."""

COMMANDS: Final = frozenset({"cmds", "arguments"})
"""Arguments without which a container does something unintended."""

FIXED_KEYWORDS: Final = frozenset(
    {
        "email", "email_on_retry", "email_on_failure", "start_date", "depends_on_past", "wait_for_downstream",
        "on_failure_callback", "on_success_callback", "on_retry_callback", "on_execute_callback", "executor_config",
    }
)  # fmt: skip
"""Keywords of Airflow that pod operators set themselves (runtime 5)."""


def collect_findings(
    tasks: Sequence[TaskRecord], *, platform: str, run_ids: Sequence[str], pod_tasks: Sequence[str]
) -> list[Finding]:
    """Return everything that the records of a run say about other releases.

    Args:
        tasks: records of all tasks.
        platform: the profile that the run was made on.
        run_ids: of all DAG runs.
        pod_tasks: ids in the DAG of the tasks that had a container of an image.
    """
    return [
        *_unknown_parameters(tasks, platform),
        *_fixed_keywords(tasks, platform),
        *_leftovers(tasks, platform),
        *_memory(tasks, platform),
        *_pod_names(pod_tasks, platform, run_ids),
        *_run_ids(platform, run_ids),
        *_python(tasks, platform),
    ]


def find_releases_without(key: str) -> tuple[str, ...]:
    """Return the releases whose value of a key is false."""
    return _where_fits(key, lambda value: value is False)


def list_given(task: TaskRecord) -> list[str]:
    """Return the names of the arguments in a task's record."""
    return task.result.arguments


def _where_fits(key: str, fits: Callable[[Any], bool]) -> tuple[str, ...]:
    return tuple(release.name for release in profiles.releases() if fits(release.value(key)))


def _without(releases: Iterable[str], platform: str) -> tuple[str, ...]:
    return tuple(name for name in releases if name != platform)


def _other_releases(rule: Rule, platform: str) -> tuple[str, ...]:
    """Return the releases that a rule applies to; empty if the run was made on one of them."""
    return () if rule.concerns(platform) else rule.platforms()


def _unknown_parameters(tasks: Sequence[TaskRecord], platform: str) -> list[Finding]:
    """Report parameters that make a DAG unimportable on older releases, which lack them."""
    found = []
    for task in tasks:
        for name in list_given(task):
            releases = _without(_where_fits("operator.unknown_parameters", lambda value, n=name: n in value), platform)  # type: ignore[misc]
            if releases:
                found.append(
                    rules.UNKNOWN_PARAMETER.report(
                        task.task_id,
                        f"{', '.join(releases)} cannot import the DAG: its operators have no parameter `{name}`",
                        platforms=releases,
                    )
                )
    return found


def _fixed_keywords(tasks: Sequence[TaskRecord], platform: str) -> list[Finding]:
    """Report a keyword that other releases set themselves, so the DAG does not import there (task-api 1.4)."""
    releases = _other_releases(rules.FIXED_KEYWORD, platform)
    if not releases:
        return []
    return [
        rules.FIXED_KEYWORD.report(
            task.task_id,
            f"{', '.join(releases)} cannot import the DAG: its operators set `{name}` themselves (TypeError)",
        )
        for task in tasks
        for name in list_given(task)
        if name in FIXED_KEYWORDS
    ]


def _leftovers(tasks: Sequence[TaskRecord], platform: str) -> list[Finding]:
    releases = _other_releases(rules.LEFTOVERS_ON_RETRY, platform)
    if not releases:
        return []
    return [
        rules.LEFTOVERS_ON_RETRY.report(
            task.task_id,
            f"succeeded at attempt {task.try_number}; on {', '.join(releases)} the output of the failed attempt is "
            "still there when the next one begins",
        )
        for task in tasks
        if task.state == "success" and task.try_number > 1 and task.result.pod
    ]


def _memory(tasks: Sequence[TaskRecord], platform: str) -> list[Finding]:
    """Return a peak that only fits because this release multiplies the limit."""
    here = float(profiles.load(platform).value("pod.memory_factor"))
    found = []
    for task in tasks:
        peak, limit = task.result.max_memory_bytes, task.result.memory_limit_bytes
        if not peak or not limit or task.state != "success":
            continue
        nominal = limit / here
        releases = _where_fits("pod.memory_factor", lambda factor, p=peak, n=nominal: p > n * factor)  # type: ignore[misc]
        releases = _without(releases, platform)
        if releases:
            found.append(
                rules.MEMORY_ABOVE_LIMIT.report(
                    task.task_id,
                    f"used {peak / 2**20:.0f} MiB; on {', '.join(releases)} its limit is "
                    f"{nominal / 2**20:.0f} MiB and it would be killed",
                    platforms=releases,
                )
            )
    return found


def _pod_names(task_ids: Sequence[str], platform: str, run_ids: Sequence[str]) -> list[Finding]:
    """Report two tasks of one run whose pods get the same cut name (runtime 6.1)."""
    releases = _other_releases(rules.POD_NAME_CLASH, platform)
    if not releases:
        return []  # or the run itself has failed over it
    run_id = run_ids[0] if run_ids else ""
    by_name: dict[str, list[str]] = {}
    for task_id in task_ids:
        by_name.setdefault(naming.pod_name(run_id, task_id), []).append(task_id)
    return [
        rules.POD_NAME_CLASH.report(
            ", ".join(task_ids),
            f"on {', '.join(releases)} the pods of these tasks have one name, cut to {naming.POD_NAME_LENGTH} "
            "characters: the second one fails with 409",
        )
        for task_ids in by_name.values()
        if len(task_ids) > 1
    ]


def _run_ids(platform: str, run_ids: Sequence[str]) -> list[Finding]:
    """Report run ids that cannot name a ConfigMap (runtime 6.5), or name another folder (task-api 1.3)."""
    if not run_ids:
        return []
    found, run_id = [], run_ids[0]
    problem = naming.configmap_problem(run_id)
    cured, verbatim = rules.RUN_WITHOUT_CONF.platforms(), rules.RUN_ID.platforms()
    if problem is not None and rules.RUN_ID.concerns(platform):
        return []  # the run itself has failed over it
    if problem is not None and platform not in cured and verbatim:
        found.append(rules.RUN_ID.report(run_id, f"{', '.join(verbatim)}: {problem}"))
    if naming.run_id_of_0_6_1(run_id) != run_id and cured:
        here = "there is no conf.json" if platform in cured else f"on {', '.join(cured)} there is no conf.json"
        found.append(
            rules.RUN_WITHOUT_CONF.report(
                run_id,
                f"{here} in its folder: it is mounted at the folder {naming.run_id_of_0_6_1(run_id)}: what reads it, "
                "such as GetInput and MinioOperator, fails",
            )
        )
    return found


def _python(tasks: Sequence[TaskRecord], platform: str) -> list[Finding]:
    """Branch operators that have run where they see the data of the run (runtime 3, 7.8)."""
    releases = _other_releases(rules.BRANCH_WITHOUT_DATA, platform)
    if not releases:
        return []
    return [
        rules.BRANCH_WITHOUT_DATA.report(
            task.task_id,
            f"on {', '.join(releases)} the code of a branch runs in the scheduler and sees no data of the run",
        )
        for task in tasks
        if task.result.branch
    ]


@dataclasses.dataclass(frozen=True)
class Pullable:
    """An image that ran, and what a node would pull by its name.

    Attributes:
        reference: its name.
        ran: the digest by which the engine knows it.
        pulled: the digests of the image that the registry has under that name; empty if it has none.
    """

    reference: str
    ran: str
    pulled: frozenset[str]


def find_archive_only(images: Sequence[Pullable], *, platform: str) -> list[Finding]:
    """Return images of the run that releases which always pull would not find, or not run (task-api 1.1, row 1)."""
    releases = _without(rules.ALWAYS_PULLED.platforms(), platform)
    if not releases:
        return []
    found = []
    for image in images:
        if image.ran in image.pulled:
            continue
        what = "its task ends there in ErrImagePull"
        if image.pulled:
            what = "the registry has another image of this name, which runs there"
        message = f"only an archive brought it: {', '.join(releases)} always asks the registry, and {what}"
        found.append(rules.ALWAYS_PULLED.report(image.reference, message, platforms=releases))
    return found
