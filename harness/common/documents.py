"""Read untrusted YAML, JSON and TOML within bounds: the one place where the harness reads such documents.

A small document can grow without bounds (aliases), recurse without end (nesting), or hold what breaks a program
later: impossible dates, numbers with a million digits, infinity, halves of surrogate pairs. All of that is
refused here, with the line, so that no other module has to expect it.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from harness.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES: Final = 2 << 20
"""Of a file that an author writes by hand."""
MAX_NODES: Final = 50_000
"""Of a document, with what its aliases stand for."""
MAX_DEPTH: Final = 100
_MAX_ALIASES: Final = 100
_MAX_DIGITS: Final = 40
_SHOWN: Final = 160

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentError(ValueError):
    """A document that cannot be read; the text says why, and where in it."""


class UnreadableError(DocumentError):
    """A file that is not there, no regular file, too large, or may not be read."""


def abridge(value: Any) -> str:
    """Return a value of a document for a one-line message: short, and without control characters."""
    if isinstance(value, dict):
        return f"a mapping of {len(value)}" if len(value) > 4 else abridge_text(repr(value))
    if isinstance(value, list | tuple) and len(value) > 8:
        return f"a list of {len(value)}"
    return abridge_text(repr(value[: 2 * _SHOWN] if isinstance(value, str) else value))


def abridge_text(text: str) -> str:
    """Return text of a document for a one-line message: short, and without control characters."""
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return text if text.isprintable() else ascii(text)


def read_bytes(path: Path, *, most: int = MAX_BYTES) -> bytes:
    """Return the content of a regular file; a named pipe or a device does not block.

    Raises:
        UnreadableError: there is no such file, it is of another kind, larger than ``most`` bytes, or may not be read.
    """
    try:
        # only a regular file is sure not to block
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with open(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise UnreadableError("it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file")
            data = file.read(most + 1)
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None
    except ValueError as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(str(error)) from None
    if len(data) > most:
        raise UnreadableError(f"it is larger than {most >> 10} KiB")
    return data


def read_text(path: Path, *, most: int = MAX_BYTES) -> str:
    """Return the content of a text file.

    Raises:
        UnreadableError: see :func:`read_bytes`.
        DocumentError: it is not UTF-8.
    """
    try:
        return read_bytes(path, most=most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(f"it is not UTF-8 text: {error.reason} at byte {error.start}") from None


def read_file_text(path: Path, name: str, *, most: int = MAX_BYTES) -> str:
    """Read a file as :func:`read_text` does, for a file that a user has named.

    Args:
        name: how the message calls it.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return read_text(path, most=most)
    except DocumentError as error:
        raise UsageError(f"{name} cannot be read: {error}") from None


def parse_yaml(text: str, *, text_keys: bool = False, most_nodes: int = MAX_NODES) -> list[Any]:
    """Return the documents of a YAML stream, of the types that JSON has; dates stay ``datetime`` objects.

    Args:
        text_keys: turn keys and dates into text, as Kubernetes does.
        most_nodes: values of the stream, those behind its aliases included.

    Raises:
        DocumentError: it is not YAML, or more than a document may be.
    """
    loader = _TextKeys if text_keys else _Bounded
    try:
        _check_events(text, most_nodes)
        return list(yaml.load_all(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        raise DocumentError(_describe_mark(error)) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise DocumentError(" ".join(str(error).split())) from None
    except RecursionError:
        raise DocumentError("it is nested too deeply") from None


def parse_json(text: str | bytes) -> Any:
    """Return the document of a JSON text.

    Raises:
        DocumentError: it is not JSON, nested too deeply, or has numbers or characters that JSON does not have.
    """
    try:
        document = json.loads(text, parse_constant=_no_constant, parse_int=_integer)
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except RecursionError:
        raise DocumentError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise DocumentError("it has half of a surrogate pair in a text") from None
    except ValueError as error:
        raise DocumentError(str(error)) from None
    return document


def check_json(value: Any, name: str) -> None:
    """Check that a value can be sent as JSON: Python and YAML have types that JSON lacks.

    Args:
        name: what messages call the value; the path to the bad part follows it.

    Raises:
        DocumentError: names the place and the bad value.
    """
    waiting: list[tuple[str, Any, int]] = [(name, value, 0)]
    while waiting:
        where, value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise DocumentError(f"{name} is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if not isinstance(key, str | int | float):
                    raise DocumentError(f"{where}: the key {abridge(key)} is not text")
                _check_scalar(key, f"{where}: the key {abridge(key)}")
                waiting.append((f"{where}.{key}", inner, depth + 1))
        elif isinstance(value, list | tuple):
            waiting += [(f"{where}[{number}]", inner, depth + 1) for number, inner in enumerate(value)]
        else:
            _check_scalar(value, where)


def _check_scalar(value: Any, where: str) -> None:
    if isinstance(value, datetime.date):
        raise DocumentError(f"{where} is the date {value}, which JSON does not have: put it in quotes")
    if isinstance(value, float) and not math.isfinite(value):
        raise DocumentError(f"{where} is {value}, which is not a number of JSON")
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise DocumentError(f"{where} has half of a surrogate pair") from None
    elif value is not None and not isinstance(value, int | float):
        raise DocumentError(f"{where} is an object of the type {type(value).__name__}, which JSON does not have")


def parse_toml(text: str) -> dict[str, Any]:
    """Return the document of a TOML text.

    Raises:
        DocumentError: it is not TOML, or nested too deeply.
    """
    try:
        document: dict[str, Any] = tomllib.loads(text)
        # later readers recurse as this does
        json.dumps(document, default=str)
        return document
    except RecursionError:
        raise DocumentError("it is nested too deeply") from None
    except ValueError as error:
        raise DocumentError(str(error)) from None


def _no_constant(word: str) -> Any:
    raise DocumentError(f"{word} is not a number of JSON")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise DocumentError(f"a number of {len(digits)} digits")
    return int(digits)


def _describe_mark(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    words = " ".join(filter(None, [error.context, error.problem, error.note]))
    return where + (words if words.isprintable() else ascii(words))


def _check_events(text: str, most_nodes: int) -> None:
    """Count the values of a stream, with aliases expanded, without building them.

    Raises:
        yaml.MarkedYAMLError: too many values, too deep nesting, or an alias that refers to itself.
    """
    total = aliases = 0
    # for each collection that is open: its anchor, and the count at its start
    opened: list[tuple[str | None, int]] = []
    sizes: dict[str, int | None] = {}
    for event in _events(text):
        if isinstance(event, yaml.DocumentStartEvent):
            sizes.clear()
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(str(event.anchor), 1)
            if size is None:
                raise _refusal(event, f"the alias {event.anchor!r} refers to itself")
            total += size
            aliases += 1
            if aliases > _MAX_ALIASES:
                raise _refusal(event, f"more than {_MAX_ALIASES} aliases")
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                # aliases share the text, but a writer writes it once for each alias
                sizes[event.anchor] = 1 + len(event.value) // 64
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, total))
            total += 1
            if event.anchor:
                sizes[event.anchor] = None
            if len(opened) > MAX_DEPTH:
                raise _refusal(event, f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = total - before
        if total > most_nodes:
            raise _refusal(event, f"more than {most_nodes} values, with aliases expanded")


def _events(text: str) -> Iterator[Any]:
    return iter(yaml.parse(text, Loader=_Base))


def _refusal(event: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


class _Bounded(_Base):  # type: ignore[misc]  # of one of two types
    """The safe loader, for the types of JSON and dates; all of its errors are YAML errors."""

    def scalar(self, node: Any) -> Any:
        kind = node.tag.rpartition(":")[2]
        try:
            if kind in {"int", "float"} and len(node.value) > _MAX_DIGITS:
                raise ValueError(f"a number of {len(node.value)} characters")
            value = getattr(self, f"construct_yaml_{kind}")(node)
            if isinstance(value, float) and not -sys.float_info.max <= value <= sys.float_info.max:
                raise ValueError(f"{node.value} is not a number of JSON")
            if isinstance(value, str):
                value.encode("utf-8")
        except UnicodeEncodeError:
            raise _problem_at(node, "half of a surrogate pair") from None
        except (ValueError, OverflowError, LookupError, AttributeError) as error:
            problem = f"{abridge(node.value[:60])} cannot be read as {kind} ({error}); put it in quotes"
            raise _problem_at(node, problem) from None
        return value

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        if not all(isinstance(key, str | int | float) for key in mapping):
            raise _problem_at(node, "a key of this mapping is neither text nor a number")
        return mapping

    def no_type_of_json(self, node: Any) -> Any:
        raise _problem_at(node, f"the tag {node.tag} stands for no type of JSON")


class _TextKeys(_Bounded):
    """The same, but keys and dates are text, as for Kubernetes."""

    def date(self, node: Any) -> str:
        return str(node.value)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _problem_at(node, "expected a mapping here")
        self.flatten_mapping(node)
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if key is None or not isinstance(key, str | int | float | bool):
                raise _problem_at(key_node, "a key must be text")
            name = str(key).lower() if isinstance(key, bool) else str(key)
            mapping[name] = self.construct_object(value_node, deep=deep)
        return mapping


def _problem_at(node: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


for _kind in ("null", "bool", "int", "float", "timestamp", "str"):
    _Bounded.add_constructor(f"tag:yaml.org,2002:{_kind}", _Bounded.scalar)
for _kind in ("binary", "omap", "pairs", "set"):
    _Bounded.add_constructor(f"tag:yaml.org,2002:{_kind}", _Bounded.no_type_of_json)
_TextKeys.add_constructor("tag:yaml.org,2002:timestamp", _TextKeys.date)
