"""The configuration of Docker's client, as ``docker context create`` and ``docker context use`` write it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def meta_of(folder: Path, name: str) -> Path:
    """The file of a context."""
    return folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"


def add(folder: Path, name: str, host: str, **endpoint: Any) -> None:
    """Add a context to a client's configuration."""
    path = meta_of(folder, name)
    path.parent.mkdir(parents=True)
    document = {
        "Name": name,
        "Metadata": {},
        "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False, **endpoint}},
    }
    path.write_text(json.dumps(document), "utf-8")


def use(folder: Path, name: str) -> None:
    """Make a context the current one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"currentContext": name, "auths": {}}), "utf-8")
