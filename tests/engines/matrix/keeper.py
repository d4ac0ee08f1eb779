"""The process that removes everything that a call has made, however the call ends.

It knows that the runner lives by its standard input, and is in a session of its own, so that no signal of a terminal
or of a build server's job reaches it together with the runner. It holds the lock, so a call that comes while an
earlier one is being removed waits for it.

    python -m tests.engines.matrix.keeper WORK remove|keep
    stdout   a JSON list of problems before the runner may begin, and another one after its end
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.common.locking import hold_lock
from harness.errors import HarnessError, NotRemovedError, PlatformError
from harness.settings import Settings
from tests.engines.matrix import traces

_REMOVAL_S = 300.0
_WAIT_S = 60.0


def ledger(work: Path) -> Path:
    """Return the folder of what the rows have on the machine."""
    return work / "ledger"


@contextlib.contextmanager
def kept(work: Path, *, keep: bool) -> Iterator[None]:
    """Be the only one with a working folder, and have everything removed when the block ends, or this process.

    Args:
        work: the folder.
        keep: the folder stays; what is outside of it goes all the same.

    Raises:
        PlatformError: another call is at it.
        NotRemovedError: something stays, of an earlier call or of this one.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(work), "keep" if keep else "remove"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        cwd=Path(__file__).parents[3],
        text=True,
    )
    assert process.stdout is not None
    problems = json.loads(process.stdout.readline() or '["the keeper ended at once"]')
    try:
        if problems:
            raise PlatformError(problems[0], last_seen="\n".join(problems[1:]))
        yield
    finally:
        try:
            said, _ = process.communicate(timeout=_REMOVAL_S)
        except subprocess.TimeoutExpired:
            raise NotRemovedError(f"{work} is not removed after {_REMOVAL_S:.0f} s; it is gone on with") from None
        if problems := json.loads(said or "[]"):
            raise NotRemovedError(problems[0], last_seen="\n".join(problems[1:]), fix="run it again")


def main(work: Path, keep: bool) -> None:
    """Wait for the end of the runner, then remove."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lock = Settings.load().state / "locks" / "engines.lock"
    try:
        with hold_lock(lock, timeout_s=_WAIT_S, purpose="the matrix of engines"):
            _say(_remove(work, keep))
            sys.stdin.read()
            _say(_remove(work, keep))
    except HarnessError as error:
        _say(str(error).splitlines())


def _remove(work: Path, keep: bool) -> list[str]:
    problems = traces.remove_all(ledger(work))
    if not problems and not keep and work.exists():
        shutil.rmtree(work, ignore_errors=True)
        problems = [f"{path} cannot be removed" for path in (work,) if path.exists()]
    return problems


def _say(problems: list[str]) -> None:
    # the reader may have ended
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(problems), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "keep")
