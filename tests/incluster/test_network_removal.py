"""A network of an environment goes as soon as the last container has left it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.incluster.controlplane.engine import Engine, EngineCallError

_IN_USE = EngineCallError(403, "network kh-1-pods has active endpoints")
_GONE = EngineCallError(404, "No such network: kh-1-pods")
_BROKEN = EngineCallError(500, "read-only file system")


class Refusing(Engine):
    """Refuses calls with these errors, one after the other, and then answers."""

    def __init__(self, *refusals: EngineCallError) -> None:
        super().__init__("/none", "1.41")
        self.refusals = list(refusals)
        self.calls: list[tuple[str, str]] = []

    async def call(self, method: str, path: str, **_: Any) -> Any:
        self.calls.append((method, path))
        if self.refusals:
            raise self.refusals.pop(0)


@pytest.mark.parametrize("refusals", [(), (_IN_USE, _IN_USE), (_GONE,), (_IN_USE, _GONE)])
def test_a_network_that_containers_are_leaving_is_removed_after_them(refusals: tuple[EngineCallError, ...]) -> None:
    engine = Refusing(*refusals)
    asyncio.run(engine.remove_network("kh-1-pods"))
    assert not engine.refusals
    assert set(engine.calls) == {("DELETE", "/networks/kh-1-pods")}


def test_another_refusal_ends_the_removal() -> None:
    engine = Refusing(_BROKEN)
    with pytest.raises(EngineCallError, match="read-only file system"):
        asyncio.run(engine.remove_network("kh-1-pods"))
    assert len(engine.calls) == 1
