"""Kinds of cluster by their names, for callers that only need to know whether a text names one.

What a kind can do is its provider's, see :mod:`harness.cluster.providers`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import ClassVar

_BUILT_IN = ("harness.cluster.docker.provider", "harness.cluster.kind.provider", "harness.cluster.context.provider")
"""Modules with a ``PROVIDER``. For objects on the engine, a later provider is more specific than an earlier one."""


class ClusterKind:
    """How clusters of one kind are named.

    Attributes:
        form: how the setting ``cluster`` names one: ``docker``, ``context:NAME``.
        several_nodes: it can have more nodes than one.
    """

    form: ClassVar[str]
    several_nodes: ClassVar[bool] = False

    def accepts(self, spec: str) -> bool:
        """Return whether a text names a cluster of this kind."""
        return spec == self.form


_registered: list[ClusterKind] = []


def all_kinds() -> list[ClusterKind]:
    """Return all kinds."""
    return [*(importlib.import_module(name).PROVIDER for name in _BUILT_IN), *_registered]


def find(spec: str) -> ClusterKind | None:
    """Return the kind of the cluster that a text names; ``None`` when no kind is named like this."""
    return next((kind for kind in all_kinds() if kind.accepts(spec)), None)


def list_forms(choose: Callable[[ClusterKind], bool] = lambda kind: True) -> str:
    """Return the forms that name clusters of the chosen kinds: ``docker, kind or context:NAME``."""
    *first, last = [kind.form for kind in all_kinds() if choose(kind)]
    return f"{', '.join(first)} or {last}" if first else last


@contextlib.contextmanager
def register_while(kind: ClusterKind) -> Iterator[None]:
    """Add a kind for the time of a block."""
    _registered.append(kind)
    try:
        yield
    finally:
        _registered.remove(kind)
