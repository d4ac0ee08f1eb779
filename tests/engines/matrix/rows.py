"""The engines that are asked for."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LIST: Final = Path(__file__).with_name("rows.toml")
PRODUCTS: Final = ("docker", "docker-rootless", "podman")
WAYS: Final = ("build", "load")
# it becomes a part of paths, among them that of a socket, which may have 107 bytes
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
_NO_TEXTS: Final = ("packages", "daemon", "environment", "kind")
_MODULE: Final = re.compile(r"[a-z0-9][a-z0-9._~/-]*@v[0-9A-Za-z.+-]+")


@dataclasses.dataclass(frozen=True)
class Row:
    """One engine.

    Attributes:
        name: of the row.
        suite, packages: of Debian.
        version: how the version that is meant begins; the whole of it where it is compiled in.
        images: one of :data:`WAYS`.
        product: one of :data:`PRODUCTS`.
        daemon: the engine's ``daemon.json``.
        environment: of the engine.
        refusal: what the harness has to say first; empty where it has to work.
        module: the Go module, ``path@version``, that the daemon is compiled from; empty where a package has it.
        kind: whether kind runs on it, too.
    """

    name: str
    suite: str
    packages: tuple[str, ...]
    version: str
    images: str
    product: str = "docker"
    daemon: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    refusal: str = ""
    module: str = ""
    kind: bool = False


def read_rows(path: Path = LIST) -> list[Row]:
    """Return the rows of a file.

    Raises:
        UsageError: it is not a list of rows; file and row are named.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    tables = document.get("row")
    if set(document) != {"row"} or not isinstance(tables, list) or not tables:
        raise UsageError(f"{path}: expected tables [[row]] and nothing else")
    rows = [_row(path, number, table) for number, table in enumerate(tables, 1)]
    names = [row.name for row in rows]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"{path}: two rows have the name {min(twice)}")
    return rows


def choose(rows: list[Row], names: tuple[str, ...]) -> list[Row]:
    """Return the rows that are named, in the order of the list; all of them without names.

    Raises:
        UsageError: there is no row of that name.
    """
    known = [row.name for row in rows]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"there is no row {unknown[0]!r}", fix=f"rows: {', '.join(known)}")
    return [row for row in rows if row.name in names or not names]


def _row(path: Path, number: int, table: Mapping[str, Any]) -> Row:
    where = f"{path}: row {table.get('name', number)}"
    fields = {field.name: field for field in dataclasses.fields(Row)}
    if unknown := sorted(set(table) - set(fields)):
        raise UsageError(f"{where}: {unknown[0]} is unknown", fix=f"fields: {', '.join(fields)}")
    needed = ("name", "suite", "packages", "version", "images")
    if absent := [name for name in needed if name not in table]:
        raise UsageError(f"{where}: {absent[0]} is missing")
    for name in ("daemon", "environment"):
        if not isinstance(table.get(name, {}), dict):
            raise UsageError(f"{where}: {name} has to be a table")
    packages, environment = table["packages"], table.get("environment", {})
    if not isinstance(packages, list) or not packages or not _texts(packages):
        raise UsageError(f"{where}: packages has to be a list of names")
    if not isinstance(table.get("kind", False), bool):
        raise UsageError(f"{where}: kind has to be true or false")
    if not _texts([value for name, value in table.items() if name not in _NO_TEXTS]):
        raise UsageError(f"{where}: every value but {', '.join(_NO_TEXTS)} has to be a text")
    if not _texts(list(environment.values())):
        raise UsageError(f"{where}: the values of environment have to be texts")
    row = Row(**{**table, "packages": tuple(packages)})
    if not _NAME.fullmatch(row.name):
        raise UsageError(f"{where}: a name has small letters, digits, dots and dashes, at most 40")
    for name, value, allowed in (("images", row.images, WAYS), ("product", row.product, PRODUCTS)):
        if value not in allowed:
            raise UsageError(f"{where}: {name} is {value!r}", fix=f"one of: {', '.join(allowed)}")
    if row.product != "docker" and (row.daemon or row.module or row.kind):
        raise UsageError(f"{where}: daemon, module and kind are for docker")
    if row.module and not _MODULE.fullmatch(row.module):
        raise UsageError(f"{where}: module is {row.module!r}", fix="path@version, as `go install` takes it")
    return row


def _texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
