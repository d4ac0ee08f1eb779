"""Routes of the control port of the services.

Functions build a path of its parts: the client passes values, the server the placeholders of its framework.
"""

from __future__ import annotations

from typing import Final

# the probe; details need the token
HEALTH: Final = "/health"

SERIES: Final = "/series"
RECEIPTS: Final = "/receipts"
SETTLE: Final = "/settle"
NOTIFICATIONS: Final = "/notifications"
DOCUMENTS: Final = "/documents"
REFUSALS: Final = "/refusals"
IMAGE_PULLS: Final = "/image-pulls"
SCRAPED: Final = "/scraped"


def receipt_file(receipt_id: str) -> str:
    """Return the path of a received object's file."""
    return f"{RECEIPTS}/{receipt_id}/file"


def workflow(workflow_id: str) -> str:
    """Return the path of a workflow with its jobs."""
    return f"/workflows/{workflow_id}"


def project(name: str) -> str:
    """Return the path of a project."""
    return f"/projects/{name}"
