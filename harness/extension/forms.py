"""What the platform's workflow form submits for the values that an author gives (runtime 11).

The form is a set of JSON schema objects (``ui_forms`` of the DAG). Untouched properties get their default, as
in the browser. Where the browser would silently drop or reset a value, a test author gets an error instead:
an unknown key, a value of the wrong type, a required value that is missing.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from harness.errors import FormError

# treated apart from the rendered forms (runtime 11.1)
_NOT_SUBMITTED = frozenset({"documentation_form", "external_schemas", "backend_form", "data_form"})
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def complete(
    ui_forms: Mapping[str, Any], values: Mapping[str, Any], *, confirmation_required: bool = True
) -> dict[str, Any]:
    """The rendered forms as the browser would submit them.

    Args:
        ui_forms: the DAG's ``ui_forms`` as the backend delivers them.
        values: property name to value. A key that names a form of the DAG and holds a mapping applies to that
            form; all other keys belong to the form that has such a property, ``workflow_form`` first.
        confirmation_required: whether the release refuses a ``confirmation`` that is not true (runtime 17).

    Returns:
        form name to values, for every form that is submitted; ``data_form`` only holds ``dataset_limit``
        when it was given (the dataset is chosen apart from it).

    Raises:
        FormError: unknown key, wrong type, required value missing, or a rule of the schema broken.
    """
    given = _by_form(ui_forms, values)
    submitted: dict[str, Any] = {}
    for form, schema in _schemas(ui_forms):
        filled = _fill(form, schema, given.get(form, {}))
        _check_required(form, schema, filled)
        _check_schema(form, schema, filled)
        if confirmation_required:
            _check_confirmation(form, filled)
        # vjsf forbids equal names in branches, so the text after # is cut at submission (runtime 11.2)
        submitted[form] = {key.split("#", 1)[0]: value for key, value in filled.items()}
    if given.get("data_form"):
        submitted["data_form"] = given["data_form"]
    return submitted


def from_text(ui_forms: Mapping[str, Any], pairs: Mapping[str, str]) -> dict[str, Any]:
    """Values of a command line, ``name=text``, turned into the type that the schema wants.

    Arrays are JSON or a comma-separated list. A name that no form has is passed through, so that
    :func:`complete` reports it.

    Raises:
        FormError: the text does not read as the type.
    """
    values: dict[str, Any] = {}
    for name, text in pairs.items():
        schema = next(
            (
                properties[name]
                for _, form in [*_schemas(ui_forms), *_data_form(ui_forms)]
                for properties in [_all_properties(form)]
                if name in properties
            ),
            None,
        )
        values[name] = text if schema is None else _typed(name, schema, text)
    return values


def _typed(name: str, schema: Mapping[str, Any], text: str) -> Any:
    kind = schema.get("type")
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
        if kind == "boolean":
            return {"true": True, "false": False}[text.strip().lower()]
        if kind == "array":
            if text.lstrip().startswith("["):
                return json.loads(text)
            items = schema.get("items") or {}
            return [_typed(name, items, part.strip()) for part in text.split(",") if part.strip()]
        if kind == "object":
            return json.loads(text)
    except (ValueError, KeyError):
        raise FormError(f"form value {name}={text!r} is not a valid {kind}", fix=_describe(name, schema)) from None
    return text


def _schemas(ui_forms: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in ui_forms.items():
        if name not in _NOT_SUBMITTED and isinstance(schema, Mapping):
            yield name, dict(schema)


def _data_form(ui_forms: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    schema = ui_forms.get("data_form")
    if isinstance(schema, Mapping):
        properties = dict(schema.get("properties") or {})
        properties.pop("dataset_name", None)
        yield "data_form", {**schema, "properties": properties}


def _branches(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The branches of an object-level ``oneOf``/``anyOf`` (runtime 11.2)."""
    branches = schema.get("oneOf") or schema.get("anyOf") or []
    return [dict(branch) for branch in branches if isinstance(branch, Mapping)]


def _all_properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for part in [*reversed(_branches(schema)), schema]:
        for name, value in (part.get("properties") or {}).items():
            # a list misplaced inside `properties` has no effect on the platform (runtime 11.4)
            if isinstance(value, Mapping):
                properties[name] = value
                properties.setdefault(name.split("#", 1)[0], value)
    return properties


def _by_form(ui_forms: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    given: dict[str, dict[str, Any]] = {}
    forms = [*_schemas(ui_forms), *_data_form(ui_forms)]
    forms.sort(key=lambda item: item[0] != "workflow_form")
    known = {form: _all_properties(schema) for form, schema in forms}
    for name, value in values.items():
        if name in known and isinstance(value, Mapping):
            for inner, inner_value in value.items():
                if inner not in known[name]:
                    raise _unknown(inner, {name: known[name]})
                given.setdefault(name, {})[inner] = inner_value
            continue
        owner = next((form for form, properties in known.items() if name in properties), None)
        if owner is None:
            raise _unknown(name, known)
        given.setdefault(owner, {})[name] = value
    for name, value in given.get("data_form", {}).items():
        _check_type("data_form", name, known["data_form"][name], value)
    return given


def _unknown(name: str, known: Mapping[str, Mapping[str, Any]]) -> FormError:
    names = list(dict.fromkeys(key for properties in known.values() for key in properties))
    close = difflib.get_close_matches(str(name), names, n=3)
    return FormError(
        f"the form has no value {name!r}" + (f"; did you mean {' or '.join(close)}?" if close else ""),
        last_seen="the form's values:\n"
        + (
            "\n".join(_describe(key, schema) for properties in known.values() for key, schema in properties.items())
            or "none: the DAG defines no ui_forms"
        ),
        fix="use one of these names, or add the property to the DAG's ui_forms",
    )


def _describe(name: str, schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return name
    parts = [f"{name} ({schema.get('type', 'any type')}"]
    if "default" in schema:
        parts.append(f", default {json.dumps(schema['default'], default=str)}")
    choices = schema.get("enum") or [c.get("const") for c in schema.get("oneOf") or [] if isinstance(c, Mapping)]
    if choices:
        parts.append(f", one of {json.dumps(choices, default=str)}")
    return "".join(parts) + ")"


def _effective(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The properties of the object, with those of the chosen branch merged in (runtime 11.2)."""
    parts = [schema]
    if branches := _branches(schema):
        parts.append(_branch(branches, given))
    return {
        name: value
        for part in parts
        for name, value in (part.get("properties") or {}).items()
        if isinstance(value, Mapping)
    }


def _fill(form: str, schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    properties = _effective(schema, given)
    filled: dict[str, Any] = {}
    left = dict(given)
    for name, value_schema in properties.items():
        for alias in (name, name.split("#", 1)[0]):
            if alias in left:
                filled[name] = left.pop(alias)
                _check_type(form, alias, value_schema, filled[name])
                break
        else:
            fallback = _untouched(value_schema)
            if fallback is not _ABSENT:
                filled[name] = fallback
    if left:
        chosen = ", ".join(sorted(left))
        raise FormError(
            f"{form}: {chosen} does not belong to the chosen branch of the form",
            last_seen=f"values of this branch: {', '.join(properties)}",
        )
    return filled


def _branch(branches: list[dict[str, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """The branch whose constants equal the given values; the first one when no constant was given."""
    best, best_score = branches[0], 0
    for branch in branches:
        score = 0
        for name, schema in (branch.get("properties") or {}).items():
            value = given.get(name, given.get(name.split("#", 1)[0], _ABSENT))
            if value is _ABSENT or not isinstance(schema, Mapping):
                continue
            if "const" in schema:
                score = score + 10 if schema["const"] == value else score - 1000
            else:
                score += 1
        if score > best_score:
            best, best_score = branch, score
    return best


_ABSENT: Any = object()


def _untouched(schema: Mapping[str, Any]) -> Any:
    """The value that is submitted when nobody touches the field (runtime 11.2)."""
    if "default" in schema:
        return schema["default"]
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and len(schema["enum"]) == 1:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return []
    if schema.get("type") == "object":
        return _fill("", schema, {}) if schema.get("properties") else {}
    return _ABSENT


def _check_type(form: str, name: str, schema: Mapping[str, Any], value: Any) -> None:
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
            f"{form}: {name} must be of type {' or '.join(wanted)}, got {value!r} ({type(value).__name__})",
            fix=_describe(name, schema),
        )


def _check_required(form: str, schema: Mapping[str, Any], filled: Mapping[str, Any]) -> None:
    """The page's own rule: a property with a ``required`` key of any value, and no ``enum`` (runtime 11.3)."""
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
                f"{form}: the required value {name!r} is missing",
                last_seen=note,
                fix=f"give it: {_describe(name, properties.get(name))}",
            )


def _check_schema(form: str, schema: Mapping[str, Any], filled: Mapping[str, Any]) -> None:
    properties = _effective(schema, filled)
    clean = _clean({**schema, "properties": properties})
    try:
        validator = jsonschema.Draft7Validator(clean)
        problems = sorted(validator.iter_errors(dict(filled)), key=lambda problem: list(map(str, problem.path)))
    except (jsonschema.SchemaError, TypeError, ValueError, RecursionError) as error:
        raise FormError(f"{form}: the DAG's form is not a usable JSON schema: {error}") from None
    except Exception as error:
        # `pattern` is compiled lazily, an invalid one shows up here
        raise FormError(f"{form}: the DAG's form cannot be checked: {error}") from None
    if problems:
        problem = problems[0]
        name = ".".join(str(part) for part in problem.path)
        raise FormError(
            f"{form}: {name + ': ' if name else ''}{problem.message}",
            last_seen="\n".join(other.message for other in problems[1:5]),
            fix=_describe(name, properties.get(name)) if name else "",
        )


def _clean(schema: Any) -> Any:
    """The schema without the page's own ``required`` flags, which no validator understands.

    What a branch adds is judged by :func:`_fill`; a validator would demand the branch of the whole object.
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


def _check_confirmation(form: str, filled: Mapping[str, Any]) -> None:
    if "confirmation" in filled and filled["confirmation"] is not True:
        raise FormError(
            f"{form}: the confirmation is not given",
            fix="pass confirmation=True, as the user ticks the box before the workflow starts",
        )
