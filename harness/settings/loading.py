"""Collect the values of options from flags, the environment and ``pyproject.toml``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.common import documents
from harness.errors import UsageError
from harness.settings.option import TABLE, Option
from harness.settings.values import as_text


def collect(
    options: Mapping[str, Option],
    flags: Mapping[str, Any],
    spelling: Mapping[str, str],
    environ: Mapping[str, str] | None,
    start: Path | None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the value of every option, and for those that are set the name under which they are.

    Arguments and exceptions are those of :meth:`harness.settings.Settings.load`.
    """
    environ = os.environ if environ is None else environ
    table, path = _read_table(start or _working_directory())
    names = _names_in(table, path, options)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, option in options.items():
        given, base = flags.get(name), None
        if given is not None and given != ():
            where, raw = spelling.get(name, name), given
        elif option.variable in environ:
            where, raw = option.variable, environ[option.variable]
        elif name in names:
            where, raw, base = f"{path}: {names[name]}", table[names[name]], path
        else:
            values[name] = option.default
            continue
        values[name] = _parse(option, raw, where, base)
        sources[name] = where
    return values, sources


def _names_in(table: Mapping[str, Any], path: Path | None, options: Mapping[str, Option]) -> dict[str, str]:
    """Return the keys of the table by the option that they set; that with dashes wins."""
    known = {option.key: name for name, option in options.items()}
    for key in table:
        if key.replace("_", "-") not in known:
            raise UsageError(
                f"unknown setting {key!r} in {TABLE} of {path}", fix=f"known settings: {', '.join(sorted(known))}"
            )
    return {known[key.replace("_", "-")]: key for key in sorted(table, key=lambda key: "-" in key)}


def _parse(option: Option, raw: Any, where: str, table: Path | None) -> Any:
    """Return a value; ``table`` is the file that has it, if one does."""
    try:
        if table is not None and option.parse_from_file is not None:
            return option.parse_from_file(raw, table.parent)
        return option.parse(as_text(raw))
    except ValueError as error:
        got = documents.abridge(raw if isinstance(raw, str) else str(raw))
        raise UsageError(f"{where}: {error}, got {got}", fix=option.help) from None


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the working directory cannot be used: {error.strerror}", fix="cd to another one") from None


def _read_table(start: Path) -> tuple[dict[str, Any], Path | None]:
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if not os.path.isfile(path):
            continue
        try:
            document = documents.parse_toml(documents.read_text(path))
        except documents.DocumentError as error:
            raise UsageError(f"{path} cannot be read: {error}") from None
        table: Any = document
        for name in ("tool", "kaapana-harness"):
            table = table.get(name, {})
            if not isinstance(table, dict):
                raise UsageError(f"{path}: {TABLE} is not a table: {name} is {documents.abridge(table)}")
        return dict(table), path
    return {}, None
