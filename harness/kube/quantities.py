"""Kubernetes quantities, exactly: ``550.0Mi``, ``1500m``, ``2e3``, ``1.1Gi`` (runtime 6.4)."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_SUFFIXES: dict[str, Decimal] = {
    "n": Decimal(1).scaleb(-9),
    "u": Decimal(1).scaleb(-6),
    "m": Decimal(1).scaleb(-3),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate(("K", "M", "G", "T", "P", "E"), 1)},
}
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
# Kubernetes replaces larger values by this
_LARGEST = Decimal(2**63 - 1)
_LONGEST = 64
_MOST_EXPONENT = 64


def parse(text: str | int | float) -> Decimal:
    """Return the value of a quantity, at most 2**63 - 1.

    Raises:
        ValueError: it is not a quantity.
    """
    match = _QUANTITY.fullmatch(str(text)) if isinstance(text, (int, float)) or len(text) <= _LONGEST else None
    if not match:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, exponent, suffix = match.groups()
    # larger exponents would be numbers of millions of digits
    bounded = max(-_MOST_EXPONENT, min(_MOST_EXPONENT, int(exponent or 0)))
    value = Decimal(number).scaleb(bounded) * _SUFFIXES[suffix or ""]
    return max(-_LARGEST, min(_LARGEST, value))


def round_up(text: str | int | float) -> int:
    """Return the value rounded up to a whole number, as Kubernetes does with bytes and devices."""
    return int(parse(text).to_integral_value(rounding=ROUND_CEILING))
