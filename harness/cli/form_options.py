"""Read values of a command line: ``--form FILE``, ``--form key=value``, the same for ``--param``, and ``--conf``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.common import documents
from harness.errors import UsageError


def read_form_values(given: tuple[str, ...], option: str = "--form") -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of an option: those from files, and those given as ``key=value`` text.

    A word with ``=`` before any ``/`` is a value, everything else is a YAML or JSON file. Later options win.

    Args:
        given: the argument of each occurrence of the option.
        option: its name, for messages.

    Raises:
        UsageError: a file is missing or holds no mapping.
    """
    values: dict[str, Any] = {}
    text: dict[str, str] = {}
    for word in given:
        key, equals, value = word.partition("=")
        if equals and key and "/" not in key:
            text[key] = value
            continue
        loaded = _read_file(Path(word), option)
        # a file after a value of the same name replaces it
        text = {name: old for name, old in text.items() if name not in loaded}
        values.update(loaded)
    return values, text


def read_conf(word: str, option: str = "--conf") -> dict[str, Any]:
    """Return the document of ``--conf FILE|JSON``: text that begins with ``{`` is the document itself.

    Raises:
        UsageError: a file is missing, or does not hold an object.
    """
    if not word.lstrip().startswith(("{", "[")):
        return _read_file(Path(word), option, "or the JSON object itself")
    try:
        document = documents.parse_json(word)
    except documents.DocumentError as error:
        raise UsageError(f"{option} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{option} must be a JSON object, got a list")
    return document


def _read_file(path: Path, option: str, otherwise: str = "or key=value") -> dict[str, Any]:
    try:
        text = documents.read_text(path)
    except documents.DocumentError as error:
        raise UsageError(
            f"{option} {path} cannot be read: {error}", fix=f"give a YAML or JSON file, {otherwise}"
        ) from None
    try:
        # every JSON document is a YAML document
        found = [document for document in documents.parse_yaml(text) if document is not None]
    except documents.DocumentError as error:
        raise UsageError(f"{option} {path} is neither YAML nor JSON: {error}") from None
    if len(found) > 1:
        raise UsageError(
            f"{option} {path} holds {len(found)} documents, but the option takes one",
            fix="give the document alone; pytest runs all documents of a ci-config file",
        )
    document = found[0] if found else None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise UsageError(f"{option} {path} holds no mapping of names to values")
    return document
