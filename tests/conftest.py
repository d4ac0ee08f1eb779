"""Keeps tests apart that share a process, and from what started it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from harness import doctor
from harness.common.redaction import REDACTOR
from harness.doctor.facts import EngineFacts
from harness.errors import EngineError


def pytest_configure() -> None:
    """Let interrupts reach the programs that tests start: a script that runs pytest in the background ignores them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _chosen_passwords_end_with_their_test() -> Iterator[None]:
    """A password such as ``secret`` would hide that word from all later tests; random ones do no harm."""
    known = REDACTOR._chosen
    yield
    if REDACTOR._chosen is not known:
        REDACTOR._set(REDACTOR._random, known)


@pytest.fixture(scope="session")
def usable_engine() -> EngineFacts:
    """The engine of this machine; tests that need one are skipped without it."""
    try:
        return doctor.require_engine()
    except EngineError as error:
        pytest.skip(error.cause)


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A test project whose pytest has this plugin; see ``tests/inner_pytest.py``."""
    from tests.inner_pytest import prepare

    return prepare(pytester, monkeypatch)
