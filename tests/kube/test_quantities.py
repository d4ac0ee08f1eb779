from __future__ import annotations

import pytest

from harness.kube import quantities


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("550.0Mi", 550 << 20),
        ("1.1Gi", 1181116007),
        ("50M", 50_000_000),
        ("1e3", 1000),
        ("1500m", 2),
        ("0.5Ki", 512),
        (7, 7),
        ("1Ei", 1 << 60),
        ("2E", 2 * 10**18),
        (".5k", 500),
    ],
)
def test_quantities_are_read_exactly_and_rounded_up(text: str, value: int) -> None:
    assert quantities.round_up(text) == value


@pytest.mark.parametrize("text", ["", "Mi", "10 Mi", "10mb", "ten", "1_000", "1Kim", "--1"])
def test_an_invalid_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantities.parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e99999999", 2**63 - 1),
        ("-1e99999999", -(2**63 - 1)),
        ("9" * 60, 2**63 - 1),
        ("1e-99999999", 1),
        ("0e99999999", 0),
        ("9e9999999999999999999", 2**63 - 1),
        (10**300, 2**63 - 1),
    ],
)
def test_a_quantity_beyond_all_bounds_is_the_largest(text: str | int, value: int) -> None:
    assert quantities.round_up(text) == value


@pytest.mark.parametrize("text", ["9" * 5000, "1e" + "9" * 5000, "\u0661"])
def test_a_quantity_without_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantities.parse(text)
