"""Parts of messages."""

from __future__ import annotations

from harness.wire.messages import join_names, show_numbers


def test_of_many_names_the_first_are_listed_and_the_rest_is_counted() -> None:
    assert join_names([str(number) for number in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert join_names(["a", "b", "c"], 2) == "a, b and 1 more"
    assert join_names(["a", "b"], 2) == "a, b"
    assert join_names([]) == ""


def test_numbers_have_four_digits() -> None:
    assert show_numbers((1.0, 0.123456, -12.25)) == "(1, 0.1235, -12.25)"
