"""Read from a pod how an attempt of a task ended, see :mod:`harness.wire.outcome`."""

from __future__ import annotations

from typing import Any, Final

from harness.incluster.airflow.resources import memory_bytes
from harness.kube import node_messages
from harness.kube.node_messages import EPHEMERAL_STORAGE
from harness.wire import names, reasons
from harness.wire.annotations import ANNOTATION_MAX_MEMORY, ANNOTATION_SHORT_OF, ANNOTATION_WRITTEN
from harness.wire.outcome import Outcome

# written by a Python operator in a pod for the scheduler: its outcome and its return value
XCOM_END: Final = "harness_python_end"
XCOM_RETURN: Final = "harness_python_return"
# whether the code has read the data of the run
XCOM_LOOKED: Final = "harness_python_looked"


def container_status(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the status of one container; empty until it exists."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status.get("name") == name:
            return dict(status)
    return {}


def pod_addresses(status: dict[str, Any]) -> list[str]:
    """Return the addresses that a pod's status has."""
    return [str(entry["ip"]) for entry in status.get("podIPs") or [] if entry.get("ip")]


def eviction_message(pod: dict[str, Any]) -> str:
    """Return why the cluster itself ended the pod: evicted, preempted, its node lost; empty when it did not.

    Kubernetes marks such a pod with the condition ``DisruptionTarget`` before its containers are ended; a node that
    runs out of something says ``Evicted`` as the reason of the whole pod.
    """
    status = pod.get("status", {})
    for condition in status.get("conditions") or []:
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            message = str(status.get("message") or condition.get("message") or "").strip()
            return f"the pod was evicted from its node while it ran ({condition.get('reason')}): {message}"
    return str(status.get("message") or reasons.EVICTED) if status.get("reason") == reasons.EVICTED else ""


def is_low_on_disk(pod: dict[str, Any]) -> bool:
    """Return whether a node evicted the pod because its disk ran full.

    The docker cluster publishes it as a fact, a kubelet says it in words.
    """
    annotations = pod["metadata"].get("annotations") or {}
    if short_of := annotations.get(ANNOTATION_SHORT_OF):
        return bool(short_of == EPHEMERAL_STORAGE)
    return node_messages.is_low_on_disk(eviction_message(pod))


def has_started(pod: dict[str, Any], container: str) -> bool:
    """Return whether the container runs or has run, so that it has a log."""
    state = container_status(pod, container).get("state") or {}
    return "running" in state or "terminated" in state


def has_succeeded(pod: dict[str, Any]) -> bool:
    """Return whether the pod succeeded, or will: all its containers ended with 0, and are not started again.

    Kubernetes says ``Succeeded`` when it also has taken down the pod's network, a second later.
    """
    status, spec = pod.get("status", {}), pod.get("spec", {})
    if status.get("phase") in ("Succeeded", "Failed") or eviction_message(pod):
        return bool(status.get("phase") == "Succeeded")
    ended = [(entry.get("state") or {}).get("terminated") or {} for entry in status.get("containerStatuses") or []]
    complete = 0 < len(ended) == len(spec.get("containers") or [])
    return spec.get("restartPolicy") == "Never" and complete and all(entry.get("exitCode") == 0 for entry in ended)


def has_ended(pod: dict[str, Any]) -> bool:
    """Return whether it is known how the pod ended."""
    return pod.get("status", {}).get("phase") == "Failed" or has_succeeded(pod)


def read_outcome(pod: dict[str, Any], container: str, image: str, log_tail: list[str]) -> Outcome:
    """Read the outcome from a pod of which :func:`has_ended` (runtime 7.2)."""
    metadata, status = pod["metadata"], pod.get("status", {})
    terminated = (container_status(pod, container).get("state") or {}).get("terminated") or {}
    exit_code = terminated.get("exitCode")
    limit = _limit(pod, container)
    reason, message = (reasons.COMPLETED, "") if has_succeeded(pod) else _judge(status, terminated, image, limit)
    annotations = metadata.get("annotations") or {}
    measured, written = annotations.get(ANNOTATION_MAX_MEMORY), annotations.get(ANNOTATION_WRITTEN)
    return Outcome(
        reason=reason,
        message=message,
        exit_code=exit_code,
        image=image,
        pod=metadata["name"],
        pod_ip=status.get("podIP"),
        pod_ips=pod_addresses(status),
        namespace=metadata["namespace"],
        started=terminated.get("startedAt") or status.get("startTime"),
        finished=terminated.get("finishedAt"),
        max_memory_bytes=int(measured) if measured else None,
        written_bytes=int(written) if written else None,
        memory_limit_bytes=None if limit == "none" else int(memory_bytes(limit)),
        log_tail=log_tail,
        low_disk=reason == reasons.EVICTED and is_low_on_disk(pod),
    )


def _judge(status: dict[str, Any], terminated: dict[str, Any], image: str, limit: str) -> tuple[str, str]:
    exit_code = terminated.get("exitCode")
    if evicted := eviction_message({"status": status}):
        return reasons.EVICTED, evicted
    if terminated.get("reason") == reasons.OUT_OF_MEMORY:
        return reasons.OUT_OF_MEMORY, (
            f"the container ran out of memory and was killed (OOMKilled, limit {limit}): "
            "raise the operator's ram_mem_mb_lmt or use less memory"
        )
    if exit_code == names.SKIP_EXIT_CODE:
        return reasons.SKIPPED, f"the container exited with {exit_code}, which skips the task"
    if exit_code is not None and exit_code != 0:
        detail = str(terminated.get("message") or "").strip()
        text = f"the container of {image} exited with {exit_code}" + (f": {detail}" if detail else "")
        return str(terminated.get("reason") or reasons.ERROR), text
    for init in status.get("initContainerStatuses") or []:
        ended = (init.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return reasons.INIT_ERROR, f"the init container {init['name']} exited with {ended['exitCode']}"
    reason = str(status.get("reason") or reasons.ERROR)
    return reason, str(status.get("message") or f"the pod ended in phase {status.get('phase')}")


def _limit(pod: dict[str, Any], container: str) -> str:
    for entry in pod.get("spec", {}).get("containers") or []:
        if entry.get("name") == container:
            return str(((entry.get("resources") or {}).get("limits") or {}).get("memory", "none"))
    return "none"
