"""Folders for what is large and does not stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.common.scratch import scratch_folder

_HOLD = """
import sys
from pathlib import Path
from harness.common.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as own:
    (own / "large").write_text("x")
    print(own, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_gone_after_its_block(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "scratch") as own:
        (own / "large").write_text("x")
    assert not own.exists()


def test_folders_of_running_processes_stay_and_those_of_killed_ones_are_removed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "scratch")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        with scratch_folder(tmp_path / "scratch") as own:
            assert own != theirs
            assert (theirs / "large").exists()
        other.kill()
    with scratch_folder(tmp_path / "scratch"):
        assert not theirs.exists()
