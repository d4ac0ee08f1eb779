"""What an author should know about a run although it did not fail it. Pure functions over records and source text."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import profiles
from harness.run.outputs import StoredObject
from harness.run.results import Finding

Task = Mapping[str, Any]

# operator argument -> key of a profile's [pod] table that says whether the release passes it on (runtime 5)
_HONOURED = {"cmds": "cmds_honoured", "arguments": "cmds_honoured", "image_pull_policy": "pull_policy_honoured"}


@dataclasses.dataclass(frozen=True)
class GivenArgument:
    """An argument that DAG code gives to an operator, found in the source.

    Args:
        argument: e.g. ``arguments``.
        operator: class that is constructed, or whose constructor passes the argument on.
        name: the operator's ``name`` where it is written as a text, else ``None``.
        file: path for messages.
        line: line number.
    """

    argument: str
    operator: str
    name: str | None
    file: str
    line: int


def given_arguments(text: str, file: str) -> list[GivenArgument]:
    """The arguments of operators in one Python file that some release ignores; empty when it does not parse."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    found = []
    for owner, call in _calls(tree):
        name = next((_constant(k.value) for k in call.keywords if k.arg in {"name", "task_id"}), None)
        for keyword in call.keywords:
            empty = isinstance(keyword.value, ast.Constant) and keyword.value.value is None
            if keyword.arg in _HONOURED and not empty:
                found.append(GivenArgument(keyword.arg, owner, name, file, keyword.value.lineno))
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Constructor calls of operators, and what an operator's own class passes to its base."""
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


def ignored_arguments(given: Sequence[GivenArgument], tasks: Sequence[Task]) -> list[Finding]:
    """Arguments of this run's operators that a release does not pass on to the container."""
    findings = []
    for item in given:
        names = [
            task["task_id"]
            for task in tasks
            if task.get("operator") == item.operator and (item.name is None or task["task_id"] == item.name)
        ]
        ignoring = _releases_without(_HONOURED[item.argument])
        for name in names:
            if ignoring:
                findings.append(
                    Finding(
                        "ignored-argument",
                        "warning",
                        name,
                        f"{', '.join(ignoring)} ignores `{item.argument}` of `{name}` ({item.file}:{item.line})",
                        "let the image's ENTRYPOINT and CMD do it, e.g. in an image of its own, steered by env_vars"
                        if item.argument != "image_pull_policy"
                        else "give every change a new tag: the pull policy of the release counts",
                        ignoring,
                    )
                )
    return findings


def _releases_without(key: str) -> tuple[str, ...]:
    loaded = [profiles.load(name) for name in profiles.names()]
    return tuple(profile.name for profile in loaded if profile.data.get("pod", {}).get(key) is False)


def of_run(tasks: Sequence[Task], state: str, objects: Sequence[StoredObject], sent: int) -> list[Finding]:
    """What the records of a finished run show."""
    findings = []
    for task in tasks:
        name, outcome = task["task_id"], task.get("outcome") or {}
        if state == "success" and task["state"] == "failed":
            findings.append(
                Finding(
                    "hidden-failure",
                    "warning",
                    name,
                    "failed, but the run counts as success because a later task ends it well whatever happened",
                    "the trigger rule of the last task decides: none_failed shows the failure",
                )
            )
        if task["state"] == "skipped" and outcome.get("exit_code") == 126:
            findings.append(
                Finding(
                    "skipped-by-exit-code",
                    "info",
                    name,
                    "exit code 126 skipped it, and what needs all of its upstream tasks",
                    "shells return 126 as well for a file that may not be executed",
                )
            )
        if task["state"] == "success" and int(task.get("try_number") or 1) > 1:
            findings.append(
                Finding(
                    "needed-retries",
                    "warning",
                    name,
                    f"succeeded at attempt {task['try_number']}",
                    "set retries=0 in default_args while testing, and mend what fails at first",
                )
            )
        if task["state"] == "success" and task.get("operator") == "DcmSendOperator" and not sent:
            findings.append(
                Finding(
                    "nothing-received",
                    "warning",
                    name,
                    "succeeded, but the platform's receiver got nothing for the project",
                )
            )
    for item in objects:
        if item.key.lower().endswith((".html", ".htm")) and not item.visible_in_results:
            findings.append(
                Finding(
                    "report-not-shown",
                    "warning",
                    item.key,
                    "the results page does not show it: it lists .html below staticwebsiteresults/, not index.html",
                    'MinioOperator(minio_prefix="staticwebsiteresults", ...)',
                )
            )
    return findings
