"""Parsers of options: each returns the value of a text, or raises a ValueError with the expected format."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

# a month: beyond some bound the system's own clocks refuse
_MOST_SECONDS: Final = 30 * 24 * 3600
_MOST_MEGABYTES: Final = 10**9
_MOST_NODES: Final = 50
_MOST_PORT: Final = 65535
DELIVERIES: Final = ("registry", "tar", "edk")
"""How images reach the platform: pushed, uploaded as ``images.tar``, or as the development kit does it (build 16)."""
# compiled at first use: the pytest plugin is loaded for tests of other packages as well
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_LABEL: Final = r"[a-zA-Z0-9]+(-+[a-zA-Z0-9]+)*"
_REGISTRY: Final = (
    rf"(?=[^/]*[.:]|localhost){_LABEL}(\.{_LABEL})*(:(?P<port>[0-9]{{1,5}}))?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
)
_CLASS_NAME: Final = r"(?=.{0,253}\Z)[a-z0-9]([-.a-z0-9]*[a-z0-9])?"


def boolean(text: str) -> bool:
    """Return whether a text means yes; an empty one means no."""
    value = text.strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("expected true or false")


def _number(text: str) -> float:
    """Return the number in a text, or NaN, which is outside of all bounds."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def seconds(text: str) -> float:
    """Return a time limit."""
    value = _number(text)
    if not 0 < value <= _MOST_SECONDS:
        raise ValueError(f"expected a positive number of seconds, at most {_MOST_SECONDS}")
    return value


def megabytes(text: str) -> float:
    """Return a size in MiB."""
    value = _number(text)
    if not 0 <= value <= _MOST_MEGABYTES:
        raise ValueError(f"expected a number of MiB, at most {_MOST_MEGABYTES}")
    return value


def nodes(text: str) -> int:
    """Return a number of nodes."""
    value = _number(text)
    if not 1 <= value <= _MOST_NODES or not value.is_integer():
        raise ValueError(f"expected a number from 1 to {_MOST_NODES}")
    return int(value)


def cluster(text: str) -> str:
    """Return the specification of a cluster."""
    from harness.cluster import kinds

    if kinds.find(text):
        return text
    raise ValueError(f"expected {kinds.list_forms()}")


def platform(text: str) -> str:
    """Return the name of a platform profile."""
    from harness import profiles

    if text in profiles.names():
        return text
    raise ValueError(f"expected {_one_of(profiles.names())}")


def delivery(text: str) -> str:
    """Return one of :data:`DELIVERIES`."""
    if text in DELIVERIES:
        return text
    raise ValueError(f"expected {_one_of(DELIVERIES)}")


def _one_of(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def is_registry(text: str) -> bool:
    """Return whether a text names a registry as image references do: ``host[:port][/path]``."""
    found = re.fullmatch(_REGISTRY, text)
    return found is not None and (found["port"] is None or 0 < int(found["port"]) <= _MOST_PORT)


def registry(text: str) -> str:
    """Return the name of a registry, or nothing."""
    if text and not is_registry(text):
        raise ValueError("expected a registry as it is written in image references, such as registry.site:5000/team")
    return text


def storage_class(text: str) -> str:
    """Return the name of a storage class, or nothing."""
    if text and not re.fullmatch(_CLASS_NAME, text):
        raise ValueError("expected the name of a storage class: lower-case letters, digits, dashes and dots")
    return text


def tag(text: str) -> str:
    """Return a version that can be the tag of an image, or nothing."""
    if text and not re.fullmatch(_TAG, text):
        raise ValueError("expected a version that can be the tag of an image, such as 0.6.0 or 1.2.3-4-gabc1234")
    return text


def words(text: str) -> tuple[str, ...]:
    """Return the parts between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def as_text(raw: Any) -> str:
    """Return the text of a value that a flag or a file has; a list is separated by commas."""
    return ",".join(map(str, raw)) if isinstance(raw, (list, tuple)) else str(raw)


def words_from_file(raw: Any, folder: Path) -> tuple[str, ...]:
    """Return the words of a list in a file of a folder; those that are paths there are made absolute."""
    found = words(as_text(raw))
    beside = ((word, folder / os.path.expanduser(word)) for word in found)
    return tuple(str(path) if os.path.exists(path) else word for word, path in beside)


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Return names with folders."""
    return tuple(_pair(word, "NAME=FOLDER") for word in words(text))


def pairs_from_file(raw: Any, folder: Path) -> tuple[tuple[str, str], ...]:
    """Return names with folders, which are relative to the file that names them."""
    if not isinstance(raw, Mapping):
        return pairs(as_text(raw))
    return tuple((name, _relative_to(value, folder)) for name, value in _entries(raw, "folder"))


def image_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Return names of images with references of others."""
    return tuple(_pair(word, "IMAGE=REFERENCE") for word in words(text))


def image_pairs_from_file(raw: Any, _: Path) -> tuple[tuple[str, str], ...]:
    """Return names of images with references of others, from a file."""
    return tuple(_entries(raw, "reference")) if isinstance(raw, Mapping) else image_pairs(as_text(raw))


def url_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Return URLs with their replacements."""
    found = tuple(_pair(word, "URL=FILE or URL") for word in words(text))
    for url, _ in found:
        if not is_url(url):
            raise ValueError("expected URL=FILE or URL, separated by commas; a URL begins with http:// or https://")
    return found


def url_pairs_from_file(raw: Any, folder: Path) -> tuple[tuple[str, str], ...]:
    """Return URLs with their replacements; files are relative to the file that names them."""
    if not isinstance(raw, Mapping):
        return url_pairs(as_text(raw))
    found = tuple(_entries(raw, "file or URL"))
    for url, _ in found:
        if not is_url(url):
            raise ValueError(f"expected an address that begins with http:// or https://, not {url!r}")
    return tuple((url, value if is_url(value) else _relative_to(value, folder)) for url, value in found)


def is_url(text: str) -> bool:
    """Return whether a text is an address of the web."""
    return text.startswith(("http://", "https://"))


def _relative_to(path: str, folder: Path) -> str:
    return str(folder / os.path.expanduser(path))


def _entries(table: Mapping[str, Any], expected: str) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"expected a {expected} for {name!r}")
        yield name, value


def _pair(word: str, expected: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in word.partition("="))
    if not (name and equals and value):
        raise ValueError(f"expected {expected}, separated by commas")
    return name, value


def optional_path(text: str) -> Path | None:
    """Return a path; ``None`` for an empty text."""
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError as error:
        # ~name of a user who does not exist
        raise ValueError(str(error)) from None
