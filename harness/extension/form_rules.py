"""Check the values of a form: types, required values, the JSON schema (runtime 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema

from harness.documents import shown
from harness.errors import FormError
from harness.extension.form_schema import describe, effective
from harness.extension.form_validator import PatternError, SlowPatternError, bounded_validator

_LONGEST_MESSAGE = 500
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def check_type(form: str, name: str, schema: Mapping[str, Any], value: Any) -> None:
    kinds = schema.get("type")
    wanted = [kinds] if isinstance(kinds, str) else list(kinds or [])
    for kind in wanted:
        types = _TYPES.get(kind)
        if types is None or (isinstance(value, types) and (kind == "boolean" or not isinstance(value, bool))):
            return
        # JavaScript's 2.0 is an integer
        if kind == "integer" and isinstance(value, float) and value.is_integer():
            return
    if wanted:
        raise FormError(
            f"{form}: {name} must be of type {' or '.join(wanted)}, got {shown(value)} ({type(value).__name__})",
            fix=describe(name, schema),
        )


def check_required(form: str, schema: Mapping[str, Any], filled: Mapping[str, Any], within: str = "") -> None:
    """The page's own rule: a property with a ``required`` key of any value, and no ``enum`` (runtime 11.3).

    It holds at any depth, but not below a ``oneOf``.
    """
    listed = schema.get("required")
    names = [str(name) for name in listed] if isinstance(listed, list) else []
    for name, value in (schema.get("properties") or {}).items():
        if isinstance(value, Mapping) and "required" in value and "enum" not in value:
            names.append(name)
    for name in dict.fromkeys(names):
        value = filled.get(name)
        empty = value is None or value == "" or value == []
        if isinstance(value, list) and any(isinstance(item, str) and not item.strip() for item in value):
            empty = True
        if empty:
            properties = schema.get("properties") or {}
            note = ""
            if (properties.get(name) or {}).get("required") is False:
                note = "the platform's page treats `required: False` like True"
            raise FormError(
                f"{form}: the required value {within + name!r} is missing",
                last_seen=note,
                fix=f"give it: {describe(name, properties.get(name))}",
            )
    for name, value in (schema.get("properties") or {}).items():
        if isinstance(value, Mapping) and value.get("properties"):
            inner = filled.get(name)
            check_required(form, value, inner if isinstance(inner, Mapping) else {}, f"{within}{name}.")


def check_schema(form: str, schema: Mapping[str, Any], filled: Mapping[str, Any]) -> None:
    properties = effective(schema, filled)
    clean = _clean({**schema, "properties": properties})
    validator = bounded_validator(clean)
    try:
        problems = sorted(validator.iter_errors(dict(filled)), key=lambda problem: list(map(str, problem.path)))
    except SlowPatternError as error:
        raise FormError(
            f"{form}: in the DAG's form {error}",
            fix="write the pattern so that it cannot match one text in many ways, e.g. ^a+$",
        ) from None
    except PatternError as error:
        raise FormError(f"{form}: in the DAG's form {error}") from None
    except RecursionError:
        raise FormError(f"{form}: the DAG's form is nested too deeply, or refers to itself") from None
    except Exception as error:
        # a validator meets what is not a schema lazily, with errors of any kind
        where = _culprit(properties, filled)
        raise FormError(
            f"{form}: the DAG's form is not a usable JSON schema{f' at {where}' if where else ''}",
            last_seen=f"{type(error).__name__}: {shown(str(error))}",
        ) from None
    if problems:
        problem = problems[0]
        name = ".".join(str(part) for part in problem.path)
        raise FormError(
            f"{form}: {name + ': ' if name else ''}{_message(problem)}",
            last_seen="\n".join(_message(other) for other in problems[1:5]),
            fix=describe(name, properties.get(name)) if name else "",
        )


def _message(problem: jsonschema.ValidationError) -> str:
    return problem.message if len(problem.message) <= _LONGEST_MESSAGE else f"{problem.message[:_LONGEST_MESSAGE]}..."


def _culprit(properties: Mapping[str, Any], filled: Mapping[str, Any]) -> str:
    """Return the first property whose own schema cannot be used."""
    for name, schema in properties.items():
        try:
            list(bounded_validator(_clean(schema)).iter_errors(filled.get(name)))
        except Exception:
            return name
    return ""


def _clean(schema: Any) -> Any:
    """Return the schema without the page's own ``required`` flags, which no validator understands.

    What a branch adds is judged where the form is filled; a validator would demand the branch of the whole object.
    """
    if not isinstance(schema, Mapping):
        return schema
    clean: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "required":
            if isinstance(value, list):
                clean[key] = value
        elif key == "properties" and isinstance(value, Mapping):
            clean[key] = {name: _clean(inner) for name, inner in value.items() if isinstance(inner, Mapping)}
        elif key in {"items"}:
            clean[key] = _clean(value)
        elif key in {"oneOf", "anyOf"} and isinstance(value, list):
            if not any(isinstance(branch, Mapping) and "properties" in branch for branch in value):
                clean[key] = [_clean(branch) for branch in value]
        elif key in {"title", "description", "default", "readOnly", "$ref"} or key.startswith("x-"):
            continue
        else:
            clean[key] = value
    return clean


def check_confirmation(form: str, filled: Mapping[str, Any]) -> None:
    if "confirmation" in filled and filled["confirmation"] is not True:
        raise FormError(
            f"{form}: the confirmation is not given",
            fix="pass confirmation=True, as the user ticks the box before the workflow starts",
        )
