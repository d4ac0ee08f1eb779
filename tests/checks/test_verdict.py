"""A verdict is its own explanation."""

from __future__ import annotations

import pytest

from harness.checks import Verdict
from harness.checks.verdict import refusals_at


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


def test_the_verdicts_that_have_said_no_in_an_assertion_are_known_by_its_line() -> None:
    first, second = Verdict(False, "run"), Verdict(False, "segmentation")
    with pytest.raises(AssertionError) as caught:
        assert first or second == True  # noqa: E712
    entry = caught.traceback[-1]
    code, line = entry.frame.code.raw, entry.lineno + 1
    assert [verdict.subject for verdict in refusals_at(code, range(line, line + 1))] == ["run", "segmentation"]
    assert refusals_at(code, range(line + 1, line + 2)) == []


def test_a_verdict_that_has_said_no_earlier_is_not_of_a_later_line() -> None:
    verdict = Verdict(False, "run")
    if not verdict:
        with pytest.raises(AssertionError) as caught:
            assert verdict is None
    entry = caught.traceback[-1]
    line = entry.lineno + 1
    assert refusals_at(entry.frame.code.raw, range(line, line + 1)) == []
