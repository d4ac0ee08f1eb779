"""The one process of Helm's library that this process keeps: started at first use, replaced when a chart has ended it.

A render costs a millisecond in it; starting it for each would cost half a second.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO, Any

from harness.platform.helm_limits import MEMORY_BYTES, MOST_OUTPUT_BYTES, TIMEOUT_S

# pass on the module search path: the child must find the same modules, and none of the author's
_CODE = "import sys; sys.path[:] = sys.argv[1:]; from harness.platform.helm_child import main; main()"
_START_TIMEOUT_S = 60.0
_MOST_REQUEST_BYTES = 16 << 20
_LONGEST_LINE = 400
_GO_MEMORY = ("out of memory", "cannot allocate", "stack overflow", "stack exceeds", "MemoryError", "bad_alloc")


class HelmError(Exception):
    """What Helm said, in its own words."""

    @property
    def line(self) -> str:
        """Return the words for a one-line message."""
        words = " ".join(str(self).split())
        return words if len(words) <= _LONGEST_LINE else f"{words[:_LONGEST_LINE]}..."


class HelmProcess:
    """Helm's library in a separate process with limits. Threads take turns.

    Args:
        timeout_s: seconds that one request may take.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._owner = 0

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Return Helm's answer.

        Raises:
            HelmError: in Helm's words; or it took too long, or needed more memory than it gets.
        """
        try:
            line = json.dumps({"verb": verb, "arguments": arguments}, allow_nan=False).encode() + b"\n"
        except (ValueError, TypeError, RecursionError) as error:
            raise HelmError(f"the values cannot be handed over: {error}") from None
        if len(line) > _MOST_REQUEST_BYTES:
            raise HelmError(f"the values have more than {_MOST_REQUEST_BYTES >> 20} MiB")
        with self._turn:
            answer = self._answer(line, verb)
        if "error" in answer:
            raise HelmError(str(answer["error"]))
        return answer["result"]

    def close(self) -> None:
        """End the process, if there is one."""
        child, self._child = self._child, None
        if child is None or self._owner != os.getpid():
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, self._errors):
            if stream is not None:
                # the rest for a pipe without a reader cannot be written
                with contextlib.suppress(OSError):
                    stream.close()

    def _answer(self, line: bytes, verb: str) -> dict[str, Any]:
        child = self._running_child()
        deadline = time.monotonic() + self._timeout_s
        try:
            received = self._exchange(child, line, deadline)
        except TimeoutError:
            self.close()
            raise HelmError(f"{verb} did not end within {self._timeout_s:.0f} s") from None
        except BufferError:
            self.close()
            raise HelmError(f"{verb} gives more than {MOST_OUTPUT_BYTES >> 20} MiB") from None
        except (OSError, EOFError):
            why = self._last_words()
            self.close()
            raise HelmError(f"{verb} {why}") from None
        except BaseException:
            # an unread answer would be taken for that to the next request
            self.close()
            raise
        answer: dict[str, Any] = json.loads(received)
        return answer

    def _exchange(self, child: subprocess.Popen[bytes], line: bytes, deadline: float) -> bytes:
        """Write a request and read its answer, one line.

        Raises:
            TimeoutError: at the deadline.
            BufferError: the answer is too long.
            EOFError, OSError: the process has ended.
        """
        assert child.stdin is not None
        assert child.stdout is not None
        unsent, parts, size = memoryview(line), [], 0
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdin, selectors.EVENT_WRITE)
            selector.register(child.stdout, selectors.EVENT_READ)
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                for key, _ in selector.select(left):
                    if key.fileobj is child.stdin:
                        unsent = unsent[os.write(child.stdin.fileno(), unsent) :]
                        if not unsent:
                            selector.unregister(child.stdin)
                        continue
                    block = os.read(child.stdout.fileno(), 1 << 20)
                    if not block:
                        raise EOFError
                    parts.append(block)
                    size += len(block)
                    # text may become longer by its escapes
                    if size > 2 * MOST_OUTPUT_BYTES:
                        raise BufferError
                    if block.endswith(b"\n"):
                        return b"".join(parts)

    def _running_child(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._owner == os.getpid() and self._child.poll() is None:
            return self._child
        self.close()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-c", _CODE, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                cwd="/",
                # below the limit of the process, so that Go collects garbage before it is killed
                env={**_environment(), "GOMEMLIMIT": str(MEMORY_BYTES // 2), "GOTRACEBACK": "none"},
                start_new_session=True,
            )
        except OSError as error:
            raise HelmError(f"Helm's library cannot be started: {error}") from None
        assert self._child.stdin is not None
        os.set_blocking(self._child.stdin.fileno(), False)
        self._owner = os.getpid()
        atexit.unregister(self.close)
        atexit.register(self.close)
        try:
            self._exchange(self._child, b"", time.monotonic() + _START_TIMEOUT_S)
        except (OSError, EOFError) as error:
            why = "it is not ready in time" if isinstance(error, TimeoutError) else self._last_words()
            self.close()
            raise HelmError(f"Helm's library cannot be started: {why}") from None
        return self._child

    def _last_words(self) -> str:
        """Return why the process has ended, as far as its output tells."""
        assert self._errors is not None
        assert self._child is not None
        status = self._child.wait()
        self._errors.seek(0)
        text = self._errors.read(1 << 16).decode("utf-8", "replace")
        if is_out_of_memory(text):
            return f"needs more than {MEMORY_BYTES >> 20} MiB of memory"
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        return f"ended Helm with status {status}" + (f": {last.strip()[:200]}" if last else "")


def is_out_of_memory(words: str) -> bool:
    """Return whether Go, or the process around it, ran out of memory."""
    return any(sign in words for sign in _GO_MEMORY)


def _environment() -> dict[str, str]:
    """Return this process's environment without ``HELM_*``: a broken configuration of Helm must not matter."""
    return {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
