"""A small series on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.series import Instance, Series


@pytest.fixture
def small_series(tmp_path: Path) -> Series:
    """One file that is never read; enough for an upload."""
    file = tmp_path / "series" / "1.dcm"
    file.parent.mkdir()
    file.write_bytes(b"\0" * 128 + b"DICM")
    return Series(
        "a long name: with/odd parts",
        file.parent,
        "MR",
        "1.2.3",
        "1.2",
        "p",
        "1.2.4",
        (Instance(file, "1", "2"),),
        None,
    )
