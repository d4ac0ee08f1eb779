"""Labels of what the harness makes on an engine: to which environment it belongs, and to whose process that."""

from __future__ import annotations

from typing import Final

LABEL_ENVIRONMENT: Final = "kaapana-harness.environment"
LABEL_OWNER: Final = "kaapana-harness.owner"
LABEL_STARTED: Final = "kaapana-harness.started"
LABEL_ROLE: Final = "kaapana-harness.role"
