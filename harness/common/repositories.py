"""What a registry has under a name, for messages about an image that it lacks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from harness.common.references import split_reference
from harness.wire.messages import join_names

_LISTED = 20


class Absence(NamedTuple):
    """Why a registry does not have an image.

    Attributes:
        cause: one line.
        others: the repositories that it has, one line; empty if it has the image's own.
    """

    cause: str
    others: str = ""


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

    def explain(self, image: str) -> Absence | None:
        """Return why an image of this repository is not there; ``None`` if it may be.

        Args:
            image: its reference. On a shared cluster it also has the digest with which it was pushed.
        """
        named, digest, _ = image.partition("@")
        repository, tag = split_reference(named)
        if self.tags is None:
            others = f"the registry has: {join_names(self.others, _LISTED) or 'nothing'}"
            return Absence(f"the registry has no repository {repository.split('/', 1)[-1]}", others)
        # the tags say nothing about an image that is named by its digest alone
        if self.has(tag) or (digest and named == repository):
            return None
        return Absence(f"tag {tag} is not in the registry, which has {join_names(self.tags, _LISTED) or 'no tag'}")
