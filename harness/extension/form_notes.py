"""What is wrong with a DAG's form whatever a user enters, so that an author learns it at once (runtime 11.3, 18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.common.documents import abridge
from harness.errors import FormError
from harness.extension.form_rules import find_flags
from harness.extension.form_schema import collect_properties, is_rendered, read_kinds
from harness.extension.form_shape import check_shape

_NEVER = "no user can start the workflow"


def find_problems(form: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of one form, each a sentence that begins with the field; none of what is no schema at all.

    Args:
        form: its name.
        schema: as the backend delivers it.
    """
    try:
        check_shape({form: schema})
    except FormError:
        return
    known = collect_properties(schema)
    for path, _ in find_flags(schema, ()):
        names = [part for part in path if part not in ("properties", "items") and not part.isdigit()]
        where, name = ".".join((form, *names)), path[-1]
        if "." in name:
            yield f"{where} has a `required` key and a dot in its name, at which the page splits it: {_NEVER}"
        elif len(path) > 2 and name not in known:
            yield (
                f"{where} has a `required` key, and the page looks for {name} at the top level of the form: {_NEVER}. "
                "Leave the key out, or list the name in `required: [...]` of the object around it"
            )
    properties = schema.get("properties")
    for name, value in (properties if isinstance(properties, Mapping) else {}).items():
        if isinstance(value, Mapping):
            yield from (f"{form}.{name} {problem}" for problem in _find_in_property(form, name, value))


def _find_in_property(form: str, name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    kinds, default, choices = read_kinds(schema), schema.get("default"), schema.get("enum")
    flagged = "required" in schema and not isinstance(schema["required"], list) and "enum" not in schema
    read_only = bool(schema.get("readOnly"))
    if flagged and schema["required"] is False:
        yield "has `required: False`, which the platform's page treats like True: leave the key out"
    if flagged and "object" in kinds and schema["required"] is True and is_rendered({**schema, "required": []}):
        yield "has `required: true`, with which the page renders none of its fields: its value stays {}"
    if flagged and read_only and default is None and "object" not in kinds:
        yield f"is required and readOnly but has no default: {_NEVER}"
    items = schema.get("items")
    if flagged and "array" in kinds and isinstance(items, Mapping) and {"integer", "number"} & set(read_kinds(items)):
        yield f"is a required array of numbers, on which the page's check fails: {_NEVER}"
    if "array" in kinds and isinstance(default, str) and isinstance(items, Mapping) and read_kinds(items) == ["string"]:
        yield f"is an array of texts with the text {abridge(default)} as its default, on which the page fails: {_NEVER}"
    # a list that is made at import may be empty at first
    if isinstance(choices, list) and choices and default is not None and default not in choices:
        end = _NEVER if read_only else "users must choose another one before the start"
        yield f"has the default {abridge(default)}, which is not in its enum: {end}"
    if kinds == ["integer"] and isinstance(default, float) and not default.is_integer():
        yield f"is an integer with the default {default}: users can keep it, but enter whole numbers only"
    if form == "workflow_form" and name == "single_execution":
        started = schema.get("default", False)
        if schema.get("type") != "boolean" or not isinstance(started, bool):
            yield "is not a boolean: every value but true counts as false, so all series go into one run"
