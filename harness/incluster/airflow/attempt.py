"""One parse of one DAG file, in separate processes, which always end with it.

The file runs in a worker below a supervisor: it finds nothing to close, to kill or to fill but what belongs to this
parse. Their common parent adopts orphans of the worker, and kills them too.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final, NoReturn

Parse = Callable[[str], dict[str, Any]]
Result = dict[str, Any]

# of an error: its begin and its end, which names the author's line
_ERROR_CHARACTERS: Final = 64 * 1024
_RESULT_BYTES: Final = 8 << 20
# of a file's output, for the container's log
_PRINTED_BYTES: Final = 64 << 10
_SWEEP_S: Final = 10.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def adopt_orphans() -> None:
    """Make this process the parent of what its children leave behind."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def failed_parse(error: str, *, timed_out: bool = False) -> Result:
    """Return the result of a file that was not parsed."""
    return {"dags": [], "error": shorten(error), "timed_out": timed_out}


def shorten(text: str) -> str:
    """Return a text without its middle where it is longer than an error may be."""
    if len(text) <= _ERROR_CHARACTERS:
        return text
    half = _ERROR_CHARACTERS // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n[kaapana-harness] {left_out} characters are left out here\n{text[-half:]}"


class Attempt:
    """A parse that is under way.

    Args:
        file: the DAG file.
        parse: called with it in the worker.
        deadline: on the monotonic clock; :meth:`finish` is due then.
        scratch: folder for its result.
    """

    def __init__(self, file: str, parse: Parse, deadline: float, scratch: Path) -> None:
        self.file = file
        self.deadline = deadline
        self._result = scratch / f"{os.urandom(8).hex()}.json"
        self._printed = 0
        self._status = b""
        self.alive, alive_here = os.pipe()
        self.output, output_here = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _supervise(file, parse, self._result, alive_here, output_here)
        os.close(alive_here)
        os.close(output_here)
        os.set_blocking(self.output, False)

    def read_status(self) -> bool:
        """Read how the worker ended; returns whether the supervisor is at its end."""
        chunk = os.read(self.alive, 64)
        self._status += chunk
        return not chunk

    def pass_output_on(self) -> bool:
        """Pass on the file's output, up to a size; return whether more may come."""
        try:
            chunk = os.read(self.output, 1 << 16)
        except BlockingIOError:
            return True
        left = _PRINTED_BYTES - self._printed
        self._printed += len(chunk)
        if left > 0:
            text = chunk[:left].decode("utf-8", "replace")
            more = "\n[kaapana-harness] the rest of what the file prints is left out\n" if len(chunk) > left else ""
            with contextlib.suppress(OSError):
                sys.stderr.write(text + more)
                sys.stderr.flush()
        return bool(chunk)

    def finish(self, others: Collection[int], timeout_s: float) -> Result:
        """End all of its processes, and return what came of it.

        Args:
            others: processes of other attempts.
            timeout_s: the file's time limit.
        """
        late = not self._status and time.monotonic() >= self.deadline
        _end(self.pid, others)
        self.pass_output_on()
        os.close(self.alive)
        os.close(self.output)
        try:
            with self._result.open("rb") as file:
                written = file.read(_RESULT_BYTES + 1)
        except OSError:
            written = b""
        finally:
            self._result.unlink(missing_ok=True)
        if late:
            return failed_parse(
                f"DagBag import timeout for {self.file} after {timeout_s:g} s: the file did not stop when "
                "it was interrupted and was killed",
                timed_out=True,
            )
        if not self._status:
            return failed_parse("the file ended the process that watches over its parse")
        if len(written) > _RESULT_BYTES:
            return failed_parse(f"what the file defines is longer than {_RESULT_BYTES} bytes")
        try:
            result: Result = json.loads(written)
        except ValueError:
            code = os.waitstatus_to_exitcode(int(self._status))
            how = f"signal {-code}" if code < 0 else f"exit status {code}"
            return failed_parse(f"the interpreter that parsed the file ended with {how}")
        return result


def _supervise(file: str, parse: Parse, result: Path, alive: int, output: int) -> NoReturn:
    """Wait for the worker, and say how it ended; never returns."""
    try:
        os.setsid()
        _close_all_but({0, 1, 2, alive, output})
        worker = os.fork()
        if worker == 0:
            os.close(alive)
            _work(file, parse, result, output)
        os.close(output)
        _, status = os.waitpid(worker, 0)
        os.write(alive, str(status).encode("ascii"))
    finally:
        os._exit(0)


def _work(file: str, parse: Parse, result: Path, output: int) -> NoReturn:
    """Parse, and write what came of it; never returns, nor does a process that the file forks."""
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.close(nothing)
        os.close(output)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):
            # a file that takes all memory is ended by the kernel, not what parses the others
            Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
        sys.dont_write_bytecode = True
        worker = os.getpid()
        try:
            answer = parse(file)
        except BaseException:
            answer = failed_parse(traceback.format_exc())
        if os.getpid() != worker:
            os._exit(0)
        if answer.get("error"):
            answer["error"] = shorten(str(answer["error"]))
        part = result.with_suffix(".part")
        part.write_text(json.dumps(answer), "ascii")
        part.replace(result)
    finally:
        # no clean-up of what belongs to the parent
        os._exit(0)


def restore_streams() -> None:
    """Reopen streams that a file may have closed: a connection in their place would get the output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # the lowest free number is taken
            os.open(os.devnull, os.O_RDWR)


def _close_all_but(kept: set[int]) -> None:
    for number in [int(name) for name in os.listdir("/proc/self/fd")]:
        if number not in kept:
            with contextlib.suppress(OSError):
                os.close(number)


def _end(supervisor: int, others: Collection[int]) -> None:
    """Kill a supervisor and all of its descendants: orphans become our children, and are next."""
    deadline = time.monotonic() + _SWEEP_S
    with contextlib.suppress(ProcessLookupError):
        os.killpg(supervisor, signal.SIGKILL)
    _kill(supervisor)
    while time.monotonic() < deadline:
        orphans = [pid for pid in _children() if pid not in others]
        if not orphans:
            return
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                # together with everything that it forks at the same time
                group = os.getpgid(pid)
                if group != os.getpgrp():
                    os.killpg(group, signal.SIGKILL)
            _kill(pid)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _children() -> list[int]:
    """Return the children of this process."""
    here, found = os.getpid(), []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            # the name of a program, in parentheses, may hold anything
            state = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue  # it has ended
        if int(state[1]) == here:
            found.append(int(name))
    return found


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
