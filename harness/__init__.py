"""Local end-to-end tests for workflow extensions of Kaapana.

Importing this package is cheap (the pytest plugin is loaded in every pytest run of an environment);
the public names are loaded when they are first used.
"""

from __future__ import annotations

__version__ = "0.1.0"
