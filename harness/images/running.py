"""Run a program that an image is made with."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.common.progress import OnProgress
from harness.errors import ImageError
from harness.settings import how_to_set

_END_S = 10.0
_LAST_LINES = 20


def run_program(
    command: Sequence[str],
    timeout_s: float,
    on_line: OnProgress,
    cause: str,
    environment: Mapping[str, str] | None = None,
    through: Sequence[str] = (),
) -> None:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        timeout_s: seconds after which it is stopped, whether or not it prints anything.
        on_line: gets each line of its output.
        cause: first line of the error.
        environment: variables in addition to those of this process.
        through: a command that starts the program, which no message names.

    Raises:
        ImageError: it fails, or is not done in time; the error has its last lines.
    """
    lines: list[str] = []
    with subprocess.Popen(
        [*through, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        env={**os.environ, **(environment or {})},
    ) as process:
        assert process.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            # on this signal mmdebstrap removes what it has made
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()

        timer = threading.Timer(timeout_s, stop)
        timer.daemon = True
        timer.start()
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                on_line(lines[-1])
            status = process.wait()
        finally:
            timer.cancel()
    last = "\n".join(lines[-_LAST_LINES:])
    if late.is_set():
        name = Path(command[0]).name
        raise ImageError(
            f"{cause}: {name} was not done after {timeout_s:g} s",
            last_seen=last,
            fix=f"raise the limit with {how_to_set('build_timeout')}",
        )
    if status != 0:
        raise ImageError(cause, last_seen=last or f"exit status {status}", fix=" ".join(command[:4]))
