"""Notifications as the platform's service keeps them (services 12.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.wire.fields import select_fitting


@dataclasses.dataclass(frozen=True)
class Notification:
    """A notification that was sent to users of a project.

    Attributes:
        id: of the notification.
        timestamp: ISO 8601.
        title: of the notification.
        description: its text, which may be HTML.
        topic: of the notification; ``None`` without one.
        icon: its name; ``None`` without one.
        link: where it leads; ``None`` without one.
        receivers: ids of users.
    """

    id: str = ""
    timestamp: str = ""
    title: str = ""
    description: str = ""
    topic: str | None = None
    icon: str | None = None
    link: str | None = None
    receivers: list[str] = dataclasses.field(default_factory=list, hash=False)

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Notification:
        """Read what :meth:`as_json` returned, or what the service answers."""
        return cls(**select_fitting(cls, document))

    def __str__(self) -> str:
        topic = f" ({self.topic})" if self.topic else ""
        return f"{self.title!r}{topic}: {self.description[:200]!r}" + (f", link {self.link}" if self.link else "")
