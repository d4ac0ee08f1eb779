"""How the inputs that attack the services are built: the same in every run, and nothing is kept in the tree."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, configuration, settings

# what the library learns about a source file goes beside it by default
configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / f"kaapana-harness-hypothesis-{os.getuid()}")

bounded = settings(
    max_examples=int(os.environ.get("KAAPANA_FUZZ_EXAMPLES", "200")),
    derandomize=True,
    deadline=None,
    database=None,
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
"""Bodies that no service may keep: an answer with them could not be read by anybody."""
