"""One container of a pod, and the status that a pod has because of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.incluster.controlplane.store import now
from harness.kube import Manifest
from harness.wire import pulls, reasons
from harness.wire.annotations import ANNOTATION_MAX_MEMORY, ANNOTATION_SHORT_OF, ANNOTATION_WRITTEN
from harness.wire.pulls import PullProblem

State = dict[str, Any]

_ZERO_TIME = "0001-01-01T00:00:00Z"


class PodContainer:
    """One container of a pod through all its restarts.

    Attributes:
        spec: its part of the pod's ``spec``.
        id: the engine's id of the present container, empty before the first.
        state: ``waiting``, ``running`` or ``terminated`` as in ``containerStatuses``.
        layer: folder of the engine's host that has what it writes, empty if that is not known.
        kills_before: how many processes the kernel had killed to free memory when it was created.
        pull_problem: why the last failed pull of its image failed, if one has.
    """

    def __init__(self, spec: Mapping[str, Any], first_reason: str) -> None:
        self.spec = spec
        self.name = str(spec["name"])
        self.id = ""
        self.image_id = ""
        self.layer = ""
        self.kills_before = 0
        self.pull_problem: PullProblem | None = None
        self.state: State = {"waiting": {"reason": first_reason}}
        self.last: State = {}
        self.ready = False
        self.started = False
        self.ever_ran = False
        self.restarts = 0

    @property
    def exit_code(self) -> int | None:
        """The exit code when it has ended."""
        terminated = self.state.get("terminated")
        return int(terminated["exitCode"]) if terminated else None

    def mark_waiting(self, reason: str, message: str = "") -> None:
        """Record that the container waits for something before it is created."""
        self.ready = self.started = False
        self.state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}

    def mark_running(self) -> None:
        """Record that the container has started."""
        self.ever_ran = True
        self.state = {"running": {"startedAt": now()}}

    def mark_terminated(self, record: Mapping[str, Any] | None, code: int, *, out_of_memory: bool) -> None:
        """Set the state to ended; ``record`` is the engine's, ``None`` if the container was removed."""
        self.ready = self.started = False
        facts = (record or {}).get("State") or {}
        reason = reasons.OUT_OF_MEMORY if out_of_memory else reasons.COMPLETED if code == 0 else reasons.ERROR
        running = self.state.get("running") or {}
        finished = _time(facts.get("FinishedAt")) or now()
        started = _time(facts.get("StartedAt")) or running.get("startedAt") or finished
        terminated: State = {
            "exitCode": code,
            "reason": reason if record else "ContainerStatusUnknown",
            # the engine notes the start of a very short program after its end
            "startedAt": min(started, finished),
            "finishedAt": finished,
            "containerID": f"docker://{self.id}",
        }
        if code > 128:
            terminated["signal"] = code - 128
        self.state = {"terminated": terminated}

    def mark_start_failed(self, message: str) -> None:
        """Record that the engine could not start it, for instance because its program does not exist."""
        self.ever_ran = True
        time = now()
        self.state = {
            "terminated": {
                "exitCode": 128,
                "reason": "StartError",
                "message": message,
                "startedAt": time,
                "finishedAt": time,
                "containerID": f"docker://{self.id}",
            }
        }

    def status(self) -> State:
        """Return the container's entry in ``containerStatuses``."""
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": self.image_id,
            "containerID": f"docker://{self.id}" if self.id else "",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last,
        }


def _time(text: Any) -> str | None:
    """Return the engine's time with milliseconds, or ``None`` for its zero."""
    if not text or str(text) == _ZERO_TIME:
        return None
    head, _, fraction = str(text).rstrip("Z").partition(".")
    return f"{head}.{(fraction + '000')[:3]}Z"


def merge_conditions(before: Iterable[Mapping[str, Any]], wanted: Mapping[str, tuple[bool, str, str]]) -> list[State]:
    """Return the conditions, each ``type: (status, reason, message)``; the time changes only with the status."""
    earlier = {entry["type"]: entry for entry in before}
    result = []
    for kind, (value, reason, message) in wanted.items():
        status = "True" if value else "False"
        entry: State = {"type": kind, "status": status}
        same = earlier.get(kind, {}).get("status") == status
        entry["lastTransitionTime"] = earlier[kind]["lastTransitionTime"] if same else now()
        if reason:
            entry["reason"] = reason
        if message:
            entry["message"] = message
        result.append(entry)
    return result


def pod_status(pod: Manifest, containers: list[PodContainer], init: list[PodContainer], **facts: Any) -> State:
    """Return the status of a pod.

    Args:
        pod: the stored pod.
        containers: its containers.
        init: its init containers.
        facts: ``phase``, ``initialized``, ``unscheduled`` (reason why it has no node), ``address``, ``addresses``,
            ``start_time``, ``reason`` and ``message`` of the whole pod.
    """
    phase, unscheduled = facts["phase"], facts.get("unscheduled") or ""
    ready = phase == "Running" and all(container.ready for container in containers)
    lazy = [container.name for container in containers if not container.ready]
    # a pod that has ended is not ready for another reason than one that is about to be
    unready = "PodCompleted" if phase in ("Succeeded", "Failed") else "ContainersNotReady"
    why = ("", "") if ready else (unready, f"containers with unready status: [{' '.join(lazy)}]")
    before = pod.get("status") or {}
    status: State = {
        "phase": phase,
        "conditions": merge_conditions(
            before.get("conditions") or (),
            {
                "PodScheduled": (not unscheduled, "Unschedulable" if unscheduled else "", unscheduled),
                "Initialized": (bool(facts["initialized"]), "", ""),
                "ContainersReady": (ready, *why),
                "Ready": (ready, *why),
            },
        ),
        "qosClass": "Burstable",
    }
    if not unscheduled:
        status["startTime"] = facts["start_time"]
        status["hostIP"] = "127.0.0.1"
        status["containerStatuses"] = [container.status() for container in containers]
        if init:
            status["initContainerStatuses"] = [container.status() for container in init]
    if address := facts.get("address"):
        status["podIP"] = address
        status["podIPs"] = [{"ip": ip} for ip in facts["addresses"]]
    for field in ("reason", "message"):
        if facts.get(field):
            status[field] = facts[field]
    return status


def pod_annotations(containers: Iterable[PodContainer], *, memory: int, written: int, short_of: str) -> dict[str, str]:
    """Return the facts about a pod for which Kubernetes has no field, as annotations.

    Args:
        containers: all of its containers.
        memory: the most bytes that it used; 0 if unknown.
        written: bytes that it wrote outside of its volumes.
        short_of: the resource for which it was evicted, if it was.
    """
    problems = {container.name: container.pull_problem for container in containers if container.pull_problem}
    facts = ((ANNOTATION_MAX_MEMORY, memory), (ANNOTATION_WRITTEN, written), (ANNOTATION_SHORT_OF, short_of))
    return {**pulls.annotate_problems(problems), **{name: str(fact) for name, fact in facts if fact}}
