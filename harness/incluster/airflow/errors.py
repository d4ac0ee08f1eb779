"""Errors of the code that runs inside Airflow. The operators turn them into Airflow's own exceptions."""

from __future__ import annotations


class WorkflowError(Exception):
    """A task cannot go on; the text is written for the author of the extension."""

    reason = "Error"


class InvalidPodError(WorkflowError):
    """The operator describes a pod that the API server would reject; a retry would not help."""

    reason = "InvalidPod"


class PodNameTakenError(WorkflowError):
    """Another task's pod has this name (runtime 6.1); a retry would not help."""

    reason = "PodNameTaken"


class NotEmulatedError(WorkflowError):
    """The platform can do this, the harness cannot (yet)."""

    reason = "NotEmulated"


class ClusterLostError(WorkflowError):
    """The cluster's API did not answer for too long."""

    reason = "ClusterLost"
