"""How an engine keeps the output of containers that is read back from it, whatever its own default is.

Some drivers that a site may choose for its engine cannot be read: ``none``, and others where their cache is off.
"""

from __future__ import annotations

from typing import Any, Final

DRIVER: Final = "json-file"
READABLE_LOG: Final[dict[str, Any]] = {"Type": DRIVER, "Config": {"max-size": "100m", "max-file": "2"}}
"""``LogConfig`` of the engine's API."""
