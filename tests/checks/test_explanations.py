"""A failed assertion about a number or a verdict is one block that explains it."""

from __future__ import annotations

import pickle

import pytest

from harness.checks.explanations import Explained
from tests.inner_pytest import run

_TESTS = """
from harness.checks.explanations import Explained, note
from harness.checks.verdict import Verdict
import sys

class Volume(Explained):
    what = "volume of 'liver'"
    unit = "ml"
    explanation = ["measured in slice 3"]

def measured():
    found = Volume(12.5)
    note(found, sys._getframe(1))
    return found

def test_number():
    assert measured() > 13

def test_computed():
    assert abs(measured() - 11) < 1

def test_remarked():
    assert abs(measured() - 11) < 1, "too large"

def test_combined():
    count = 3
    assert abs(measured() - 11) < 2 and count == 4

def test_written():
    count = 3
    assert abs(measured() - 11) < 2 and count == 4, "too many"

def test_quoted():
    try:
        assert measured() > 13
    except AssertionError as error:
        text = str(error)
    assert text == ""

no = Verdict.of_problems("table 'a'", ["row 1 differs", "row 2 differs"])
other = Verdict(False, "links")

def test_verdict():
    assert no

def test_message():
    assert no, "compare with last year"

def test_both():
    assert no or other

def test_expected_no():
    value = 3
    assert not no and value == 4
"""


@pytest.fixture
def said(inner: pytest.Pytester) -> dict[str, str]:
    """The text of each failure, by test."""
    inner.makepyfile(_TESTS)
    result = run(inner, report=None)
    result.assert_outcomes(failed=10)
    parts = result.stdout.str().partition("= FAILURES =")[2].partition("= short test summary")[0].split("_ test_")
    found = {}
    for part in parts[1:]:
        name, _, text = part.partition(" _")
        found[name] = "\n".join(text.splitlines()[1:])
    return found


def test_a_number_explains_itself_its_assertion_and_its_origin(said: dict[str, str]) -> None:
    first, second, third, *_ = said["number"].splitlines()
    assert first == "volume of 'liver' is 12.5 ml: asserted 12.5 > 13"
    assert second == "  measured in slice 3"
    assert third.endswith("assert measured() > 13")


def test_a_value_computed_from_a_number_is_explained_by_it(said: dict[str, str]) -> None:
    assert said["computed"].startswith("volume of 'liver' is 12.5 ml: assert 1.5 < 1\n  measured in slice 3\n")


def test_the_message_of_an_assertion_does_not_replace_the_comparison(said: dict[str, str]) -> None:
    assert said["remarked"].startswith("volume of 'liver' is 12.5 ml: assert 1.5 < 1\n  measured in slice 3\n")


def test_an_assertion_of_several_parts_is_shown_with_its_values_or_as_it_is_written(said: dict[str, str]) -> None:
    assert said["combined"].startswith("volume of 'liver' is 12.5 ml: assert (1.5 < 2 and 3 == 4)\n")
    assert said["written"].startswith("volume of 'liver' is 12.5 ml: assert abs(measured() - 11) < 2 and count == 4\n")


def test_an_assertion_that_only_quotes_another_one_keeps_its_own_text(said: dict[str, str]) -> None:
    assert '>       assert text == ""' in said["quoted"]
    assert not said["quoted"].startswith("volume of")


def test_a_verdict_says_all_its_details_and_the_message_of_the_assertion(said: dict[str, str]) -> None:
    block = "table 'a': NO, row 1 differs (and 1 more)\n    - row 1 differs\n    - row 2 differs\n"
    assert said["verdict"].startswith(f"{block}  at ")
    assert said["message"].startswith(f"{block}  message: compare with last year\n  at ")


def test_of_two_verdicts_each_is_explained(said: dict[str, str]) -> None:
    first, *_, last = said["both"].splitlines()[:4]
    assert first == "table 'a': NO, row 1 differs (and 1 more)"
    assert last == "  links: NO"


def test_a_verdict_that_is_expected_to_be_no_does_not_explain_another_failure(said: dict[str, str]) -> None:
    assert "- row 1" not in said["expected_no"]
    assert "and 3 == 4)" in said["expected_no"]


def test_another_process_gets_the_number_alone() -> None:
    assert type(pickle.loads(pickle.dumps(Explained(2.5)))) is float
