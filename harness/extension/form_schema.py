"""What a workflow form is made of: its forms, their properties and branches (runtime 11)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from harness.common.documents import abridge
from harness.errors import FormError

# treated separately from the rendered forms (runtime 11.1)
_NOT_SUBMITTED = frozenset({"documentation_form", "external_schemas", "backend_form", "data_form"})
# means "no value", which differs from None
ABSENT: Any = object()
Properties = dict[str, Mapping[str, Any]]
_MOST_PARTS: Final = 200


def render(ui_forms: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and schema of the forms that the page shows and submits, without the data form."""
    for name, schema in ui_forms.items():
        if name not in _NOT_SUBMITTED and isinstance(schema, Mapping):
            yield name, dict(schema)


def data_form(ui_forms: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the data form without the dataset, unless a file tree takes its place (runtime 11.1)."""
    schema, files = ui_forms.get("data_form"), ui_forms.get("backend_form")
    if isinstance(files, Mapping) and not files.get("include-dataset"):
        return
    if isinstance(schema, Mapping):
        without: dict[str, Any] = {**schema, "properties": dict(schema.get("properties") or {})}
        without["properties"].pop("dataset_name", None)
        if isinstance(schema.get("required"), list):
            without["required"] = [name for name in schema["required"] if name != "dataset_name"]
        yield "data_form", without


def is_without_choice(schema: Mapping[str, Any]) -> bool:
    """Return whether the form has an empty list of branches: no model is installed, and nothing is shown (11.2)."""
    return schema.get("oneOf") == []


def list_branches(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the branches of an object-level ``oneOf`` or ``anyOf`` (runtime 11.2)."""
    found = schema.get("oneOf") or schema.get("anyOf") or []
    return [dict(branch) for branch in found if isinstance(branch, Mapping)]


def read_own_properties(schema: Mapping[str, Any]) -> Properties:
    """Return the schemas in ``properties``.

    A list that is misplaced there has no effect on the platform (runtime 11.4).
    """
    found = schema.get("properties") or {}
    return {name: value for name, value in found.items() if isinstance(value, Mapping)}


def collect_properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return every property of the form in all of its branches, also by the names before a ``#``."""
    properties: dict[str, Any] = {}
    pending: list[Mapping[str, Any]] = [schema]
    for part in pending:
        if len(pending) > _MOST_PARTS:
            break
        for name, value in read_own_properties(part).items():
            properties.setdefault(name, value)
            properties.setdefault(make_submitted_name(name), value)
        pending += [*list_branches(part), *_parts(part), *_dependencies(part).values()]
        pending += [inner for key in ("then", "else") if isinstance(inner := part.get(key), Mapping)]
    return properties


def make_submitted_name(name: str) -> str:
    """Return the key under which the page submits a property: its name without what follows ``#``."""
    return name.split("#", 1)[0]


def read_kinds(schema: Mapping[str, Any]) -> list[str]:
    """Return the JSON types of a value."""
    kind = schema.get("type")
    return [kind] if isinstance(kind, str) else list(kind or [])


def is_rendered(schema: Mapping[str, Any]) -> bool:
    """Return whether an object shows fields: it has some, and no ``required: true`` breaks its rendering."""
    shows = bool(read_own_properties(schema) or list_branches(schema) or _parts(schema))
    return shows and schema.get("required") is not True and not is_without_choice(schema)


def select_effective(
    schema: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    form: str = "the form",
    holds: Callable[[Any, Mapping[str, Any]], bool] | None = None,
) -> Properties:
    """Return the properties of the object, with those of the chosen branch and of all conditions (runtime 11.2).

    Args:
        given: values by name, the untouched ones included.
        form: name for messages.
        holds: whether values fulfil the schema of an ``if``; without it no condition does.

    Raises:
        FormError: a branch must be chosen, but none is.
    """
    properties: Properties = {}
    for part in _active_parts(schema, given, form=form, holds=holds):
        for name, value in read_own_properties(part).items():
            properties.setdefault(name, value)
    return properties


def resolve(
    schema: Mapping[str, Any],
    filled: Mapping[str, Any],
    *,
    form: str = "the form",
    holds: Callable[[Any, Mapping[str, Any]], bool] | None = None,
) -> dict[str, Any]:
    """Return the properties and the list of required names that count for a filled object, for those inside it too."""
    properties: Properties = {}
    required: list[str] = []
    for part in _active_parts(schema, filled, form=form, holds=holds):
        for name, inner in read_own_properties(part).items():
            properties.setdefault(name, inner)
        listed = part.get("required")
        required += map(str, listed if isinstance(listed, list) else ())
    for name, inner in properties.items():
        value = filled.get(name)
        if isinstance(value, Mapping) and is_rendered(inner):
            properties[name] = {**inner, **resolve(inner, value, form=form, holds=holds)}
    return {"properties": properties, "required": list(dict.fromkeys(required))}


def _active_parts(
    schema: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    form: str,
    holds: Callable[[Any, Mapping[str, Any]], bool] | None,
) -> list[Mapping[str, Any]]:
    """Return the schemas whose properties make up the object: itself, its chosen branch, and what its values bring."""
    pending: list[Mapping[str, Any]] = [schema]
    for part in pending:
        if "$ref" in part:
            raise FormError(
                f"{form}: the DAG's form is not a usable JSON schema: it refers to {abridge(part['$ref'])}",
                fix="write the schema out: nothing is fetched for a $ref",
            )
        if len(pending) > _MOST_PARTS:
            raise FormError(f"{form}: the DAG's form is made of more than {_MOST_PARTS} parts, or refers to itself")
        if (found := list_branches(part)) and (chosen := _branch(form, part, found, given)) is not None:
            pending.append(chosen)
        pending += _parts(part)
        for name, dependent in _dependencies(part).items():
            value = read_value(given, name)
            if not (value is ABSENT or value is None or value is False or value in ([], {})):
                pending.append(dependent)
        if holds is not None and isinstance(part.get("if"), Mapping):
            then = part.get("then" if holds(part["if"], given) else "else")
            if isinstance(then, Mapping):
                pending.append(then)
    return pending


def read_value(given: Mapping[str, Any], name: str) -> Any:
    """Return the value of a property, which may be given without what follows ``#``; :data:`ABSENT` without one."""
    return given.get(name, given.get(make_submitted_name(name), ABSENT))


def _parts(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = schema.get("allOf") or []
    return [part for part in found if isinstance(part, Mapping)] if isinstance(found, list) else []


def _dependencies(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return schemas that join while a property has a value; the form with a list of names has no effect."""
    found = schema.get("dependencies") or {}
    if not isinstance(found, Mapping):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, Mapping)}


def _constants(branch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value["const"] for name, value in read_own_properties(branch).items() if value.get("const")}


def _branch(
    form: str, schema: Mapping[str, Any], found: list[dict[str, Any]], given: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the branch that the user has chosen: by its constant, or because only it has the names that are given."""
    default = schema.get("default")
    known = {**default, **given} if isinstance(default, Mapping) else given

    def agrees(branch: Mapping[str, Any]) -> bool:
        constants = _constants(branch)
        values = [read_value(known, name) for name in constants]
        return any(value is not ABSENT for value in values) and all(
            value in (ABSENT, constant) for value, constant in zip(values, constants.values(), strict=True)
        )

    if chosen := [branch for branch in found if agrees(branch)]:
        return chosen[0]
    if any(read_value(known, name) is not ABSENT for branch in found for name in _constants(branch)):
        raise _choice_error(form, found, "none of the form's branches has the constant that is given")
    names = {name for branch in found for name in _names(branch)} & set(given)
    if names:
        able = [branch for branch in found if names <= _names(branch)]
        if len(able) == 1:
            return able[0]
    if not any(_constants(branch) for branch in found):
        return found[0] if schema.get("oneOf") else None
    if schema.get("oneOf"):
        raise _choice_error(form, found, "one of the form's branches must be chosen before the start")
    return None


def _names(branch: Mapping[str, Any]) -> set[str]:
    return set(map(make_submitted_name, read_own_properties(branch)))


def _choice_error(form: str, found: list[dict[str, Any]], what: str) -> FormError:
    choices = [
        " and ".join(
            f"{make_submitted_name(name)}={json.dumps(value, default=str)}" for name, value in constants.items()
        )
        for branch in found
        if (constants := _constants(branch))
    ]
    return FormError(f"{form}: {what}", last_seen=f"it has {'; '.join(choices)[:2000]}", fix="give one of these values")


def describe(name: str, schema: Any) -> str:
    """Return a property in one line: its type, default and choices."""
    if not isinstance(schema, Mapping):
        return name
    parts = [f"{name} ({schema.get('type', 'any type')}"]
    if "default" in schema:
        parts.append(f", default {json.dumps(schema['default'], default=str)}")
    if found := read_choices(schema):
        parts.append(f", one of {json.dumps(found, default=str)}")
    return "".join(parts) + ")"


def read_choices(schema: Mapping[str, Any]) -> list[Any]:
    """Return the entries of a drop-down list: an ``enum``, or a ``oneOf`` of constants at a value."""
    listed = schema.get("enum") or []
    if not listed and not read_own_properties(schema):
        listed = [
            choice["const"]
            for choice in schema.get("oneOf") or []
            if isinstance(choice, Mapping) and "const" in choice and "properties" not in choice
        ]
    return list(listed)
