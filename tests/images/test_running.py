"""Programs that images are made with: their output, their failures, and their time limit."""

from __future__ import annotations

import sys
import time

import pytest

from harness.errors import ImageError
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
