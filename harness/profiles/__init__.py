"""Platform profiles: what each release of the platform honours, as data."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from harness.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Profile:
    """One platform release; ``data`` is the file's whole content and is handed to the containers as JSON."""

    name: str
    version: str
    data: dict[str, Any]

    def as_json(self) -> str:
        """The form in which Airflow and the services read it (``KAAPANA_HARNESS_PROFILE``)."""
        return json.dumps(self.data, sort_keys=True)


def names() -> list[str]:
    """The profiles that exist, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load(name: str) -> Profile:
    """Read a profile.

    Raises:
        UsageError: there is no profile of that name.
    """
    path = _FOLDER / f"{name}.toml"
    if name not in names():
        raise UsageError(f"there is no platform profile {name!r}", fix=f"choose one of: {', '.join(names())}")
    data = tomllib.loads(path.read_text("utf-8"))
    return Profile(name=data["name"], version=data["version"], data=data)
