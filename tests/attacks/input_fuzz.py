"""Shared parts of the fuzzing tests of an author's input: nasty values, and what counts as handled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from tests.attacks.examples import EXAMPLES

fuzzed = settings(EXAMPLES, print_blob=False, suppress_health_check=list(HealthCheck))
"""Decorates a test with ``@given``."""

NASTY_TEXTS = [
    "", " ", ".", "..", "/", "../../../../home/me/.ssh", "a/../../b", "C:\\x", "-rf", "--set", "%s%n", "{{ . }}", "\0",
    "\n", "\x1b[31m", "\u202e", "é", "名", "a" * 300, "a" * 5000, "2024-13-45", "1e999", ".inf", "null", "~", "yes",
    "<!--" * 40, "$(id)", "a:b", "a: b: c", "- a", "&a [*a]", "[" * 200, "'", '"', "`", "\\", "*", "**", "0.1.0", "v1",
]  # fmt: skip
NASTY_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**63, 10**25, 0.5, -0.0, 1e308, [], [[]], [None], [1, "a"], {}, {"a": None},
    {"a": {"b": []}}, {"": ""}, {"0": 1}, *NASTY_TEXTS,
]  # fmt: skip

nasty_text = st.sampled_from(NASTY_TEXTS) | st.text(max_size=20)
nasty_value = st.sampled_from(NASTY_VALUES) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | nasty_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(nasty_text, inner, max_size=3),
    max_leaves=6,
)


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A document with another value at a path of keys and indices; the keys are made where they are not."""
    if not path:
        return value
    head, *rest = path
    if isinstance(document, list) and isinstance(head, int) and head < len(document):
        return [replaced(item, tuple(rest), value) if n == head else item for n, item in enumerate(document)]
    found = dict(document) if isinstance(document, dict) else {}
    found[head] = replaced(found.get(head), tuple(rest), value)
    return found


def refusal(call: Callable[[], Any]) -> UsageError | None:
    """The error in which wrong input ends, or ``None`` where it was taken; every other exception is a finding."""
    try:
        call()
    except UsageError as error:
        refused = error
    else:
        return None
    first = str(refused).splitlines()[0]
    assert first.strip()
    assert len(first) < 5000
    assert "Traceback" not in str(refused)
    assert not first.startswith("unexpected"), first
    return refused
