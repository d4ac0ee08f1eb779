"""Explain a failed task by requests and names that the platform refused to its pod (services 1.2)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from http.client import responses
from typing import Final

from harness.run import log_lines
from harness.run.advice import advise, advise_on_refusal
from harness.run.diagnosis import seconds_since_epoch
from harness.run.refusals import Refusal
from harness.run.results import Cause
from harness.wire import reasons
from harness.wire.name_lookups import UnresolvedName
from harness.wire.outcome import Outcome
from harness.wire.records import TaskRecord
from harness.wire.service_refusals import RefusedRequest

Asked = Callable[[Sequence[str]], Sequence[RefusedRequest]]

# ends by the pod's own program; other ends (an image, memory) are the cause themselves
_OF_PROGRAM: Final = frozenset({reasons.ERROR, reasons.TIMEOUT})
# a program that fails over an answer fails at once; times of pods are whole seconds
_AT_ONCE_S: Final = 10.0
_SHORTEST_REASON: Final = 8
_SHOWN: Final = 3
_UNRESOLVED = re.compile(
    r"name resolution|Name or service not known|could not resolve|NameResolutionError|getaddrinfo|gaierror|"
    r"nodename nor servname|no such host|bad address",
    re.I,
)


def explain(cause: Cause | None, tasks: Sequence[TaskRecord], logs: Mapping[str, str], asked: Asked) -> Cause | None:
    """Return the cause of a failed run, with the refusals to the failed task in front of it.

    A refusal is the cause when the program's error names it, or when the program ended at once after it and no service
    had answered it better later. Otherwise it is only mentioned.

    Args:
        tasks: records of all tasks.
        logs: Airflow's task logs by task id.
        asked: returns the refusals to some addresses.
    """
    if cause is None or cause.task_id is None:
        return cause
    outcome = next((task.result for task in tasks if task.task_id == cause.task_id), Outcome())
    if outcome.reason not in _OF_PROGRAM:
        return cause
    lines = outcome.log_tail or logs.get(cause.task_id, "").splitlines()
    error, before = "\n".join(log_lines.find_last_error(lines)), "\n".join(log_lines.find_exceptions(lines))
    names = outcome.unresolved
    requests = select_within(asked(outcome.addresses), outcome) if outcome.addresses else []
    if request := _find_blamed(requests, error, before, outcome):
        fix = advise_on_refusal(request) or cause.fix
        return _put_first(cause, request.summary, fix)
    if name := _find_unresolved(names, f"{error}\n{before}"):
        return _put_first(cause, name.summary, _open(name) or cause.fix)
    seen = [*(name.summary for name in names), *(request.summary for request in requests)]
    return dataclasses.replace(cause, detail="\n".join([*cause.detail.splitlines(), *seen[-_SHOWN:]]))


def collect(tasks: Sequence[TaskRecord], asked: Asked) -> list[Refusal]:
    """Return the refused requests of the pods of tasks while they ran.

    Args:
        asked: gets addresses, returns what was refused to them.
    """
    addresses = list(dict.fromkeys(address for task in tasks for address in task.result.addresses))
    requests = asked(addresses) if addresses else []
    found = [
        Refusal(task.task_id, request)
        for task in tasks
        for request in select_within(requests, task.result)
        if request.peer in task.result.addresses
    ]
    return sorted(found, key=lambda one: one.request.at)


def _put_first(cause: Cause, first: str, fix: str) -> Cause:
    return dataclasses.replace(cause, summary=f"{first}; then {cause.summary}", fix=fix)


def select_within(requests: Sequence[RefusedRequest], outcome: Outcome) -> list[RefusedRequest]:
    """Return the requests of this pod's time: an address is given to other pods before and after."""
    begin, end = (seconds_since_epoch(time) for time in (outcome.started, outcome.finished))
    return [
        request
        for request in requests
        if (begin is None or request.at >= begin) and (end is None or request.at < end + 1)
    ]


def _find_blamed(
    requests: Sequence[RefusedRequest], error: str, before: str, outcome: Outcome
) -> RefusedRequest | None:
    """Return the request that the program ended over.

    Args:
        error: the program's last message.
        before: all exceptions that it has written, those that it has handled too.
    """
    if named := [request for request in requests if _names(error, request)]:
        return named[-1]
    final = [request for request in requests if not request.went_on]
    if named := [request for request in final if _names(before, request)]:
        return named[-1]
    end = seconds_since_epoch(outcome.finished)
    final = [request for request in final if not request.is_probe]
    if not final or end is None or outcome.reason == reasons.TIMEOUT or end - final[-1].at > _AT_ONCE_S:
        return None
    return final[-1]


def _names(error: str, request: RefusedRequest) -> bool:
    """Return whether an error speaks of this answer: by the service's words, the error's name or the status."""
    if len(request.reason) >= _SHORTEST_REASON and request.reason in error:
        return True
    if request.code and re.search(rf"\b{re.escape(request.code)}\b", error):
        return True
    status = str(request.status)
    near = rf"(?:HTTP|status|code|answer|response|error)\w*\W{{0,12}}{status}\b|\b{status} (?:Client|Server) Error"
    phrase = responses.get(request.status, status)
    return bool(re.search(rf"{near}|\b{status}\W{{1,3}}{re.escape(phrase)}", error, re.I))


def _find_unresolved(names: Sequence[UnresolvedName], error: str) -> UnresolvedName | None:
    named = [name for name in names if name.name in error]
    if not named and _UNRESOLVED.search(error):
        named = list(names)
    return named[-1] if named else None


def _open(name: UnresolvedName) -> str:
    if not name.service:
        return advise("Name or service not known")
    return f'give the operator labels={{"{name.label}": "true"}}' if name.label else ""
