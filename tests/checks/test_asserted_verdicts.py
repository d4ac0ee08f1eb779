"""A failed assertion explains the verdicts that it expects to be yes, however it is written."""

from __future__ import annotations

import pytest

from tests.inner_pytest import run

HEAD = """
from types import SimpleNamespace
import pytest
from harness.checks.verdict import Verdict

a, b = Verdict(False, "first", "it is empty"), Verdict(False, "second", "it differs")
yes = Verdict(True, "third")
r = SimpleNamespace(a=a, b=b, yes=yes)

def ask(verdict):
    return verdict

def check(verdict, other):
    assert verdict or other
"""
# each assertion, and the verdicts that it names: none where the statement may want a no, and pytest's own text stays
FORMS = {
    "assert a": "a",
    "assert r.a": "a",
    "assert ask(a)": "a",
    "assert (found := ask(a))": "a",
    "assert (found := ask(a)) and found": "a",
    "assert bool(a)": "a",
    "assert a == True": "a",
    "assert True == a": "a",
    "assert a != False": "",
    "assert not a == False": "",
    "assert a == yes": "a",
    "assert yes == a": "a",
    "assert not not a": "",
    "assert (not a) == False": "",
    "assert (a or b) is True": "a",
    "assert a, 'expected'": "a",
    "assert a, ('expected', 1)": "a",
    "assert a or b": "ab",
    "assert a or b, f'{a} and {b}'": "ab",
    "assert yes and a": "a",
    "assert not yes or r.a": "",
    "assert r.yes and (r.a or r.b)": "ab",
    "assert not a and r.yes and b": "",
    "assert not a and b": "",
    "assert not (a or yes) or b": "",
    "assert not (not a or b)": "",
    "assert not (a and yes) and 1 == 2": "",
    "assert not a and 1 == 2": "",
    "assert not a and 1 == 2, 'expected'": "",
    "assert a == False and 1 == 2": "",
    "assert a != True and 1 == 2": "",
    "assert not bool(a) and 1 == 2": "",
    "assert not any([a, b]) and 1 == 2": "",
    "assert not yes": "",
    "assert a and len('ab') == 3": "a",
    "assert a is not None and 'x' not in 'ab' and a": "a",
    "assert 1 == 2, repr(a)": "",
    "assert 1 == 2, 'yes' if a else 'no'": "",
    "assert 1 == 2, 'wrong' if a == True else f'{a}'": "",
    "assert len([one for one in (a, b) if one]) == 1": "",
    "assert all([yes, a, b])": "a",
    "assert all(one for one in (yes, a, b))": "a",
    "assert all(one and yes for one in (yes, a))": "a",
    "assert any([a, b])": "ab",
    "assert any(one for one in (a, b)), 'expected'": "ab",
    "assert (\n        yes\n        and a\n    )": "a",
    "assert (\n        not a\n        and b\n    ), (\n        'expected'\n    )": "",
    "assert (r.a\n        or r.b), 'expected'": "ab",
    "check(a, b)": "ab",
    "assert a if yes else b": "",
    "assert 1 == 2 if a else 1 == 3": "",
    "for one in (a, yes):\n        check(one, yes)\n    check(b, 0)": "b",
    "for one, other in ((a, yes), (b, 0)):\n        assert one or other": "b",
    "for one, other in ((a, yes), (b, 0)):\n        assert bool(one) or other": "b",
}
SHOWN = {"a": "first: NO, it is empty", "b": "second: NO, it differs"}


@pytest.mark.parametrize("mode", ["rewrite", "plain"])
def test_an_assertion_explains_the_verdicts_that_it_expects_to_be_yes(inner: pytest.Pytester, mode: str) -> None:
    inner.makepyfile(HEAD + "".join(f"\ndef test_{number}():\n    {form}\n" for number, form in enumerate(FORMS)))
    result = run(inner, f"--assert={mode}", report=None, subprocess=True)
    text = result.stdout.str().partition("= FAILURES =")[2].partition("= short test summary")[0]
    parts = {part.partition(" ")[0]: part.splitlines()[1:] for part in text.split("_ test_")[1:]}
    found = {form: _explained(parts[str(number)]) for number, form in enumerate(FORMS)}
    assert found == FORMS


def _explained(lines: list[str]) -> str:
    return "".join(name for name, line in SHOWN.items() if line in [one.strip() for one in lines])


@pytest.mark.parametrize("mode", ["rewrite", "plain"])
def test_the_message_of_the_assertion_follows_the_verdict(inner: pytest.Pytester, mode: str) -> None:
    inner.makepyfile(HEAD + "\ndef test_message():\n    count = 3\n    assert a, f'{count} of 4'\n")
    result = run(inner, f"--assert={mode}", report=None, subprocess=True)
    result.stdout.fnmatch_lines(
        ["first: NO, it is empty", "  message: 3 of 4", "  at *: assert a, *"], consecutive=True
    )


def test_a_verdict_of_an_earlier_test_does_not_explain_a_failure(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        HEAD
        + """
@pytest.mark.parametrize(("number", "verdict"), [(1, a), (2, None)])
def test_number(number, verdict):
    assert number == 1 and (verdict or yes)
"""
    )
    result = run(inner, report=None)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("first: NO*")
