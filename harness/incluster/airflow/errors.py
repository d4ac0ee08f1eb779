"""Errors of the code that runs inside Airflow. The operators turn them into Airflow's own exceptions."""

from __future__ import annotations

from harness.wire import reasons


class WorkflowError(Exception):
    """A task cannot go on; the text is written for the author of the extension."""

    reason = reasons.ERROR


class InvalidPodError(WorkflowError):
    """The operator describes a pod that the API server would reject; a retry would not help."""

    reason = reasons.INVALID_POD


class PodNameTakenError(WorkflowError):
    """Another task's pod has this name (runtime 6.1); a retry would not help."""

    reason = reasons.POD_NAME_TAKEN


class NotEmulatedError(WorkflowError):
    """The platform can do this, the harness cannot (yet)."""

    reason = reasons.NOT_EMULATED


class ClusterLostError(WorkflowError):
    """The cluster's API did not answer for too long."""

    reason = reasons.CLUSTER_LOST
