"""Annotations by which parts of the harness tell each other about Kubernetes objects."""

from __future__ import annotations

from typing import Final

# the harness's own objects choose networks of the docker cluster by it; no others may
ANNOTATION_NETWORKS: Final = "kaapana-harness/networks"
ANNOTATION_REACHABLE: Final = "kaapana-harness/reachable-from"

ANNOTATION_TASK: Final = "kaapana-harness/task"
"""On a task's pod: identifies the task; its value is a :func:`task_mark`."""

# measurements of the docker cluster about an ended pod
ANNOTATION_MAX_MEMORY: Final = "kaapana-harness/max-memory-bytes"
ANNOTATION_WRITTEN: Final = "kaapana-harness/written-bytes"
ANNOTATION_WRITTEN_FILES: Final = "kaapana-harness/written-files"

ANNOTATION_SHORT_OF: Final = "kaapana-harness/short-of"
"""On a pod that the docker cluster evicted: the resource that its node ran out of, as Kubernetes calls it."""

# on namespaces of a shared cluster: their owner
ANNOTATION_OWNER: Final = "kaapana-harness/owner"
ANNOTATION_STARTED: Final = "kaapana-harness/started"


def task_mark(run_id: str, task_id: str) -> str:
    """Return the mark that distinguishes the pod of a task from those of other tasks."""
    return f"{run_id}/{task_id}"


def split_mark(mark: str) -> tuple[str, str]:
    """Return run id and task id of a :func:`task_mark`; both are empty without a mark."""
    run_id, _, task_id = mark.partition("/")
    return run_id, task_id
