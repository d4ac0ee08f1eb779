"""Remember the digests of registries' tags, for the time when a registry is out of reach."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from pathlib import Path
from typing import Any

from harness.common.locking import hold_lock
from harness.images.manifests import RemoteImage

_MOST = 500
_LOCK_S = 10.0


@dataclasses.dataclass(frozen=True)
class Pin:
    """One tag: its image, and the day (ISO 8601) on which the registry said so."""

    image: RemoteImage
    day: str


class Pins:
    """The memory of one user, in a file; several processes may write it.

    Args:
        path: the file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def remember(self, name: str, image: RemoteImage) -> None:
        """Remember the image that a tag means now."""
        if self.recall(name) == Pin(image, _today()):
            return
        with hold_lock(self._path.with_suffix(".lock"), timeout_s=_LOCK_S, purpose="noting the digests of a registry"):
            known = self._read()
            known.pop(name, None)
            known[name] = {**dataclasses.asdict(image), "day": _today()}
            kept = dict(list(known.items())[-_MOST:])
            partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            partial.write_text(json.dumps(kept, indent=1), "utf-8")
            partial.replace(self._path)

    def recall(self, name: str) -> Pin | None:
        """Return the remembered image of a tag, or ``None``."""
        noted = self._read().get(name)
        if not isinstance(noted, dict):
            return None
        try:
            values = {**noted, "layers": tuple(noted["layers"]), "platforms": tuple(noted["platforms"])}
            day = str(values.pop("day"))
            return Pin(RemoteImage(**values), day)
        except (KeyError, TypeError):
            return None

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            # absent or damaged: a memory and no truth, it fills again
            return {}
        return known if isinstance(known, dict) else {}


def _today() -> str:
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()
