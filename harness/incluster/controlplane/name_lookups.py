"""Lookups of names that no Service has, for the pods that make them.

A program may ask before this module knows the address of its pod, which comes from the engine after the start. And the
address may be known as that of another pod, whose end the engine has seen and this side has not: it is given away
again at once. So while any container is about to start, an address says nothing, and the engine is asked who has it,
while the program waits for its answer: what it asks is noted before it can end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from harness.incluster.controlplane.engine import EngineCallError

_SEARCHED = ".cluster.local"
# simultaneous lookups of callers at the engine; further questions are answered without a record
_MOST_WAITING = 200

OnName = Callable[[str], None]


class NameLookups:
    """The lookups of all pods.

    Args:
        containers_by_address: says which container has an address now, by address.
    """

    def __init__(self, containers_by_address: Callable[[], Awaitable[Mapping[str, str]]]) -> None:
        self._containers_by_address = containers_by_address
        self._by_container: dict[str, OnName] = {}
        self._by_address: dict[str, OnName] = {}
        self._starting: set[str] = set()
        self._looking = asyncio.Lock()
        self._begun = 0
        self._found: Mapping[str, str] = {}
        self._found_by = 0
        self._waiting = 0

    async def record(self, address: str, name: str) -> None:
        """Record a lookup; return when it is recorded."""
        if name.endswith(_SEARCHED):
            # the resolver in the pod also tries a name below the cluster's domains
            return
        known = None if self._starting else self._by_address.get(address)
        if on_name := known or await self._find(address):
            on_name(name)

    async def _find(self, address: str) -> OnName | None:
        if self._waiting >= _MOST_WAITING:
            return None
        self._waiting += 1
        try:
            return self._by_container.get((await self._look_up()).get(address, ""))
        except EngineCallError:
            # the engine is going, and the pod with it
            return None
        finally:
            self._waiting -= 1

    async def _look_up(self) -> Mapping[str, str]:
        """Return the present addresses of containers; simultaneous callers share one lookup."""
        wanted = self._begun + 1
        async with self._looking:
            if self._found_by < wanted:
                self._begun += 1
                number = self._begun
                self._found = await self._containers_by_address()
                self._found_by = number
            return self._found

    def announce(self, container: str, on_name: OnName) -> None:
        """Announce the start of a container with its own address."""
        self._by_container[container] = on_name
        self._starting.add(container)

    def register(self, container: str, address: str) -> None:
        """Record the address of a container; empty if it has none here."""
        self._starting.discard(container)
        # an ended one has no address
        if address and (on_name := self._by_container.get(container)):
            self._by_address[address] = on_name

    def forget(self, on_name: OnName) -> None:
        """Forget the addresses of a pod whose containers have ended: the engine gives them to others."""
        for known in (self._by_container, self._by_address):
            for key in [key for key, value in known.items() if value == on_name]:
                del known[key]
        self._starting &= self._by_container.keys()
