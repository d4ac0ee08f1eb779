"""What the end of a verb means: the text on standard error, and the exit status (see :mod:`harness.cli`)."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

from harness.errors import HarnessError
from harness.redaction import redact

INTERRUPTED = 130


class Verbs(click.Group):
    """A group whose errors are those of the harness: their text on standard error, their exit status."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command line; ends the process when ``standalone_mode`` is on, as click does."""
        inner: Callable[..., Any] = super().main
        if not standalone_mode:
            return inner(*args, standalone_mode=False, **extra)
        with (
            contextlib.redirect_stdout(sys.stdout and _Redacted(sys.stdout)),
            contextlib.redirect_stderr(sys.stderr and _Redacted(sys.stderr)),
        ):
            status = _status_of(lambda: inner(*args, standalone_mode=False, **extra))
        sys.exit(status)


class _Redacted:
    """A text stream on which no credential shows, whoever writes.

    Args:
        stream: gets the texts, and is asked for everything else.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; the number of its characters as it was given."""
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            # what is written to it would come out as it is
            raise AttributeError(name)
        return getattr(self._stream, name)


def _status_of(command: Callable[[], Any]) -> int:
    """Run a command and turn its end into an exit status."""
    try:
        with _termination_is_interruption():
            result = command()
    except HarnessError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone; nothing more can be said
        return 1
    return result if isinstance(result, int) else 0


@contextlib.contextmanager
def _termination_is_interruption() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C, so that what was started is removed in an orderly way."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        previous = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        # not the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
