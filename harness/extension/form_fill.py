"""Fill a form as a user of the page could: what untouched fields submit, and what can be entered (runtime 11.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.common.documents import abridge
from harness.errors import FormError
from harness.extension.form_rules import is_met
from harness.extension.form_schema import (
    ABSENT,
    Properties,
    describe,
    is_rendered,
    make_submitted_name,
    read_choices,
    read_kinds,
    read_value,
    select_effective,
)

_API = "a user of the page cannot; a test that starts the DAG through the API can: conf={0}"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def fill(
    form: str, schema: Mapping[str, Any], given: Mapping[str, Any], *, within: str = "", read_only: bool = False
) -> dict[str, Any]:
    """Return the values that an object of a form submits.

    Args:
        form: name for messages.
        given: the user's values, by name; a name may omit ``#`` and the rest.
        within: names of the objects around it, for messages, e.g. ``model.``.
        read_only: whether an object around it is.

    Raises:
        FormError: the page has no field for a value, or its field refuses it.
    """
    read_only = read_only or bool(schema.get("readOnly"))
    properties, values = _settle(form, schema, given, within)
    filled: dict[str, Any] = {}
    left = dict(given)
    for name, value_schema in properties.items():
        short = make_submitted_name(name)
        for alias in (name, short):
            if alias in left:
                value = _enter(form, f"{within}{short}", value_schema, left.pop(alias), read_only=read_only)
                break
        else:
            value = values.get(name, ABSENT)
        if value is not ABSENT:
            filled[name] = value
    if left:
        names = ", ".join(f"{within}{name}" for name in sorted(map(str, left)))
        raise FormError(
            f"{form}: {names} does not belong to the chosen branch of the form"
            if not within
            else f"{form}: the form has no value {names}",
            last_seen=f"values there: {', '.join(properties) or 'none'}",
        )
    return filled


def _settle(
    form: str, schema: Mapping[str, Any], given: Mapping[str, Any], within: str
) -> tuple[Properties, dict[str, Any]]:
    """Return the properties of an object, including joined ones, and the untouched values of those not given.

    A value in the object's own default comes before the default of the property.
    """
    default = schema.get("default")
    preset: Mapping[str, Any] = default if isinstance(default, Mapping) else {}
    properties: Properties = {}
    untouched: dict[str, Any] = {}
    shown = ": ".join(filter(None, (form, within.rstrip("."))))
    for _ in range(20):  # each round may make another condition true
        now = select_effective(schema, {**untouched, **given}, form=shown, holds=is_met)
        if list(now) == list(properties):
            break
        properties = {
            name: inner if (value := read_value(preset, name)) in (ABSENT, None) else {**inner, "default": value}
            for name, inner in now.items()
        }
        untouched = {
            name: value
            for name, inner in properties.items()
            if read_value(given, name) is ABSENT
            and (value := untouched_value(form, f"{within}{make_submitted_name(name)}", inner)) is not ABSENT
        }
    return properties, untouched


def untouched_value(form: str, name: str, schema: Mapping[str, Any]) -> Any:
    """Return the submitted value of an untouched field; a default is never checked against its type."""
    kinds, default = read_kinds(schema), schema.get("default")
    if isinstance(default, Mapping) and "object" in kinds and is_rendered(schema):
        return fill(form, schema, {}, within=f"{name}.")
    if default is not None:
        return default
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and len(schema["enum"]) == 1:
        return schema["enum"][0]
    if "null" in kinds:
        return None
    if "array" in kinds:
        return []
    if "object" in kinds:
        return fill(form, schema, {}, within=f"{name}.") if is_rendered(schema) else {}
    return ABSENT


def _enter(form: str, name: str, schema: Mapping[str, Any], value: Any, *, read_only: bool) -> Any:
    """Return the value of a field that a user has set, or cleared with ``None``.

    Raises:
        FormError: there is no field for it, or it does not take the value.
    """
    is_object = "object" in read_kinds(schema) and isinstance(value, Mapping)
    if is_object and is_rendered(schema):
        return fill(form, schema, value, within=f"{name}.", read_only=read_only)
    untouched = untouched_value(form, name, schema)
    if _is_equal(value, untouched):
        return value
    if value is None and (untouched is ABSENT or (_can_be_cleared(schema) and not read_only)):
        return ABSENT
    if is_object:
        why = "it has no properties"
        if schema.get("required") is True:
            why = "its `required: true` makes the page's rendering fail: list the names in `required: [...]`"
        raise _no_field(form, name, value, f"the page shows no field for the object: {why}")
    if read_only or schema.get("readOnly"):
        raise _no_field(form, name, value, f"it is readOnly, and stays {_describe(untouched)}")
    if "const" in schema or (isinstance(schema.get("enum"), list) and len(schema["enum"]) == 1):
        raise _no_field(form, name, value, f"it has no field: its value is always {_describe(untouched)}")
    _check_type(form, name, schema, value)
    if isinstance(value, list):
        return _enter_items(form, name, schema, value)
    if not schema.get("enum") and (choices := read_choices(schema)) and value not in choices:
        raise FormError(
            f"{form}: {name}: {abridge(value)} is not one of {abridge(choices)}", fix=describe(name, schema)
        )
    return value


def _can_be_cleared(schema: Mapping[str, Any]) -> bool:
    """Return whether a user can take the value away: of a number or of a drop-down list, but not of a text (11.2)."""
    if schema.get("readOnly") or "const" in schema or "null" in read_kinds(schema):
        return False
    return bool({"integer", "number"} & set(read_kinds(schema))) or len(read_choices(schema)) > 1


def _is_equal(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def _describe(value: Any) -> str:
    return "without a value" if value is ABSENT else abridge(value)


def _no_field(form: str, name: str, value: Any, why: str) -> FormError:
    inner = repr(form) + ": {" + repr(name.split(".")[0]) + ": ...}"
    return FormError(
        f"{form}: {name} cannot be set to {abridge(value)}: {why}", fix=_API.format("{" + inner + "}") + ", --conf"
    )


def _check_type(form: str, name: str, schema: Mapping[str, Any], value: Any) -> None:
    wanted = read_kinds(schema)
    for kind in wanted:
        types = _TYPES.get(kind)
        if kind == "null":
            if value is None:
                return
            continue
        if types is None or (isinstance(value, types) and (kind == "boolean" or not isinstance(value, bool))):
            return
        # JavaScript's 2.0 is an integer
        if kind == "integer" and isinstance(value, float) and value.is_integer():
            return
    if wanted:
        raise FormError(
            f"{form}: {name} must be of type {' or '.join(wanted)}, got {abridge(value)} ({type(value).__name__})",
            fix=describe(name, schema),
        )


def _enter_items(form: str, name: str, schema: Mapping[str, Any], value: list[Any]) -> list[Any]:
    """Return the elements that a user has added to an array; the dialog of an object fills in its defaults."""
    items = schema.get("items")
    if not value:
        return value
    if not isinstance(items, Mapping):
        raise _no_field(form, name, value, "an array without `items` cannot be rendered")
    if {"boolean", "array"} & set(read_kinds(items)):
        raise _no_field(form, name, value, f"the page does not render an array of {' or '.join(read_kinds(items))}")
    entered = []
    for index, item in enumerate(value):
        if "object" in read_kinds(items) and isinstance(item, Mapping):
            entered.append(fill(form, items, item, within=f"{name}.{index}."))
        else:
            _check_type(form, f"{name}.{index}", items, item)
            entered.append(item)
    return entered
