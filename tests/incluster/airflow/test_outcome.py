"""When it is known how a pod ended."""

from __future__ import annotations

from typing import Any

import pytest

from harness.incluster.airflow import outcome
from harness.wire.annotations import ANNOTATION_SHORT_OF

_EVICTED = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}


def _pod(*exit_codes: int | None, containers: int = 1, policy: str = "Never", **status: Any) -> dict[str, Any]:
    states = [{"running": {}} if code is None else {"terminated": {"exitCode": code}} for code in exit_codes]
    return {
        "metadata": {"name": "run-task", "namespace": "project-a"},
        "spec": {"restartPolicy": policy, "containers": [{"name": f"c{number}"} for number in range(containers)]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": f"c{number}", "state": state} for number, state in enumerate(states)],
            **status,
        },
    }


def test_a_pod_succeeds_with_its_containers_before_its_network_is_removed() -> None:
    pod = _pod(0)
    assert outcome.has_ended(pod)
    assert outcome.read_outcome(pod, "c0", "tool:1", []).reason == "Completed"


@pytest.mark.parametrize(
    "pod",
    [
        _pod(None),
        _pod(),
        _pod(0, None, containers=2),
        _pod(0, containers=2),
        _pod(0, policy="OnFailure"),
        # what is wrong with these stands in the final phase only
        _pod(1),
        _pod(0, conditions=[_EVICTED]),
    ],
)
def test_of_every_other_pod_the_final_phase_is_awaited(pod: dict[str, Any]) -> None:
    assert not outcome.has_ended(pod)
    pod["status"]["phase"] = "Failed"
    assert outcome.has_ended(pod)
    assert outcome.read_outcome(pod, "c0", "tool:1", []).reason != "Completed"


@pytest.mark.parametrize(
    ("annotations", "message", "low_disk"),
    [
        ({}, "The node was low on resource: ephemeral-storage. Threshold quantity: 5, available: 1.", True),
        ({}, "The node was low on resource: memory. Threshold quantity: 5, available: 1.", False),
        ({ANNOTATION_SHORT_OF: "ephemeral-storage"}, "other words", True),
        ({ANNOTATION_SHORT_OF: "memory"}, "a pod that uses no ephemeral-storage", False),
    ],
)
def test_a_full_disk_is_a_fact_of_the_docker_cluster_and_known_by_the_words_of_a_kubelet(
    annotations: dict[str, str], message: str, low_disk: bool
) -> None:
    pod = _pod(137, phase="Failed", reason="Evicted", message=message)
    pod["metadata"]["annotations"] = annotations
    ended = outcome.read_outcome(pod, "c0", "tool:1", [])
    assert (ended.reason, ended.message, ended.low_disk) == ("Evicted", message, low_disk)
