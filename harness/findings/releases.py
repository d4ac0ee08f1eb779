"""Rules about what another release of the platform does otherwise (runtime 17)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from harness.findings.rule import Releases, Rule, some_releases
from harness.profiles import Profile


def _whose(key: str, fits: Callable[[Any], bool]) -> Releases:
    """Return the releases whose value of a profile's key fits."""

    def select(release: Profile) -> bool:
        return fits(release.value(key))

    return select


_ID_FOR_ALL: Final = "dag_id: lower-case letters, digits and '-'"

IGNORED_ARGUMENT: Final = Rule(
    "ignored-argument",
    "warning",
    "an argument of an operator that a release passes over in silence",
    releases=some_releases,
    other_severity="info",
)
UNKNOWN_PARAMETER: Final = Rule(
    "unknown-parameter",
    "warning",
    "a parameter that the operators of a release do not have, so that the DAG cannot be imported",
    "leave it out, or say in the extension's description which release it needs",
    releases=some_releases,
)
FIXED_KEYWORD: Final = Rule(
    "fixed-keyword",
    "warning",
    "a keyword of Airflow that operators of a release set themselves, so that the DAG cannot be imported",
    "leave it out, or say in the extension's description which release it needs",
    releases=_whose("operator.keywords", lambda value: value == "fixed"),
)
LEFTOVERS_ON_RETRY: Final = Rule(
    "leftovers-on-retry",
    "warning",
    "a task that needed another attempt finds the output of the failed one",
    "let the program remove or overwrite what is in its output folder, or set retries=0",
    releases=_whose("pod.delete_output_on_start", lambda value: value is False),
)
MEMORY_ABOVE_LIMIT: Final = Rule(
    "memory-above-limit",
    "error",
    "a task used more memory than its limit on a release, where it is killed",
    "raise ram_mem_mb_lmt",
    releases=some_releases,
)
POD_NAME_CLASH: Final = Rule(
    "pod-name-clash",
    "error",
    "the pods of two tasks get one name where it is cut, and the second one fails with 409",
    "shorten the dag_id, or let the task ids differ early",
    releases=_whose("pod.name", lambda value: value == "run-task"),
)
RUN_ID: Final = Rule(
    "run-id",
    "error",
    "the run id cannot name the ConfigMap of the run's conf",
    f"{_ID_FOR_ALL}, at most 44 characters",
    releases=_whose("pod.conf_name", lambda value: value == "verbatim"),
)
RUN_WITHOUT_CONF: Final = Rule(
    "run-without-conf",
    "error",
    "conf.json lies in another folder than the run's, and what reads it fails",
    f"{_ID_FOR_ALL} only",
    releases=_whose("pod.conf_name", lambda value: value == "cured"),
)
BRANCH_WITHOUT_DATA: Final = Rule(
    "branch-without-data",
    "warning",
    "the code of a branch operator sees no data of the run",
    "decide by the conf of the run, or let a container exit with 126",
    releases=_whose("python.branch_sees_project", lambda value: value is False),
)
ALWAYS_PULLED: Final = Rule(
    "always-pulled",
    "error",
    "an image came from an archive alone, and the release asks the registry for it",
    "push it to the platform's registry as well",
    releases=_whose("pod.pull_policy_default", lambda value: value == "Always"),
)
DAG_IMAGE_TAG: Final = Rule(
    "dag-image-tag",
    "warning",
    "a package asks for a tag of the DAG image that only the guide promises",
    "also tag the DAG image as the package asks for it",
    releases=_whose("installer.dag_image_tag", lambda value: value != "platform"),
)
