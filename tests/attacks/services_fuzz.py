"""Shared parts of the tests that attack the services: bodies that no service may keep."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.attacks.examples import EXAMPLES

bounded = settings(
    EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
"""Decorates a test with ``@given``."""

UNKEEPABLE = {
    "NaN": b'{"name": NaN, "value": NaN}',
    "Infinity": b'{"name": -Infinity, "value": Infinity}',
    "a number beyond all bounds": b'{"name": 1e999, "value": 1e999}',
    "a whole number beyond all bounds": b'{"name": %d, "value": 1}' % 10**400,
    "half a character": b'{"name": "\\ud800", "value": "\\udfff"}',
    "half a character as a name": b'{"\\ud800": 1}',
    "nesting without end": b'{"value":' + b"[" * 500 + b"]" * 500 + b"}",
    "nesting beyond the parser": b"[" * 100_000,
    "no UTF-8": b'{"value": "\xff"}',
    "UTF-16": '{"value": "\ud7ff'.encode("utf-16"),
}
"""Bodies that no service may keep: no client could read an answer that contains them."""
