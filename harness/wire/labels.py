"""Labels of the harness's objects on an engine: their environment, and its owner."""

from __future__ import annotations

from typing import Final

LABEL_ENVIRONMENT: Final = "kaapana-harness.environment"
LABEL_OWNER: Final = "kaapana-harness.owner"
LABEL_STARTED: Final = "kaapana-harness.started"
LABEL_ROLE: Final = "kaapana-harness.role"
