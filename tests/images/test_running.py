"""Programs that images are made with: their output, their failures, and their time limit."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import ImageError
from harness.images import seeds
from harness.images.running import run_program


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_the_lines_of_a_program_are_passed_on_and_its_variables_are_added() -> None:
    lines: list[str] = []
    text = "import os; print(os.environ['PLACE']); print('done')"
    run_program(python(text), 60, lines.append, "it fails", {"PLACE": "/var/tmp"})
    assert lines == ["/var/tmp", "done"]


@pytest.mark.parametrize(
    ("text", "last"), [("print('no room'); raise SystemExit(3)", "no room"), ("raise SystemExit(3)", "exit status 3")]
)
def test_a_program_that_fails_is_an_error_with_its_last_lines(text: str, last: str) -> None:
    with pytest.raises(ImageError, match="it fails") as caught:
        run_program(python(text), 60, print, "it fails")
    assert caught.value.last_seen == last


def test_a_silent_program_is_stopped_when_its_time_is_up() -> None:
    begun = time.monotonic()
    text = "import time; print('begun', flush=True); time.sleep(600)"
    with pytest.raises(ImageError, match=r"it fails: \S+ was not done after 2 s") as caught:
        run_program(python(text), 2, print, "it fails")
    assert time.monotonic() - begun < 60
    assert caught.value.last_seen == "begun"
    assert "KAAPANA_HARNESS_BUILD_TIMEOUT" in caught.value.fix


OWNER = """
import sys
from harness.images.running import run_program
from harness.images.seeds import _find_own_namespaces
command = ["sh", "-c", "mount -t tmpfs own $0 && touch $0/inside && echo begun && sleep 600", sys.argv[1]]
run_program(command, 60, lambda line: print(line, flush=True), "it fails", through=_find_own_namespaces())
"""


@pytest.mark.skipif(not seeds._find_own_namespaces(), reason="needs root and the right to mount")
def test_a_program_and_its_mounts_end_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "begun\n"
        assert not list(folder.iterdir())
        owner.kill()
    deadline = time.monotonic() + 30
    while find_processes(str(folder)):
        assert time.monotonic() < deadline, "the program goes on without its owner"
        time.sleep(0.02)
    folder.rmdir()


def find_processes(argument: str) -> list[str]:
    """Return the processes that have an argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument.encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
        except OSError:
            continue
    return found
