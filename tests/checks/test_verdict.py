"""A verdict is its own explanation."""

from __future__ import annotations

import pytest

from harness.checks import Verdict


def test_an_asserted_verdict_explains_itself() -> None:
    with pytest.raises(AssertionError, match="run: NO, task otsus-method: exit code 1"):
        assert Verdict(False, "run", "task otsus-method: exit code 1")


def test_the_representation_fits_into_one_line_of_an_assertion() -> None:
    text = repr(Verdict(False, "run", "long " * 100 + "\nnext"))
    assert len(text) <= 240
    assert "\n" not in text


def test_a_verdict_counts_and_lists_its_problems() -> None:
    verdict = Verdict.of_problems("segmentation", ["first", "second"])
    assert verdict == False  # noqa: E712
    assert verdict.summary == "first (and 1 more)"
    assert str(verdict) == "first (and 1 more)\n  - first\n  - second"
    assert Verdict.of_problems("segmentation", [])
