"""Turn the end of a verb into a text on standard error and an exit status (see :mod:`harness.cli.verbs`)."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

from harness.common import crash
from harness.common.redaction import redact
from harness.errors import PlatformError

INTERRUPTED = 130


class Verbs(click.Group):
    """A group of verbs that reports errors of the harness by their text on standard error and their exit status."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command line; end the process when ``standalone_mode`` is on, as click does."""
        inner: Callable[..., Any] = super().main
        if not standalone_mode:
            return inner(*args, standalone_mode=False, **extra)
        with (
            contextlib.redirect_stdout(sys.stdout and _Redacted(sys.stdout)),
            contextlib.redirect_stderr(sys.stderr and _Redacted(sys.stderr)),
        ):
            status = _run(lambda: inner(*args, standalone_mode=False, **extra))
        sys.exit(status)


class _Redacted:
    """A text stream that redacts credentials.

    Args:
        stream: gets the texts, and has all other attributes.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, and return its length before redaction."""
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            # it would write text unchanged
            raise AttributeError(name)
        return getattr(self._stream, name)


def prepare_streams() -> None:
    """Make writing to the standard streams safe: no character fails, and no output ends up in another file.

    The next file that is opened, such as a ledger, would take the descriptor of a closed stream.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # the lowest free number is this one
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(command: Callable[[], Any]) -> int:
    """Run a command and return its exit status."""
    streams = (sys.stdout, sys.stderr)
    try:
        with _interrupt_on_termination():
            result = command()
            _flush()
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return INTERRUPTED
    except SystemExit:
        # click wraps the streams if the reader of its output is gone, and ends with a status that means something
        # else here
        if (sys.stdout, sys.stderr) == streams:
            raise
        sys.stdout, sys.stderr = streams
        _abandon_output()
        return PlatformError.exit_status
    except BrokenPipeError:
        # the reader of our output is gone; nothing more can be written
        _abandon_output()
        return PlatformError.exit_status
    except Exception as error:
        if isinstance(error, OSError) and _is_of_the_output(error):
            _say(f"error: standard output cannot be written: {error.strerror}")
            _abandon_output()
            return PlatformError.exit_status
        explained = crash.explain(error)
        _say(f"error: {explained}")
        with contextlib.suppress(OSError):
            _flush()
        return explained.exit_status
    return result if isinstance(result, int) else 0


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _is_of_the_output(error: OSError) -> bool:
    """Return whether the error came from writing our own output."""
    frames = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return error.filename is None and frames[-1] in {"click.utils", __name__}


def _abandon_output() -> None:
    """Discard buffered output: the interpreter would try to write it at its exit, and report another error."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(null, stream.fileno())
    os.close(null)


@contextlib.contextmanager
def _interrupt_on_termination() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C within the block, so that the block cleans up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        previous = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        # only the main thread may handle signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
