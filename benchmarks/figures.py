"""A row of the table, and a place for what is measured."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Figure:
    """One row of the table."""

    what: str
    values: list[float]
    unit: str
    goal: str


@contextmanager
def own_state(folder: Path) -> Iterator[None]:
    """A ledger of our own, so that an environment which the user keeps is neither adopted nor ended."""
    before = os.environ.get("KAAPANA_HARNESS_STATE_DIR")
    os.environ["KAAPANA_HARNESS_STATE_DIR"] = str(folder / "state")
    try:
        yield
    finally:
        if before is None:
            del os.environ["KAAPANA_HARNESS_STATE_DIR"]
        else:
            os.environ["KAAPANA_HARNESS_STATE_DIR"] = before
