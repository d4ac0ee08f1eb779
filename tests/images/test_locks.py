"""Two processes that want the same image."""

from __future__ import annotations

import subprocess
import sys
import threading

from harness.images.locks import lock
from harness.settings import Settings

_HOLD = """
import sys
from harness.images.locks import lock
from harness.settings import Settings
with lock("airflow", Settings()):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_builder_waits_until_the_first_process_is_gone(isolated_settings: Settings) -> None:
    entered = threading.Event()

    said: list[str] = []

    def second() -> None:
        with lock("airflow", isolated_settings, said.append):
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


def test_different_images_do_not_wait_for_each_other(isolated_settings: Settings) -> None:
    said: list[str] = []
    with lock("airflow", isolated_settings), lock("minio", isolated_settings, said.append):
        pass
    assert said == []
