"""Fill a workflow form as the platform's page does, from the values that an author gives (runtime 11).

The form is a set of JSON schema objects (``ui_forms`` of the DAG). Untouched properties get their default, as
in the browser, of any type. Where the browser would silently drop or reset a value, or has no field for it, a
test author gets an error instead: an unknown key, a value of the wrong type, a required value that is missing.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from harness.common.documents import DocumentError, abridge, check_json, parse_json
from harness.errors import FormError
from harness.extension.form_fill import fill
from harness.extension.form_rules import (
    AS_BUILT,
    PageRules,
    check_confirmation,
    check_listed,
    check_required,
    check_schema,
    is_met,
)
from harness.extension.form_schema import (
    collect_properties,
    data_form,
    describe,
    is_without_choice,
    make_submitted_name,
    read_choices,
    render,
    resolve,
)
from harness.extension.form_shape import check_shape


def complete(ui_forms: Mapping[str, Any], values: Mapping[str, Any], *, rules: PageRules = AS_BUILT) -> dict[str, Any]:
    """Return the rendered forms as the browser would submit them.

    Args:
        ui_forms: the DAG's ``ui_forms`` as the backend delivers them.
        values: property name to value. A key that names a form of the DAG and holds a mapping applies to that
            form; all other keys belong to the form that has such a property, ``workflow_form`` first. ``None``
            clears a number or a drop-down list, so that its key is not submitted.
        rules: those of the release.

    Returns:
        form name to values, for every form that is submitted; ``data_form`` without the dataset, which is chosen
        apart from it, and not at all when nothing else is in it. A form of models is not there while no model is
        installed.

    Raises:
        FormError: unknown key, a value that no field takes, a required value missing, or a rule of the schema broken;
            or the DAG's forms are none.
    """
    check_shape(ui_forms)
    try:
        check_json(values, "form")
    except DocumentError as error:
        raise FormError(str(error)) from None
    given = _by_form(ui_forms, values)
    submitted: dict[str, Any] = {}
    for form, schema in [*render(ui_forms), *data_form(ui_forms)]:
        if is_without_choice(schema):
            if given.get(form):
                names = ", ".join(sorted(given[form]))
                raise FormError(
                    f"{form}: {names} cannot be given: the list of the form's choices is empty, so the page shows "
                    "nothing of it",
                    fix="a form of models is filled with the models that are installed",
                )
            continue
        filled = fill(form, schema, given.get(form, {}))
        active = resolve(schema, filled, form=form, holds=is_met)
        check_listed(form, active, filled)
        check_schema(form, active, filled)
        check_required(form, schema, filled, rules)
        if rules.confirmation_required:
            check_confirmation(form, filled)
        # vjsf forbids equal names in branches, so the text after # is cut at submission (runtime 11.2)
        submitted[form] = {make_submitted_name(key): value for key, value in filled.items()}
    if not submitted.get("data_form"):
        submitted.pop("data_form", None)
    return submitted


def parse_text(ui_forms: Mapping[str, Any], pairs: Mapping[str, str]) -> dict[str, Any]:
    """Convert values of a command line, ``name=text``, into the types of the schema.

    Arrays are JSON or a comma-separated list. No text clears a number or a drop-down list. A name that no form
    has is passed through, so that :func:`complete` reports it.

    Raises:
        FormError: the text does not read as the type.
    """
    check_shape(ui_forms)
    values: dict[str, Any] = {}
    for name, text in pairs.items():
        schema = next(
            (
                properties[name]
                for _, form in [*render(ui_forms), *data_form(ui_forms)]
                for properties in [collect_properties(form)]
                if name in properties
            ),
            None,
        )
        values[name] = text if schema is None else _parse_typed(name, schema, text)
    return values


def _parse_typed(name: str, schema: Mapping[str, Any], text: str) -> Any:
    kind = schema.get("type")
    choices = read_choices(schema)
    if not text and (kind in ("integer", "number") or (choices and text not in choices)):
        return None
    try:
        if kind == "integer":
            return _read_default(schema, text) if "." in text or "e" in text.lower() else int(text)
        if kind == "number":
            return _finite(float(text))
        if kind == "boolean":
            return {"true": True, "false": False}[text.strip().lower()]
        if kind == "array":
            if text.lstrip().startswith("["):
                return parse_json(text)
            items = schema.get("items") or {}
            return [_parse_typed(name, items, part.strip()) for part in text.split(",") if part.strip()]
        if kind == "object":
            return parse_json(text)
    except (ValueError, KeyError):
        raise FormError(
            f"form value {name}={abridge(text)} is not a valid {kind}", fix=describe(name, schema)
        ) from None
    return text


def _read_default(schema: Mapping[str, Any], text: str) -> Any:
    """Return the fractional default of a whole number, which survives until a user changes it (runtime 11.2)."""
    default = schema.get("default")
    if isinstance(default, float) and default == float(text):
        return default
    raise ValueError(f"{text} is no whole number")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number of JSON")
    return value


def _by_form(ui_forms: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    given: dict[str, dict[str, Any]] = {}
    forms = [*render(ui_forms), *data_form(ui_forms)]
    forms.sort(key=lambda item: item[0] != "workflow_form")
    known = {form: collect_properties(schema) for form, schema in forms}
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
    return given


def _unknown(name: str, known: Mapping[str, Mapping[str, Any]]) -> FormError:
    names = list(dict.fromkeys(key for properties in known.values() for key in properties))
    close = difflib.get_close_matches(str(name), names, n=3)
    return FormError(
        f"the form has no value {name!r}" + (f"; did you mean {' or '.join(close)}?" if close else ""),
        last_seen="the form's values:\n"
        + (
            "\n".join(describe(key, schema) for properties in known.values() for key, schema in properties.items())
            or "none: the DAG defines no ui_forms"
        ),
        fix="use one of these names, or add the property to the DAG's ui_forms",
    )
