"""The browser that the tests of reports look through: the distribution's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from harness.bootstrap.environment import Machine
from harness.errors import PlatformError

PACKAGE: Final = "chromium"
PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
"""Names under which distributions and vendors have it."""

_TESTS: Final = "tests"
_FOLDER: Final = "report"


def is_wanted(name: str, extra: Sequence[str]) -> bool:
    """Return whether tests that need the browser are to run.

    Args:
        name: environments of tox, comma-separated.
        extra: arguments of pytest; those of other tests need no browser.
    """
    return _TESTS in name.split(",") and (not extra or any(_FOLDER in word for word in extra))


def provide(host: Machine, say: Callable[[str], None]) -> None:
    """Install the browser if it is missing; without it tests are skipped, with the reason.

    Args:
        host: this machine.
        say: receives a line about the installation, or why it is not possible.
    """
    if any(host.program(program) for program in PROGRAMS):
        return
    if not (host.root and host.apt):
        say(f"no browser: tests of reports in a browser are skipped (apt-get install {PACKAGE})")
        return
    try:
        if not host.install_if_offered(PACKAGE, say):
            say(f"the distribution has no {PACKAGE}: tests of reports in a browser are skipped")
    except PlatformError as error:
        say(f"{error.cause}: tests of reports in a browser are skipped")
