"""When it is known how a pod ended."""

from __future__ import annotations

from typing import Any

import pytest

from harness.incluster.airflow import outcome

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


def test_a_pod_has_succeeded_when_its_containers_have_and_nobody_waits_for_its_network_to_go() -> None:
    pod = _pod(0)
    assert outcome.has_ended(pod)
    assert outcome.of_ended_pod(pod, "c0", "tool:1", []).reason == "Completed"


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
    assert outcome.of_ended_pod(pod, "c0", "tool:1", []).reason != "Completed"
