"""Routes of the harness's own on the control plane of the docker cluster, beside those of Kubernetes."""

from __future__ import annotations

from typing import Final

# answers with the id of the environment, and whether it is kept
READY: Final = "/readyz"

# pods may not use what is below this
PREFIX: Final = "/harness"
NODE_IMAGES: Final = f"{PREFIX}/node-images"
REGISTRY: Final = f"{PREFIX}/registry"
OWNER: Final = f"{PREFIX}/owner"
KEEP: Final = f"{PREFIX}/keep"
SHUTDOWN: Final = f"{PREFIX}/shutdown"
