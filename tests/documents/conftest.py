"""Make the parts of the site's build importable: Sphinx finds them by ``docs/conf.py``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs/_extensions"))
