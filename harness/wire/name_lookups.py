"""A name that a pod asked for and did not get: noted by the docker cluster as an event of the pod."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

REASON: Final = "UnknownName"
ANNOTATION: Final = "kaapana-harness/unknown-name"


@dataclasses.dataclass(frozen=True)
class UnresolvedName:
    """A name that does not resolve for a pod.

    Args:
        name: the name in the lookup.
        service: a Service has this name, on a network on which the pod is not.
        label: the pod's label that allows it; empty if none does.
    """

    name: str
    service: bool = False
    label: str = ""

    @property
    def summary(self) -> str:
        """One line: what does not resolve, and why."""
        if self.service:
            return f"{self.name} is closed to this pod" + (f": it has no label {self.label}=true" if self.label else "")
        way = f", and without the label {self.label}=true a pod does not reach the internet" if self.label else ""
        return f"{self.name} does not resolve: no Service has this name{way}"

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> UnresolvedName:
        """Read what :meth:`as_json` returned."""
        return cls(**document)

    def annotations(self) -> dict[str, str]:
        """Return the annotations of the event."""
        return {ANNOTATION: json.dumps(self.as_json())}


def read_event(event: Mapping[str, Any]) -> UnresolvedName | None:
    """Return the name that an event is about; ``None`` for any other event."""
    if event.get("reason") != REASON:
        return None
    text = (event["metadata"].get("annotations") or {}).get(ANNOTATION)
    return UnresolvedName.from_json(json.loads(text)) if text else None
