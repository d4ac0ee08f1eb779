"""What was chosen when the extension was installed.

The chart's Jobs write these files beside this module: parameters of an extension reach the chart's templates only.
Their names begin with a dot, so the platform removes them with this folder when the extension is uninstalled.
"""

import json
from pathlib import Path

# until the Jobs have ended
DEFAULTS = {"site": "unnamed", "language": "en", "list_models": False}


def _read(name, fallback):
    try:
        return json.loads(Path(__file__).with_name(name).read_text())
    except FileNotFoundError:
        return fallback


def settings():
    """The parameters of the install dialog."""
    return _read(".settings.json", DEFAULTS)


def models():
    """The models that the chart's installer has unpacked."""
    return _read(".models.json", [])
