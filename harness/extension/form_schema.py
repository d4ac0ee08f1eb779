"""What a workflow form is made of: its forms, their properties and branches (runtime 11)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

# treated apart from the rendered forms (runtime 11.1)
_NOT_SUBMITTED = frozenset({"documentation_form", "external_schemas", "backend_form", "data_form"})
# stands for "no value", which is something else than None
ABSENT: Any = object()


def rendered(ui_forms: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in ui_forms.items():
        if name not in _NOT_SUBMITTED and isinstance(schema, Mapping):
            yield name, dict(schema)


def data_form(ui_forms: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    schema = ui_forms.get("data_form")
    if isinstance(schema, Mapping):
        without: dict[str, Any] = {**schema, "properties": dict(schema.get("properties") or {})}
        without["properties"].pop("dataset_name", None)
        if isinstance(schema.get("required"), list):
            without["required"] = [name for name in schema["required"] if name != "dataset_name"]
        yield "data_form", without


def _branches(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the branches of an object-level ``oneOf``/``anyOf`` (runtime 11.2)."""
    branches = schema.get("oneOf") or schema.get("anyOf") or []
    return [dict(branch) for branch in branches if isinstance(branch, Mapping)]


def all_properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for part in [*reversed(_branches(schema)), schema]:
        for name, value in (part.get("properties") or {}).items():
            # a list misplaced inside `properties` has no effect on the platform (runtime 11.4)
            if isinstance(value, Mapping):
                properties[name] = value
                properties.setdefault(name.split("#", 1)[0], value)
    return properties


def effective(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the properties of the object, with those of the chosen branch merged in (runtime 11.2)."""
    parts = [schema]
    if branches := _branches(schema):
        parts.append(_branch(branches, given))
    return {
        name: value
        for part in parts
        for name, value in (part.get("properties") or {}).items()
        if isinstance(value, Mapping)
    }


def _branch(branches: list[dict[str, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the branch whose constants equal the given values; the first one when no constant was given."""
    best, best_score = branches[0], 0
    for branch in branches:
        score = 0
        for name, schema in (branch.get("properties") or {}).items():
            value = given.get(name, given.get(name.split("#", 1)[0], ABSENT))
            if value is ABSENT or not isinstance(schema, Mapping):
                continue
            if "const" in schema:
                score = score + 10 if schema["const"] == value else score - 1000
            else:
                score += 1
        if score > best_score:
            best, best_score = branch, score
    return best


def describe(name: str, schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return name
    parts = [f"{name} ({schema.get('type', 'any type')}"]
    if "default" in schema:
        parts.append(f", default {json.dumps(schema['default'], default=str)}")
    choices = schema.get("enum") or [c.get("const") for c in schema.get("oneOf") or [] if isinstance(c, Mapping)]
    if choices:
        parts.append(f", one of {json.dumps(choices, default=str)}")
    return "".join(parts) + ")"
