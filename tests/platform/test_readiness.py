"""What is ready inside a cluster is reached a moment later, or the part that is not is named."""

from __future__ import annotations

import pytest

from harness.errors import EnvironmentError_
from harness.platform import readiness


def test_a_part_is_asked_until_it_answers() -> None:
    asked: list[str] = []

    def late() -> None:
        asked.append("late")
        if len(asked) < 3:
            raise EnvironmentError_("reset by peer")

    readiness.wait_until_reached([late, lambda: asked.append("next")], timeout_s=10)
    assert asked == ["late", "late", "late", "next"]


def test_a_part_that_is_never_reached_is_named() -> None:
    def never() -> None:
        raise EnvironmentError_("Airflow does not answer")

    with pytest.raises(EnvironmentError_, match="Airflow does not answer"):
        readiness.wait_until_reached([never], timeout_s=0.2)


def test_another_kind_of_error_ends_the_wait_at_once() -> None:
    def broken() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        readiness.wait_until_reached([broken], timeout_s=10)
