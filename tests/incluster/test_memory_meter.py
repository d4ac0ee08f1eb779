"""The memory of a container is measured with both versions of control groups, wherever an engine makes them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness.incluster.controlplane import memory
from harness.incluster.controlplane.memory import MemoryMeter, count_unreclaimable, find_statistics

ID = "4f" * 32
MIB = 1 << 20
# Linux 6.18, version 1: a group with another one in it
V1 = f"""cache {900 * MIB}
rss {1 * MIB}
rss_huge 0
shmem 0
swap 0
hierarchical_memory_limit {200 * MIB}
hierarchical_memsw_limit {200 * MIB}
total_cache {900 * MIB}
total_rss {80 * MIB}
total_shmem {3 * MIB}
total_inactive_file {890 * MIB}
"""
# version 2 as the kernel's documentation has it: what is in groups within it is counted in
V2 = f"""anon {80 * MIB}
file {900 * MIB}
kernel {5 * MIB}
kernel_stack 16384
pagetables 400000
shmem {3 * MIB}
file_mapped 0
inactive_file {890 * MIB}
slab {4 * MIB}
"""
PLACES = [
    (f"memory/docker/{ID}", V1),
    (f"memory/system.slice/docker-{ID}.scope", V1),
    (f"docker/{ID}", V2),
    (f"system.slice/docker-{ID}.scope", V2),
    (f"ci.slice/docker-{ID}.scope", V2),
    (f"memory/of/the/site/{ID}", V1),
    (f"memory/docker/{'0e' * 32}/docker/{ID}", V1),
    (f"user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope", V2),
]


def group(tree: Path, place: str, statistics: str) -> Path:
    """Lay a container's group out, beside one of another container."""
    for folder in (place, place.replace(ID, "ab" * 32)):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "memory.stat").write_text(statistics if folder == place else "anon 1\nshmem 1\n")
    return tree / place / "memory.stat"


@pytest.mark.parametrize("statistics", [V1, V2], ids=["version 1", "version 2"])
def test_memory_that_can_be_given_back_is_not_counted(statistics: str) -> None:
    assert count_unreclaimable(statistics) == 83 * MIB


@pytest.mark.parametrize("statistics", ["", "rss 1\n", "total_rss 0\nanon 7\n", "anon 0\nshmem 0\n"])
def test_nothing_is_counted_where_the_kernel_says_nothing(statistics: str) -> None:
    assert count_unreclaimable(statistics) == 0


@pytest.mark.parametrize(("place", "statistics"), PLACES)
def test_the_group_is_found_wherever_an_engine_makes_it(place: str, statistics: str, tmp_path: Path) -> None:
    path = group(tmp_path, place, statistics)
    # as on a hybrid machine: a tree of version 2 that has no memory in it
    (tmp_path / "unified" / "docker" / ID).mkdir(parents=True)
    assert find_statistics(tmp_path, ID) == path
    assert find_statistics(tmp_path, "00" * 32) is None
    assert find_statistics(tmp_path / "absent", ID) is None


def test_the_most_that_was_seen_is_said_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = group(tmp_path, *PLACES[2])

    async def measure() -> list[int | None]:
        loop, twice = asyncio.get_running_loop(), asyncio.Event()
        counted: list[int] = []

        def count(statistics: str) -> int:
            counted.append(count_unreclaimable(statistics))
            path.write_text("anon 1\nshmem 1\n")
            if len(counted) > 1:
                loop.call_soon_threadsafe(twice.set)
            return counted[-1]

        monkeypatch.setattr(memory, "count_unreclaimable", count)
        meter = MemoryMeter(tmp_path)
        meter.watch(ID)
        # it keeps what it has counted before it counts again
        await asyncio.wait_for(twice.wait(), 20)
        return [meter.end(ID), meter.end(ID)]

    assert asyncio.run(measure()) == [83 * MIB, None]
