"""Keywords of Chart.yaml by which the platform lists and treats a chart (build 12)."""

from __future__ import annotations

from typing import Final

WORKFLOW: Final = "kaapanaworkflow"
APPLICATION: Final = "kaapanaapplication"
LISTED: Final = (WORKFLOW, APPLICATION)
# started by a task, and not listed
TRIGGERED: Final = "kaapanaint"
# one release for each launch
MULTIINSTALLABLE: Final = "kaapanamultiinstallable"
EXPERIMENTAL: Final = "kaapanaexperimental"
