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

IMAGE_NAME: Final = "InvalidImageName"
PULL_FAILED: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        IMAGE_NAME,
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
"""Reasons for which a container waits for an image that cannot be had."""
START_FAILED: Final = frozenset({"CreateContainerError", "RunContainerError"})
"""Reasons for which it waits although its image is there: its program cannot be started."""
GIVEN_UP: Final = PULL_FAILED | START_FAILED | {"CreateContainerConfigError"}
"""Reasons for which a container waits that more waiting does not fix."""
