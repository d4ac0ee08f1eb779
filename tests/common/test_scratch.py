"""Folders for what is large and does not stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.common.scratch import folder_among_others, scratch_folder

_HOLD = """
import sys
from pathlib import Path
from harness.common.scratch import folder_among_others, scratch_folder
with eval(sys.argv[2])(Path(sys.argv[1])) as own:
    (own / "large").write_text("x")
    print(own, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_gone_after_its_block(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "scratch") as own:
        (own / "large").write_text("x")
    assert not own.exists()


def test_folders_of_running_processes_stay_and_those_of_killed_ones_are_removed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "scratch"), "scratch_folder"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        with scratch_folder(tmp_path / "scratch") as own:
            assert own != theirs
            assert (theirs / "large").exists()
        other.kill()
    with scratch_folder(tmp_path / "scratch"):
        assert not theirs.exists()


def test_among_other_files_only_ours_of_killed_processes_are_removed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "own-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "own-file").touch()
    (tmp_path / "other").mkdir()
    make = "lambda folder: folder_among_others(folder, 'own-')"
    command = [sys.executable, "-c", _HOLD, str(tmp_path), make]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        with folder_among_others(tmp_path, "own-"):
            assert (theirs / "large").exists()
        process.kill()
    with folder_among_others(tmp_path, "own-") as own:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            ["elsewhere", "other", "own-file", "own-link", own.name]
        )
