"""Why a pod does not start is read from its status, and handed on as a fact."""

from __future__ import annotations

from typing import Any

import pytest

from harness.kube import troubles
from harness.wire import pulls, reasons
from harness.wire.pulls import PullProblem


def pod(reason: str, message: str) -> dict[str, Any]:
    waiting = {"name": "main", "image": "r.example/a:1", "state": {"waiting": {"reason": reason, "message": message}}}
    return {"status": {"containerStatuses": [waiting]}}


@pytest.mark.parametrize("reason", sorted(reasons.GIVEN_UP))
def test_a_container_that_waits_for_an_event_that_cannot_happen_is_in_trouble(reason: str) -> None:
    found = troubles.trouble_of(pod(reason, "it says"))
    assert found == troubles.Trouble("main", "r.example/a:1", reason, "it says")
    assert found.pull_failed == (reason in reasons.PULL_FAILED)


def test_a_container_that_is_just_being_created_is_not() -> None:
    assert troubles.trouble_of(pod("ContainerCreating", "")) is None


@pytest.mark.parametrize(
    ("message", "unreached", "unauthorized"),
    [
        ("dial tcp 10.96.0.7:5000: connect: connection refused", True, False),
        ("lookup registry.example: no such host", True, False),
        ("manifest unknown", False, False),
        ("failed to authorize: no basic auth credentials", False, True),
    ],
)
def test_a_registry_that_does_not_answer_is_distinguished_from_one_that_refuses(
    message: str, unreached: bool, unauthorized: bool
) -> None:
    found = troubles.trouble_of(pod("ErrImagePull", message))
    assert found is not None
    assert (found.unreached, found.unauthorized) == (unreached, unauthorized)


def test_a_refused_connection_of_a_program_is_not_blamed_on_the_registry() -> None:
    found = troubles.trouble_of(pod("RunContainerError", "connection refused"))
    assert found is not None
    assert not found.unreached


@pytest.mark.parametrize("problem", PullProblem)
def test_published_facts_of_a_node_win_over_its_message(problem: PullProblem) -> None:
    waiting = pod("ImagePullBackOff", "unauthorized: connection refused")
    waiting["metadata"] = {"annotations": pulls.annotate_problems({"main": problem})}
    found = troubles.trouble_of(waiting)
    assert found is not None
    assert found.unauthorized == (problem is PullProblem.UNAUTHORIZED)
    assert found.unreached == (problem is PullProblem.UNREACHED)


@pytest.mark.parametrize("text", ["", "[]", "5", "{", '{"main": "else"}', '{"main": []}', '{"other": "unreached"}'])
def test_an_annotation_of_another_kind_leaves_the_words(text: str) -> None:
    waiting = pod("ErrImagePull", "no such host")
    waiting["metadata"] = {"annotations": {pulls.ANNOTATION: text}}
    found = troubles.trouble_of(waiting)
    assert found is not None
    assert found.unreached
