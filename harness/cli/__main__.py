"""``python -m harness.cli``: the same as the command ``kaapana-harness``."""

from __future__ import annotations

from harness.cli import main

main()
