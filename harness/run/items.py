"""Read-only sequences of what came out of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar, overload

Item = TypeVar("Item")

RUN_FILE: Final = "run.json"
"""Name of the file of the evidence that lists what was sent and stored."""


class Items(Sequence[Item]):
    """A read-only sequence."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._items == tuple(other)

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._items)!r})"
