"""Rules about differences between releases of the platform (runtime 17)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from harness.findings.rule import Releases, Rule, some_releases
from harness.profiles import Profile


def _releases_with(key: str, fits: Callable[[Any], bool]) -> Releases:
    """Return the releases whose value of a profile's key fits."""

    def select(release: Profile) -> bool:
        return fits(release.value(key))

    return select


_ID_FOR_ALL: Final = "dag_id: lower-case letters, digits and '-'"

IGNORED_ARGUMENT: Final = Rule(
    "ignored-argument",
    "warning",
    "a release silently ignores an argument of an operator",
    releases=some_releases,
    other_severity="info",
)
UNKNOWN_PARAMETER: Final = Rule(
    "unknown-parameter",
    "warning",
    "operators of a release lack a parameter, so the DAG cannot be imported",
    "remove it, or state in the extension's description which release it needs",
    releases=some_releases,
)
FIXED_KEYWORD: Final = Rule(
    "fixed-keyword",
    "warning",
    "operators of a release set a keyword of Airflow themselves, so the DAG cannot be imported",
    "remove it, or state in the extension's description which release it needs",
    releases=_releases_with("operator.keywords", lambda value: value == "fixed"),
)
LEFTOVERS_ON_RETRY: Final = Rule(
    "leftovers-on-retry",
    "warning",
    "a task that needed another attempt finds the output of the failed attempt",
    "let the program empty or overwrite its output folder, or set retries=0",
    releases=_releases_with("pod.delete_output_on_start", lambda value: value is False),
)
MEMORY_ABOVE_LIMIT: Final = Rule(
    "memory-above-limit",
    "error",
    "a task used more memory than its limit on a release, which would kill it",
    "raise ram_mem_mb_lmt",
    releases=some_releases,
)
POD_NAME_CLASH: Final = Rule(
    "pod-name-clash",
    "error",
    "the pods of two tasks get the same name because it is cut, and the second one fails with 409",
    "shorten the dag_id, or make the task ids differ early",
    releases=_releases_with("pod.name", lambda value: value == "run-task"),
)
RUN_ID: Final = Rule(
    "run-id",
    "error",
    "the run id cannot name the ConfigMap of the run's conf",
    f"{_ID_FOR_ALL}, at most 44 characters",
    releases=_releases_with("pod.conf_name", lambda value: value == "verbatim"),
)
RUN_WITHOUT_CONF: Final = Rule(
    "run-without-conf",
    "error",
    "conf.json is in another folder than the run's, and tasks that read it fail",
    f"{_ID_FOR_ALL} only",
    releases=_releases_with("pod.conf_name", lambda value: value == "cured"),
)
BRANCH_WITHOUT_DATA: Final = Rule(
    "branch-without-data",
    "warning",
    "the code of a branch operator sees no data of the run",
    "decide by the conf of the run, or exit a container with 126",
    releases=_releases_with("python.branch_sees_project", lambda value: value is False),
)
ALWAYS_PULLED: Final = Rule(
    "always-pulled",
    "error",
    "an image came only from an archive, but the release asks the registry, which has none or another one",
    "push it to the platform's registry as well",
    releases=_releases_with("pod.pull_policy_default", lambda value: value == "Always"),
)
DAG_IMAGE_TAG: Final = Rule(
    "dag-image-tag",
    "warning",
    "a package relies on a tag of the DAG image that only the guide promises",
    "also tag the DAG image as the release expects it",
    releases=_releases_with("installer.dag_image_tag", lambda value: value != "platform"),
)
