"""The command ``kaapana-harness``: its verbs, what their ends mean, and how values of a command line are read."""

from __future__ import annotations

from harness.cli.verbs import main

__all__ = ["main"]
