"""Number of examples of the fuzzing tests: the same in every run, without files in the tree."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import configuration, settings

# what the library learns about a source file goes beside it by default
configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / f"kaapana-harness-hypothesis-{os.getuid()}")

EXAMPLES = settings(
    max_examples=int(os.environ.get("KAAPANA_FUZZ_EXAMPLES", "200")),
    derandomize=True,
    deadline=None,
    database=None,
)
"""The same examples each time; ``tox -e fuzz`` asks for more of them."""
