"""Why an attempt of a task ended, and why a container does not start: the harness's words and those of Kubernetes."""

from __future__ import annotations

from typing import Final

COMPLETED: Final = "Completed"
SKIPPED: Final = "Skipped"
ERROR: Final = "Error"
OUT_OF_MEMORY: Final = "OOMKilled"
EVICTED: Final = "Evicted"
INIT_ERROR: Final = "InitError"
TIMEOUT: Final = "Timeout"
STARTUP_TIMEOUT: Final = "StartupTimeout"
DELETED: Final = "Deleted"

# errors of the code that runs in Airflow
INVALID_POD: Final = "InvalidPod"
POD_NAME_TAKEN: Final = "PodNameTaken"
NOT_EMULATED: Final = "NotEmulated"
CLUSTER_LOST: Final = "ClusterLost"
INTERACTIVE_STEP: Final = "InteractiveStep"
"""An interactive step that no author can complete, or that was not completed in time."""

# of containers that wait
IMAGE_NAME: Final = "InvalidImageName"
IMAGE_PULL: Final = "ErrImagePull"
IMAGE_BACK_OFF: Final = "ImagePullBackOff"
IMAGE_NEVER_PULL: Final = "ErrImageNeverPull"
CONTAINER_CONFIG: Final = "CreateContainerConfigError"
CONTAINER_CREATION: Final = "CreateContainerError"
PULL_FAILED: Final = frozenset(
    {IMAGE_NAME, IMAGE_PULL, IMAGE_BACK_OFF, IMAGE_NEVER_PULL, "ImageInspectError", "RegistryUnavailable"}
)
"""Reasons of a container that waits for an image that cannot be pulled."""
START_FAILED: Final = frozenset({CONTAINER_CREATION, "RunContainerError"})
"""Reasons of a container that waits although it has its image: its program cannot start."""
GIVEN_UP: Final = PULL_FAILED | START_FAILED | {CONTAINER_CONFIG}
"""Reasons of a container that waiting does not solve."""
