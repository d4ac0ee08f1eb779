"""Which engine: the one that the user's program ``docker`` uses, by the same rules, without that program.

``DOCKER_HOST``, then ``DOCKER_CONTEXT``, then the current context of the client's configuration, then the socket that a
local engine listens on by default. docker-py reads contexts as well, but not ``DOCKER_CONTEXT``, and the set-up asks
before any library is installed.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT_SOCKET = "/var/run/docker.sock"
DEFAULT_CONTEXT = "default"
_MOST_BYTES = 1 << 20


class Origin(enum.Enum):
    """What names the engine."""

    NOTHING = "nothing"
    HOST = "DOCKER_HOST"
    CONTEXT = "DOCKER_CONTEXT"
    CONFIGURATION = "currentContext"


class Address(NamedTuple):
    """Where the engine is.

    Attributes:
        url: ``unix:///path`` or another URL; empty where it cannot be found out.
        origin: what names it.
        context: name of the context that says so; empty without one.
        problem: why there is no URL, with the variable or the file; empty if there is one.
    """

    url: str
    origin: Origin = Origin.NOTHING
    context: str = ""
    problem: str = ""

    @property
    def way_out(self) -> str:
        """What makes the harness, and ``docker``, use the default engine instead."""
        if self.origin is Origin.CONFIGURATION:
            return "`docker context use default`"
        return f"unset {self.origin.value}" if self.origin is not Origin.NOTHING else ""

    def __str__(self) -> str:
        """Return the URL, with the context if one names it."""
        return f"{self.url} (context {self.context})" if self.context else self.url


class UnreadableError(ValueError):
    """A bad file of the client's configuration, with its path and the reason."""


def find_address(environ: Mapping[str, str]) -> Address:
    """Return the engine's address, without contacting it. Never raises."""
    if host := environ.get("DOCKER_HOST"):
        return Address(_clean(host), Origin.HOST)
    folder = configuration_folder(environ)
    origin, name = Origin.NOTHING, ""
    try:
        if name := environ.get("DOCKER_CONTEXT", ""):
            origin = Origin.CONTEXT
        elif name := _current(folder / "config.json"):
            origin = Origin.CONFIGURATION
        if name in ("", DEFAULT_CONTEXT):
            return Address(f"unix://{DEFAULT_SOCKET}")
        return Address(_read_host(folder, name), origin, name)
    except UnreadableError as error:
        return Address("", origin, name, str(error))


def configuration_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the configuration of ``docker``."""
    if own := environ.get("DOCKER_CONFIG"):
        return Path(own)
    home = environ.get("HOME") or os.path.expanduser("~")
    return Path(home, ".docker")


def read_configuration(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration of ``docker``, empty where the file does not exist.

    Values that are null or empty text are left out, which means the same to ``docker``.

    Raises:
        UnreadableError: the file cannot be read, or is not a JSON object.
    """
    found: dict[str, Any] = _drop_empty(_document(configuration_folder(environ) / "config.json") or {})
    return found


def _drop_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _drop_empty(item) for key, item in value.items() if item is not None and item != ""}


def _current(path: Path) -> str:
    """Return the current context of a client's configuration; empty without one."""
    document = _document(path)
    name = (document or {}).get("currentContext") or ""
    if not isinstance(name, str):
        raise UnreadableError(f"{path}: currentContext is not text")
    return name


def _read_host(folder: Path, name: str) -> str:
    """Return the address of a context's engine."""
    # the name itself may be anything; folders are named by its hash
    path = (
        folder / "contexts" / "meta" / hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest() / "meta.json"
    )
    document = _document(path)
    if document is None:
        raise UnreadableError(f"there is no context {name!r} in {folder / 'contexts'}")
    endpoints = document.get("Endpoints")
    endpoint = endpoints.get("docker") if isinstance(endpoints, dict) else None
    host = endpoint.get("Host", "") if isinstance(endpoint, dict) else None
    if not isinstance(host, str):
        raise UnreadableError(f"the context {name!r} names no engine: {path}: Endpoints.docker.Host")
    return _clean(host)


def _clean(host: str) -> str:
    """Return an address as ``docker`` understands it: a variable from a file may end in a blank or a line end."""
    host = host.strip()
    return f"unix://{DEFAULT_SOCKET}" if host in {"", "unix://"} else host


def _document(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, or ``None`` where the file does not exist."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        # docker takes a file without content, too
        document = json.loads(content or b"{}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{path} is not JSON: {error}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UnreadableError(f"{path} is not a JSON object")
    return document
