"""Names that do not resolve are noted for the pod that asks, whenever its address becomes known."""

from __future__ import annotations

import asyncio

from harness.incluster.controlplane.engine import EngineCallError
from harness.incluster.controlplane.name_lookups import NameLookups

ADDRESS = "172.20.0.3"


class Engine:
    """Says who has an address."""

    def __init__(self, **holders: str) -> None:
        self.holders = {address: container for container, address in holders.items()}
        self.asked = 0

    async def __call__(self) -> dict[str, str]:
        self.asked += 1
        await asyncio.sleep(0)
        return self.holders


def test_a_lookup_before_the_address_of_its_pod_is_known_is_noted_for_it() -> None:
    engine, noted = Engine(first=ADDRESS), list[str]()

    async def run() -> None:
        lookups = NameLookups(engine)
        lookups.announce("first", noted.append)
        await lookups.record(ADDRESS, "weights.example.com")
        assert noted == ["weights.example.com"]
        lookups.register("first", ADDRESS)
        # from then on the engine need not be asked
        await asyncio.gather(*(lookups.record(ADDRESS, f"n{number}") for number in range(50)))

    asyncio.run(run())
    assert (len(noted), engine.asked) == (51, 1)


def test_a_lookup_goes_to_the_pod_that_has_the_address_now() -> None:
    engine, before, after = Engine(second=ADDRESS), list[str](), list[str]()

    def first(name: str) -> None:
        before.append(name)

    async def run() -> None:
        lookups = NameLookups(engine)
        lookups.announce("first", first)
        lookups.forget(first)
        # the engine's answer from before its end comes late
        lookups.register("first", ADDRESS)
        lookups.announce("second", after.append)
        lookups.register("second", ADDRESS)
        await lookups.record(ADDRESS, "weights.example.com")
        # the first one has nothing to say about it any more
        lookups.forget(first)
        await lookups.record(ADDRESS, "more.example.com")

    asyncio.run(run())
    assert (before, after) == ([], ["weights.example.com", "more.example.com"])


def test_an_address_that_the_engine_has_given_to_another_pod_is_that_pods_though_the_first_ones_end_is_not_seen() -> (
    None
):
    engine, before, after = Engine(second=ADDRESS), list[str](), list[str]()

    async def run() -> None:
        lookups = NameLookups(engine)
        lookups.announce("first", before.append)
        lookups.register("first", ADDRESS)
        lookups.announce("second", after.append)
        await lookups.record(ADDRESS, "weights.example.com")

    asyncio.run(run())
    assert (before, after) == ([], ["weights.example.com"])


def test_a_lookup_is_not_answered_by_a_look_that_had_begun_before_it() -> None:
    before, after = list[str](), list[str]()
    holders = {ADDRESS: "first"}

    async def run() -> None:
        began, go_on = asyncio.Event(), asyncio.Event()

        async def look() -> dict[str, str]:
            seen = dict(holders)
            began.set()
            await go_on.wait()
            return seen

        lookups = NameLookups(look)
        lookups.announce("first", before.append)
        lookups.announce("second", after.append)
        early = asyncio.ensure_future(lookups.record(ADDRESS, "early.example.com"))
        await began.wait()
        holders[ADDRESS] = "second"
        late = asyncio.ensure_future(lookups.record(ADDRESS, "late.example.com"))
        # it has come as far as it gets
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(early, late)

    asyncio.run(run())
    assert (before, after) == (["early.example.com"], ["late.example.com"])


def test_those_who_ask_at_once_share_a_look_at_the_engine() -> None:
    engine, noted = Engine(first=ADDRESS), list[str]()

    async def run() -> None:
        lookups = NameLookups(engine)
        lookups.announce("first", noted.append)
        await asyncio.gather(*(lookups.record(ADDRESS, f"n{number}") for number in range(100)))

    asyncio.run(run())
    assert len(noted) == 100
    assert engine.asked <= 2


def test_a_name_below_the_domains_of_the_cluster_is_a_try_of_the_resolver() -> None:
    noted = list[str]()

    async def run() -> None:
        lookups = NameLookups(Engine(first=ADDRESS))
        lookups.announce("first", noted.append)
        await lookups.record(ADDRESS, "weights.example.com.svc.cluster.local")

    asyncio.run(run())
    assert noted == []


def test_no_lookup_is_recorded_for_a_foreign_container_or_without_an_engine() -> None:
    async def silent() -> dict[str, str]:
        raise EngineCallError(0, "no engine")

    async def run() -> None:
        await NameLookups(Engine(other=ADDRESS)).record(ADDRESS, "x")
        await NameLookups(silent).record(ADDRESS, "x")

    asyncio.run(run())


def test_a_flood_of_questions_does_not_wait_for_the_engine() -> None:
    async def run() -> int:
        never = asyncio.Event()

        async def hangs() -> dict[str, str]:
            await never.wait()
            return {}

        lookups = NameLookups(hangs)
        flood = [asyncio.ensure_future(lookups.record(ADDRESS, f"n{number}")) for number in range(1_000)]
        done, waiting = await asyncio.wait(flood, timeout=0.5)
        never.set()
        await asyncio.gather(*waiting)
        return len(done)

    assert asyncio.run(run()) == 800
