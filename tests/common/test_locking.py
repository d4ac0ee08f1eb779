"""Two processes that want the same thing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.common.locking import hold_lock, lock_image
from harness.errors import PlatformError
from harness.settings import Settings

_HOLD = """
import sys
from harness.common.locking import lock_image
from harness.settings import Settings
with lock_image("airflow", Settings()):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose locks are in the test's own folder."""
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path))
    return Settings()


def test_a_second_builder_waits_until_the_first_process_is_gone(settings: Settings) -> None:
    entered = threading.Event()
    said: list[str] = []

    def second() -> None:
        with lock_image("airflow", settings, said.append):
            entered.set()

    with subprocess.Popen(
        [sys.executable, "-c", _HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        waiting = threading.Thread(target=second, daemon=True)
        waiting.start()
        assert not entered.wait(0.3)
        assert said == ["another process makes airflow; waiting for it"]
        first.kill()
        assert entered.wait(10)
        waiting.join(10)


def test_different_images_do_not_wait_for_each_other(settings: Settings) -> None:
    said: list[str] = []
    with lock_image("airflow", settings), lock_image("minio", settings, said.append):
        pass
    assert said == []


def test_a_holder_that_does_not_let_go_is_named(tmp_path: Path) -> None:
    file = tmp_path / "folder/work.lock"
    with (
        hold_lock(file),
        pytest.raises(PlatformError, match="counting: another process has held it") as caught,
        hold_lock(file, timeout_s=0.1, purpose="counting"),
    ):
        pytest.fail("two hold one lock")
    assert f"process {os.getpid()} holds {file}" in caught.value.last_seen
