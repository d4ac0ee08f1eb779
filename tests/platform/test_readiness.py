"""A ready part of a cluster becomes reachable a moment later; otherwise the error names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from harness.errors import PlatformError
from harness.kube import KubeApi, Manifest
from harness.kube.errors import Unavailable
from harness.platform import readiness


def test_a_part_is_asked_until_it_answers() -> None:
    asked: list[str] = []

    def late() -> None:
        asked.append("late")
        if len(asked) < 3:
            raise PlatformError("reset by peer")

    readiness.wait_until_reached([late, lambda: asked.append("next")], timeout_s=10)
    assert asked == ["late", "late", "late", "next"]


def test_a_part_that_is_never_reached_is_named() -> None:
    def never() -> None:
        raise PlatformError("Airflow does not answer")

    with pytest.raises(PlatformError, match="Airflow does not answer"):
        readiness.wait_until_reached([never], timeout_s=0.2)


def test_another_kind_of_error_ends_the_wait_at_once() -> None:
    def broken() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        readiness.wait_until_reached([broken], timeout_s=10)


class _Pods:
    """An API server with one pod of the workload ``part``, whose states a watch sends one after the other."""

    def __init__(self, *states: Manifest) -> None:
        self.states = states

    def list(self, kind: str, namespace: str, *, labels: Mapping[str, str]) -> list[Manifest]:
        assert (kind, namespace, labels[readiness.LABEL_NAME]) == ("Pod", "services", "part")
        return list(self.states[:1])

    def watch(self, kind: str, namespace: str, **_: Any) -> Iterator[tuple[str, Manifest]]:
        for state in self.states:
            yield "MODIFIED", state

    def logs(self, namespace: str, pod: str, **_: Any) -> Iterator[str]:
        yield "the disk is full"


def _pod(restarts: int, *, ready: bool = False) -> Manifest:
    waiting = {} if ready else {"waiting": {"reason": "CrashLoopBackOff"}}
    entry = {"name": "main", "restartCount": restarts, "state": waiting}
    entry["lastState"] = {"terminated": {"exitCode": 137, "reason": "Error"}}
    return {
        "metadata": {"name": "part-1", "namespace": "services", "uid": "1", "labels": {readiness.LABEL_NAME: "part"}},
        "spec": {"containers": [{"name": "main"}]},
        "status": {
            "containerStatuses": [entry],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def _again(*states: Manifest) -> bool:
    return readiness.wait_for_restart(cast("KubeApi", _Pods(*states)), "part", timeout_s=10)


def test_a_part_whose_container_was_killed_often_is_waited_for() -> None:
    assert _again(_pod(7), _pod(7), _pod(8), _pod(8, ready=True)) is True


def test_a_part_that_is_ready_or_has_no_pod_is_not_waited_for() -> None:
    assert _again(_pod(7, ready=True)) is False
    assert _again() is False


def test_a_part_that_ends_again_and_again_while_it_is_waited_for_is_named_with_its_log() -> None:
    with pytest.raises(PlatformError, match="part keeps ending: container main, exit status 137, Error") as caught:
        _again(_pod(7), _pod(8), _pod(9), _pod(9, ready=True))
    assert caught.value.last_seen == "the disk is full"


def test_a_cluster_that_cannot_be_asked_is_not_waited_for() -> None:
    class Gone(_Pods):
        def list(self, kind: str, namespace: str, *, labels: Mapping[str, str]) -> list[Manifest]:
            raise Unavailable(0, "Unavailable", "no answer")

    assert readiness.wait_for_restart(cast("KubeApi", Gone()), "part", timeout_s=10) is False
