"""What a registry has under a name, for messages about an image that it lacks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

_LISTED = 20


@dataclasses.dataclass(frozen=True)
class HeldRepository:
    """One repository of a registry, or what there is instead.

    Attributes:
        tags: sorted; ``None`` when the registry has no such repository.
        others: names of its repositories, without a host, when it has no such one.
    """

    tags: Sequence[str] | None
    others: Sequence[str] = ()

    def has(self, tag: str) -> bool:
        """Return whether there is such a tag."""
        return self.tags is not None and tag in self.tags


def join_names(names: Sequence[str]) -> str:
    """Return the first names of a list for a message."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
