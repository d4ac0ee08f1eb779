"""Findings about a run, from task records and source text. Pure functions."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Collection, Iterator, Sequence

from harness.common.references import find_last_part
from harness.findings import Finding, running
from harness.findings import releases as release_rules
from harness.run import releases
from harness.run.stored_objects import StoredObject
from harness.wire.names import SKIP_EXIT_CODE
from harness.wire.outcome import Outcome
from harness.wire.records import TaskRecord

# set by the platform last (runtime 6.2 row 7)
_CORE = frozenset(
    {"RUN_ID", "DAG_ID", "TASK_ID", "WORKFLOW_DIR", "BATCH_NAME", "OPERATOR_OUT_DIR", "BATCHES_INPUT_DIR"}
)
_OF_PLATFORM = _CORE | {
    "SERVICES_NAMESPACE", "ADMIN_NAMESPACE", "EXTENSIONS_NAMESPACE", "KEYCLOAK_URL", "KUBE_HELM_URL", "OPENSEARCH_URL",
    "DICOM_WEB_FILTER_URL", "NOTIFICATION_URL", "AII_URL", "KAAPANA_BACKEND_URL", "MINIO_URL", "OPERATOR_IN_DIR",
    "CUDA_VISIBLE_DEVICES", "PATH", "HOME",
}  # fmt: skip
# variables of built-in operators that ordinary names of properties collide with (operators 2.2)
_OF_BUILT_INS = {
    "ACTION": ("MinioOperator",),
    "SOURCE_FILES": ("MinioOperator",),
    "MODE": ("MergeMasksOperator", "UpdateSegInfoJSONOperator", "ZipUnzipOperator"),
    "LEVEL": ("DcmQueryOperator", "DcmSendOperator"),
    "FORMAT": ("ResampleOperator",),
    "INTERPOLATOR": ("ResampleOperator",),
    "EXTENSIONS": ("Bin2DcmOperator",),
    "VERSION": ("Bin2DcmOperator",),
    "MODALITY": ("Bin2DcmOperator",),
    "SERIES_DESCRIPTION": ("Bin2DcmOperator",),
    "TITLE": ("NotifyOperator",),
    "DESCRIPTION": ("NotifyOperator",),
    "TOPIC": ("NotifyOperator",),
}


# bytes that a platform of the recommended size has, less what its own services take
_USUAL_MEMORY = 60 * 2**30


@dataclasses.dataclass(frozen=True)
class GivenArgument:
    """An argument that DAG code gives to an operator, found in the source.

    Args:
        argument: e.g. ``arguments``.
        operator: the constructed class, or one whose constructor passes the argument on.
        name: the operator's ``name`` if it is a literal text, otherwise ``None``.
        file: path for messages.
        line: line number.
    """

    argument: str
    operator: str
    name: str | None
    file: str
    line: int


def find_given_arguments(text: str, file: str) -> list[GivenArgument]:
    """Return the arguments of operators in one Python file that some release ignores; empty when it does not parse."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    found = []
    for owner, call in _calls(tree):
        name = next((_constant(k.value) for k in call.keywords if k.arg in {"name", "task_id"}), None)
        for keyword in call.keywords:
            empty = isinstance(keyword.value, ast.Constant) and keyword.value.value is None
            if keyword.arg is not None and keyword.arg in releases.ARGUMENTS and not empty:
                found.append(GivenArgument(keyword.arg, owner, name, file, keyword.value.lineno))
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield constructor calls of operators, and what an operator's own class passes to its base."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called.endswith("Operator"):
                yield called, node
        if isinstance(node, ast.ClassDef):
            for inner in ast.walk(node):
                if (
                    isinstance(inner, ast.Call)
                    and isinstance(inner.func, ast.Attribute)
                    and inner.func.attr == "__init__"
                ):
                    yield node.name, inner


def _constant(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def find_ignored_arguments(
    given: Sequence[GivenArgument], tasks: Sequence[TaskRecord], only: Collection[str] = releases.ARGUMENTS
) -> list[Finding]:
    """Find arguments of this run's operators that a release silently ignores.

    A task's record decides if there is one, and the source only gives the line of the argument. Without a
    record (the task never ran) the source decides.

    Args:
        only: the arguments that are looked for.
    """
    findings = []
    for item in given:
        for task in tasks:
            if item.argument in only and _is_about(item, task) and task.outcome is None:
                findings.extend(_find_ignored(item.argument, task.task_id, f" ({item.file}:{item.line})"))
    for task in tasks:
        for argument in (name for name in releases.list_given(task) if name in only):
            places = [item for item in given if item.argument == argument and _is_about(item, task)]
            where = f" ({places[0].file}:{places[0].line})" if places else ""
            findings.extend(_find_ignored(argument, task.task_id, where))
    return findings


def _is_about(item: GivenArgument, task: TaskRecord) -> bool:
    return task.operator == item.operator and (item.name is None or task.task_id == item.name)


def _find_ignored(argument: str, task_id: str, where: str) -> list[Finding]:
    difference = releases.ARGUMENTS.get(argument)
    if difference is None or not (ignoring := releases.find_releases_without(difference.key)):
        return []
    verb = "ignores" if len(ignoring) == 1 else "ignore"
    message = f"{', '.join(ignoring)} {verb} `{argument}` of `{task_id}`{where}"
    report = release_rules.IGNORED_ARGUMENT.report
    return [report(task_id, message, fix=difference.fix, platforms=ignoring, severity=difference.severity)]


def collect_findings(
    tasks: Sequence[TaskRecord], state: str, objects: Sequence[StoredObject], sent: int
) -> list[Finding]:
    """Return the findings in the records of a finished run."""
    findings = []
    for task in tasks:
        name, outcome = task.task_id, task.result
        if state == "success" and task.state == "failed":
            findings.append(
                running.HIDDEN_FAILURE.report(
                    name, "failed, but the run counts as success because a later task succeeds whatever happened before"
                )
            )
        if task.state == "skipped" and outcome.exit_code == SKIP_EXIT_CODE:
            findings.append(
                running.SKIPPED_BY_EXIT_CODE.report(
                    name, "exit code 126 skipped it, and all tasks that need all of their upstream tasks"
                )
            )
        if task.state == "success" and task.try_number > 1:
            findings.append(running.NEEDED_RETRIES.report(name, f"succeeded at attempt {task.try_number}"))
        if clash := _report_overridden(name, task.operator, outcome.overridden_env):
            findings.append(clash)
        findings += _check_platform(name, outcome)
        if task.state == "success" and task.operator == "DcmSendOperator" and not sent:
            findings.append(
                running.NOTHING_RECEIVED.report(
                    name, "succeeded, but the platform's receiver got nothing for the project"
                )
            )
    for item in objects:
        if item.key.lower().endswith((".html", ".htm")) and not item.visible_in_results:
            findings.append(
                running.REPORT_NOT_SHOWN.report(
                    item.key,
                    "the results page does not show it: it lists .html below staticwebsiteresults/, not index.html",
                )
            )
    return findings


def _check_platform(task_id: str, outcome: Outcome) -> list[Finding]:
    """Return findings about requests of the operator that a platform may not fulfil (runtime 2.4, 6.4)."""
    findings = []
    if outcome.gpu_forgotten:
        message = "asks for a GPU with gpu_mem_mb, but the platform has none: it ran on the CPU"
        findings.append(running.GPU_NOT_THERE.report(task_id, message))
    asked = outcome.memory_request_bytes or 0
    if asked > _USUAL_MEMORY:
        message = f"asks for {asked / 2**30:.0f} GiB of memory with ram_mem_mb"
        findings.append(
            running.MEMORY_REQUEST.report(
                task_id, f"{message}: a platform with 64 GB never starts it, without a message"
            )
        )
    return findings


def find_without_input(tasks: Sequence[TaskRecord], readers: Sequence[str]) -> list[Finding]:
    """Find tasks whose program reads OPERATOR_IN_DIR, which the platform does not set without an input (runtime 6.2).

    Args:
        readers: names of the images whose sources have this text.
    """
    return [
        running.NO_INPUT.report(
            task.task_id,
            "its container reads OPERATOR_IN_DIR, but the operator has no input: the variable does not exist",
        )
        for task in tasks
        if not task.result.has_input and find_last_part(task.result.image) in readers
    ]


def _report_overridden(task_id: str, operator: str, variables: Sequence[str]) -> Finding | None:
    """Report values of the form that replaced variables (runtime 6.2, operators 2.2).

    That a form replaces what an operator of the author sets is what forms are for; ``None`` for that.
    """
    clashes = [name for name in variables if name in _OF_PLATFORM or operator in _OF_BUILT_INS.get(name, ())]
    if not clashes:
        return None
    message = f"values of the form replaced {', '.join(clashes)} of its environment"
    if lost := [name for name in clashes if name in _CORE]:
        message += f"; {', '.join(lost)} stays as the platform sets it, so that value has no effect"
    return running.FORM_OVERRIDES_ENV.report(task_id, message)
