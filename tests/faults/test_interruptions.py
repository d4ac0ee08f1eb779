"""An interrupted or killed harness leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_LABEL = "kaapana-harness.environment"
# the promise: half a minute after the owner has died nothing is left
_CLEAN_WITHIN_S = 30.0
_STAGE_WITHIN_S = 240.0
_ENDS_WITHIN_S = 60.0
_STACKS_WITHIN_S = 10.0


def _engine_objects(environment: str) -> set[str]:
    """Containers, networks and volumes that belong to one environment of the harness."""
    found: set[str] = set()
    for command in (
        ["docker", "ps", "--all", "--quiet", "--no-trunc"],
        ["docker", "network", "ls", "--quiet", "--no-trunc"],
        ["docker", "volume", "ls", "--quiet"],
    ):
        listed = subprocess.run(
            [*command, "--filter", f"label={_LABEL}={environment}"], capture_output=True, text=True, check=True
        )
        found.update(f"{command[1]} {line}" for line in listed.stdout.split())
    return found


def _environment_in(log: Path) -> str:
    """The id of the environment that the process has announced."""
    found = re.search(r"starting environment (\w+)", log.read_text("utf-8", errors="replace"))
    assert found, log.read_text("utf-8", errors="replace")[-3000:]
    return found[1]


def _wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)


@contextlib.contextmanager
def _started(command: list[str], log: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        # it is no worker of the pytest that runs this test
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")},
        "KAAPANA_HARNESS_STATE_DIR": str(folder / "state"),
        "PYTHONUNBUFFERED": "1",
        # see _status
        "PYTHONFAULTHANDLER": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for_text(log: Path, pattern: str, process: subprocess.Popen[bytes]) -> None:
    def seen() -> bool:
        text = log.read_text("utf-8", errors="replace")
        if re.search(pattern, text):
            return True
        if process.poll() is not None:
            pytest.fail(f"ended with {process.returncode} before {pattern!r} was seen:\n{text[-3000:]}")
        return False

    _wait_until(
        seen, _STAGE_WITHIN_S, f"{pattern!r} in the output:\n{log.read_text('utf-8', errors='replace')[-3000:]}"
    )


def _status(process: subprocess.Popen[bytes], log: Path) -> int:
    """The exit status of a process that was interrupted; one that goes on says where it stands before it is killed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(_ENDS_WITHIN_S)
    process.send_signal(signal.SIGABRT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STACKS_WITHIN_S)
    pytest.fail(f"did not end within {_ENDS_WITHIN_S:.0f} s:\n{log.read_text('utf-8', errors='replace')[-12000:]}")


def _run_command(extension: Path, out: Path) -> list[str]:
    harness = Path(sys.executable).with_name("kaapana-harness")
    return [
        str(harness), "run", str(extension), "--form", "mode=hang", "--form", "ticket=a", "--out", str(out),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "stage",
    ["starting environment", "installing", r"run faults-\d+"],
    ids=["while the platform starts", "while the extension is installed", "while a task runs"],
)
def test_an_interrupt_ends_with_status_130_and_leaves_nothing(
    stage: str, sound_extension: Path, tmp_path: Path
) -> None:
    log = tmp_path / "output.txt"
    with _started(_run_command(sound_extension, tmp_path / "out"), log, tmp_path) as process:
        _wait_for_text(log, stage, process)
        process.send_signal(signal.SIGINT)
        status = _status(process, log)
    assert status == 130, log.read_text("utf-8", errors="replace")[-3000:]
    assert "Traceback" not in log.read_text("utf-8", errors="replace")
    assert _engine_objects(_environment_in(log)) == set()


def test_a_killed_pytest_leaves_nothing_half_a_minute_later(sound_extension: Path, tmp_path: Path) -> None:
    test_file = tmp_path / "test_hanging.py"
    test_file.write_text(
        "def test_it(kaapana):\n"
        f"    kaapana.install({str(sound_extension)!r}).run(form={{'mode': 'hang', 'ticket': 'a'}})\n"
    )
    log = tmp_path / "output.txt"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-s",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(test_file),
    ]
    with _started(command, log, tmp_path) as process:
        _wait_for_text(log, r"run faults-\d+", process)
        environment = _environment_in(log)
        assert _engine_objects(environment)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _wait_until(
            lambda: not _engine_objects(environment), _CLEAN_WITHIN_S, f"nothing of {environment} is left in the engine"
        )
