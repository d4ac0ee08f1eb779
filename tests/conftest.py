"""Keeps tests apart that share a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.common.redaction import REDACTOR


@pytest.fixture(autouse=True)
def _chosen_passwords_end_with_their_test() -> Iterator[None]:
    """A password such as ``secret`` would hide that word from all later tests; random ones do no harm."""
    known = REDACTOR._chosen
    yield
    if REDACTOR._chosen is not known:
        REDACTOR._set(REDACTOR._random, known)
