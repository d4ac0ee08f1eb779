"""How the control plane tells want of memory from other ends of a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.incluster.controlplane.out_of_memory import KERNEL_COUNTERS, count_kills, ran_out_of_memory


@pytest.mark.parametrize(
    ("code", "noted", "kills", "expected"),
    [
        pytest.param(137, True, 1, True, id="the engine noted it"),
        pytest.param(1, True, 1, True, id="a child was killed and the program failed"),
        pytest.param(0, True, 1, False, id="a child was killed and the program went on"),
        pytest.param(137, False, 1, True, id="the engine lost it and the kernel counted it"),
        pytest.param(137, False, 0, False, id="killed for another reason"),
        pytest.param(1, False, 1, False, id="another exit code while another container was killed"),
    ],
)
def test_a_kill_for_want_of_memory_is_known_also_where_the_engine_lost_it(
    code: int, noted: bool, kills: int, expected: bool
) -> None:
    record = {"State": {"ExitCode": code, "OOMKilled": noted}}
    assert ran_out_of_memory(record, kills) is expected


def test_the_kernels_count_is_read(tmp_path: Path) -> None:
    counters = tmp_path / "vmstat"
    counters.write_text("nr_free_pages 5\noom_kill_other 3\noom_kill 230\ndrop_pagecache 0\n")
    assert count_kills(counters) == 230
    counters.write_text("nr_free_pages 5\n")
    assert count_kills(counters) == count_kills(tmp_path / "missing") == 0
    assert any(line.startswith("oom_kill ") for line in KERNEL_COUNTERS.read_text().splitlines())


def test_a_container_that_was_removed_has_no_reason() -> None:
    assert not ran_out_of_memory(None, 1)
