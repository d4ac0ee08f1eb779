"""Find files that containers wrote where they are lost: findings, and a hint where the run failed (runtime 8, 18)."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from typing import Final

from harness.findings import Finding, running
from harness.kube import ApiError, KubeApi
from harness.run.results import Cause
from harness.wire import names
from harness.wire.annotations import ANNOTATION_WRITTEN_FILES
from harness.wire.messages import join_names
from harness.wire.records import TaskRecord

_SHOWN: Final = 5
# the engine compares a whole image for the names, after the end of the container
_NAMES_WITHIN_S: Final = 30.0


def collect_findings(api: KubeApi, tasks: Sequence[TaskRecord]) -> list[Finding]:
    """Return a finding for each task whose container wrote files outside of its volumes, except temporary ones."""
    found = []
    deadline = time.monotonic() + _NAMES_WITHIN_S
    for task in tasks:
        outcome = task.result
        if not outcome.written_bytes:
            continue
        files = _files(api, outcome.namespace, outcome.pod, deadline - time.monotonic())
        if not outcome.image:
            # code of a Python task: the harness lays the DAG files out in its container
            files = [path for path in files if not path.startswith(f"{names.DAGS_DIR}/")]
        if not files:
            continue
        message = f"wrote {join_names(files, _SHOWN)} ({outcome.written_bytes} bytes): lost with the container"
        found.append(running.WRITTEN_OUTSIDE.report(task.task_id, message))
    return found


def add_hint(cause: Cause | None, found: Sequence[Finding]) -> Cause | None:
    """Return the cause of a failed run, with files that earlier tasks lost: often these are the missing ones."""
    lost = [f"{finding.where} {finding.message}" for finding in found if finding.rule == running.WRITTEN_OUTSIDE.id]
    if cause is None or not lost:
        return cause
    return dataclasses.replace(cause, detail="\n".join([*cause.detail.splitlines(), *lost]))


def _files(api: KubeApi, namespace: str, pod: str, within_s: float) -> list[str]:
    """Wait for the names and return them; empty if the pod is gone."""
    try:
        known = api.get("Pod", namespace, pod)["metadata"].get("annotations") or {}
        if ANNOTATION_WRITTEN_FILES not in known and within_s > 0:
            for _, seen in api.watch("Pod", namespace, name=pod, timeout_s=within_s):
                known = seen["metadata"].get("annotations") or {}
                if ANNOTATION_WRITTEN_FILES in known:
                    break
        return [str(path) for path in json.loads(known.get(ANNOTATION_WRITTEN_FILES, "[]"))]
    except ApiError:
        return []
