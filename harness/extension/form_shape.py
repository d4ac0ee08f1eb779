"""What a DAG's ``ui_forms`` must be for the page to show them at all; checked once, before anything reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.common.documents import abridge
from harness.errors import FormError

_MOST_VALUES = 50_000
_MAX_DEPTH = 60
# keys of a schema with schemas by name, with one schema, with a list of schemas
_BY_NAME = ("properties", "patternProperties", "definitions")
_ONE = ("items", "not", "if", "then", "else", "contains", "propertyNames", "additionalProperties")
_LISTS = ("oneOf", "anyOf", "allOf")


def check_shape(ui_forms: Any) -> None:
    """Check that forms have the shape of JSON schemas.

    Raises:
        FormError: names the form, the field and the problem.
    """
    if not isinstance(ui_forms, Mapping):
        raise FormError(f"the DAG's ui_forms must be a mapping of forms, not {abridge(ui_forms)}")
    left = _MOST_VALUES
    for form, schema in ui_forms.items():
        if not isinstance(form, str) or not _is_text(form):
            raise FormError(f"the DAG's ui_forms have a form named {abridge(form)}, which is not a name")
        left = _check_size(form, schema, left)
        if isinstance(schema, Mapping):
            for problem in _problems(schema, ""):
                raise FormError(f"{form}: the DAG's form is not a usable JSON schema: {problem}")


def _check_size(form: str, schema: Any, left: int) -> int:
    """Walk without recursion, because nesting may be deep; return the number of allowed further values."""
    pending: list[tuple[Any, int]] = [(schema, 0)]
    while pending:
        value, depth = pending.pop()
        left -= 1
        if left < 0:
            raise FormError(f"the DAG's ui_forms have more than {_MOST_VALUES} values")
        if depth > _MAX_DEPTH:
            raise FormError(f"{form}: the DAG's form is nested deeper than {_MAX_DEPTH} levels")
        if isinstance(value, Mapping):
            if not all(isinstance(key, str) and _is_text(key) for key in value):
                odd = next(key for key in value if not (isinstance(key, str) and _is_text(key)))
                raise FormError(f"{form}: the DAG's form has the key {abridge(odd)}, which is not text")
            pending += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list | tuple):
            pending += [(inner, depth + 1) for inner in value]
        elif not _is_json(value):
            raise FormError(f"{form}: the DAG's form has the value {abridge(value)}, which JSON does not have")
    return left


def _is_json(value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, str):
        return _is_text(value)
    if not isinstance(value, int | float):
        return False
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        # infinity, or a number with more digits than Python writes
        return False
    return True


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _problems(schema: Mapping[str, Any], at: str) -> Iterator[str]:
    where = at or "the form"
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if kind is not None and not all(isinstance(entry, str) for entry in kinds):
        yield f"{where}: type must be text or a list of texts, not {abridge(kind)}"
    for key in _LISTS:
        branches = schema.get(key)
        if branches is not None and not isinstance(branches, list):
            yield f"{where}: {key} must be a list, not {abridge(branches)}"
        yield from _find_in_each(branches or (), f"{where}: {key}", at)
    if "enum" in schema and not isinstance(schema["enum"], list):
        yield f"{where}: enum must be a list, not {abridge(schema['enum'])}"
    for key in _BY_NAME:
        named = schema.get(key)
        if named is not None and not isinstance(named, Mapping):
            yield f"{where}: {key} must be a mapping, not {abridge(named)}"
        elif named:
            for name, inner in named.items():
                # a list misplaced inside `properties` has no effect on the platform (runtime 11.4)
                if isinstance(inner, Mapping):
                    yield from _problems(inner, f"{at}.{name}".lstrip("."))
    for key in _ONE:
        inner = schema.get(key)
        if isinstance(inner, Mapping):
            yield from _problems(inner, f"{at}.{key}".lstrip("."))
        elif inner is not None and not isinstance(inner, bool | list):
            yield f"{where}: {key} must be a mapping, not {abridge(inner)}"


def _find_in_each(branches: Any, where: str, at: str) -> Iterator[str]:
    for number, branch in enumerate(branches, 1):
        if isinstance(branch, Mapping):
            yield from _problems(branch, f"{at}({number})")
        elif not isinstance(branch, bool | str | int | float):
            yield f"{where} has {abridge(branch)} in the place of a schema"
