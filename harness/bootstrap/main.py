"""The steps of ``python3 -m harness.bootstrap``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import doctor
from harness.bootstrap import browser, compiler, environment
from harness.common import crash
from harness.common.locking import hold_lock
from harness.doctor import checks, probe
from harness.errors import PlatformError, UsageError

USAGE = "usage: python3 -m harness.bootstrap {scenarios|tests|ENV} [-- ARGUMENTS OF PYTEST]"
# the environments of `tests` without a chosen test; pytest comes last, so its summary ends the output
WHOLE = "lint,tests"
_LOCK_TIMEOUT_S = 900.0


def main(arguments: Sequence[str]) -> int:
    """Set the machine up, then run tox; its exit status, or 2 or 3 where it did not come to that."""
    started = time.monotonic()
    try:
        name, extra = parse(arguments)
        if name == "tests" and not extra:
            name = WHOLE
        root = find_clone()
        folder = root / ".tox" / "bootstrap"
        _set_up()
        _prepare(folder)
        if compiler.is_wanted():
            compiler.provide(_host(), _say, headers=compiler.has_headers())
        if browser.is_wanted(name, extra):
            browser.provide(_host(), _say)
        environ = environment.make_tox_environment(folder, os.environ)
        _say(f"ready after {time.monotonic() - started:.1f} s; tox -e {name}")
        return _run_tox(root, environment.find_python(folder), name, extra, environ)
    except KeyboardInterrupt:
        print("bootstrap: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        explained = crash.explain(error)
        print(f"bootstrap: {explained}", file=sys.stderr)
        return explained.exit_status


def _run_tox(root: Path, python: Path, name: str, extra: list[str], environ: Mapping[str, str]) -> int:
    """Run tox; its exit status.

    However this process is asked to end, tox, pytest and what they started get one interrupt each, as from the
    keyboard, and are waited for: pytest removes what it made. (tox by itself would leave its tests running when
    it is terminated, and interrupts them twice when it is interrupted: see ``suicide_timeout`` in tox.ini.)
    """
    # its steps are reported where they take time: when an environment is made
    quiet = ["-q"] if all((root / ".tox" / part / "bin").is_dir() for part in name.split(",")) else []
    command = [str(python), "-m", "tox", "run", *quiet, "-c", str(root / "tox.ini"), "-e", name, *extra]
    terminal = _in_foreground()
    child: subprocess.Popen[bytes] | None = None
    pending = False

    def interrupt(number: int, _: object) -> None:
        nonlocal pending
        if number == signal.SIGINT and terminal:
            return  # the keyboard's interrupt has reached the whole group
        if child is None:
            pending = True
        elif child.poll() is None:
            os.killpg(os.getpgrp() if terminal else child.pid, signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    # a shell starts background jobs with the interrupt ignored; the handler set above is what tox does not inherit
    child = subprocess.Popen(command, cwd=root, env=dict(environ), start_new_session=not terminal)
    if pending:
        os.killpg(os.getpgrp() if terminal else child.pid, signal.SIGINT)
    status = child.wait()
    return status if status >= 0 else 128 - status


def _in_foreground() -> bool:
    """Return whether a terminal sends its interrupt to the whole process group, tox included."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def parse(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return tox's environment and the arguments that follow it, ``--`` in front.

    Raises:
        UsageError: no environment, or something before ``--`` that is not an environment.
    """
    words = list(arguments)
    extra: list[str] = []
    if "--" in words:
        at = words.index("--")
        words, extra = words[:at], words[at:]
    if words in (["-h"], ["--help"]):
        raise UsageError(USAGE)
    if len(words) != 1 or words[0].startswith("-"):
        raise UsageError(USAGE, fix="arguments for pytest come after --")
    return words[0], extra


def find_clone() -> Path:
    """Return the folder of the clone that contains this package.

    Raises:
        UsageError: the package was installed, there is no ``tox.ini`` beside it.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "tox.ini").is_file():
        raise UsageError(
            f"{root} is not a clone of kaapana-harness", fix="run it in a clone; an installation has pytest"
        )
    return root


def _prepare(folder: Path) -> None:
    if environment.is_ready(folder):
        return
    with hold_lock(folder.with_suffix(".lock"), timeout_s=_LOCK_TIMEOUT_S, purpose="preparing tox"):
        if environment.is_ready(folder):
            return
        environment.make(folder, _host(), _say)


def _host() -> environment.RealHost:
    facts = probe.collect_facts()
    return environment.RealHost(root=facts.root, apt=facts.apt)


def _set_up() -> None:
    """Fix what can be fixed.

    Raises:
        PlatformError: something is missing, and only the user can install it.
    """
    result = doctor.fix(_say)
    for check in result:
        if check.status != checks.OK:
            _say(str(check))
    missing = [check for check in result if check.status == checks.MISSING]
    if missing:
        first = missing[0]
        raise PlatformError(f"{first.name}: {first.detail}", fix=first.command)


def _say(line: str) -> None:
    print(f"bootstrap: {line}", file=sys.stderr, flush=True)
