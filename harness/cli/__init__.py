"""The command ``kaapana-harness``: its verbs, their exit statuses, and the values of a command line."""

from __future__ import annotations

from harness.cli.verbs import main

__all__ = ["main"]
