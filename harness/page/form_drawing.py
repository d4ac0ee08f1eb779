"""The forms of a DAG as the form library of the browser draws them.

The library gets a schema of few words, made here: what a DAG file declares never reaches it as it is. It draws and
checks nothing; whether values are taken is decided by :mod:`harness.extension.forms`, as for a test.
"""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from harness.extension.form_schema import (
    collect_properties,
    data_form,
    is_without_choice,
    list_branches,
    make_submitted_name,
    read_choices,
    read_own_properties,
    render,
)
from harness.extension.form_shape import check_shape
from harness.report.text import abbreviate, escape_unseen
from harness.run.posted_forms import read_dataset_choice

_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "array", "object"})
_FORMATS: Final = frozenset({"date", "time", "password", "textarea", "color"})
_DEEPEST: Final = 4
_LONGEST: Final = 2_000
_MOST_CHOICES: Final = 2_000


@dataclasses.dataclass(frozen=True)
class DrawnForm:
    """What the browser draws.

    Attributes:
        schema: of the forms, each a property of it.
        takes_input: whether the DAG takes a dataset.
        documentation: what the DAG says about itself.
    """

    schema: Mapping[str, Any]
    takes_input: bool
    documentation: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return dataclasses.asdict(self)


def draw(ui_forms: Mapping[str, Any]) -> DrawnForm:
    """Return the forms that the platform's page shows, every property that they can have.

    Raises:
        FormError: the DAG's forms are none.
    """
    check_shape(ui_forms)
    parts = {}
    for name, schema in [*render(ui_forms), *data_form(ui_forms)]:
        properties = {} if is_without_choice(schema) else dict(_properties(schema, 0))
        if properties:
            parts[name] = _object(_text(schema.get("title")) or name, properties, _text(schema.get("description")))
    takes_input, _ = read_dataset_choice(ui_forms)
    return DrawnForm(_object("", parts, ""), takes_input, _documentation(ui_forms.get("documentation_form")))


def _properties(schema: Mapping[str, Any], depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    required = schema.get("required")
    listed = required if isinstance(required, list) else []
    found = {name: value for name, value in collect_properties(schema).items() if "#" not in name}
    default = schema.get("default")
    preset = default if isinstance(default, Mapping) else {}
    for name, value in found.items():
        variants = _variants(schema, name) or [value]
        if preset.get(name) is not None:
            # as when it is filled: the default of the object comes first
            variants = [{**one, "default": preset[name]} for one in variants]
        drawn = _drawn(name, variants, depth)
        if name in listed or any("required" in one and not isinstance(one["required"], list) for one in variants):
            drawn["title"] += " (required)"
        yield name, drawn


def _variants(schema: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the schemas that the branches of a form have for one property."""
    found = [read_own_properties(part) for part in (schema, *list_branches(schema))]
    return [value for part in found for key, value in part.items() if make_submitted_name(key) == name]


def _drawn(name: str, variants: Sequence[Mapping[str, Any]], depth: int, *, in_array: bool = False) -> dict[str, Any]:
    first = variants[0]
    kind = _type_of(first)
    drawn: dict[str, Any] = {"type": kind, "title": _text(first.get("title")) or _text(name)}
    if description := _text(first.get("description")):
        drawn["description"] = description
    choices = [] if kind in {"array", "object"} else _choices(variants)
    # of branches that begin with different values none is shown
    if "default" in first and all(one.get("default") == first["default"] for one in variants):
        drawn["default"] = first["default"]
    if choices and in_array:
        drawn["enum"] = [value for value, _ in choices]
        drawn["options"] = {"enum_titles": [title for _, title in choices]}
    elif choices:
        drawn = _list(drawn, choices)
    if kind == "boolean" and "default" in drawn:
        drawn["format"] = "checkbox"
    if first.get("readOnly") is True:
        drawn["readOnly"] = True
    if kind == "string" and not choices and first.get("format") in _FORMATS:
        drawn["format"] = first["format"]
    if kind == "array":
        items = first.get("items")
        drawn["items"] = _drawn("", [items if isinstance(items, Mapping) else {}], depth + 1, in_array=True)
        if "enum" in drawn["items"]:
            # several of a list
            drawn |= {"uniqueItems": True, "format": "checkbox"}
    if kind == "object":
        drawn |= _object(drawn["title"], dict(_properties(first, depth + 1)) if depth < _DEEPEST else {}, "")
    return drawn


def _list(drawn: Mapping[str, Any], choices: Sequence[tuple[Any, str]]) -> dict[str, Any]:
    """Return a list that begins with no choice: its values are JSON, since the library knows "nothing" as a text only.

    ``choice`` marks it for the script of the page.
    """
    default = json.dumps(drawn["default"]) if "default" in drawn else ""
    return {
        **{key: value for key, value in drawn.items() if key in {"title", "description"}},
        "type": "string",
        "choice": True,
        "enum": ["", *(json.dumps(value) for value, _ in choices)],
        "options": {"enum_titles": [" ", *(title for _, title in choices)]},
        "default": default if default in {json.dumps(value) for value, _ in choices} else "",
    }


def _choices(variants: Sequence[Mapping[str, Any]]) -> list[tuple[Any, str]]:
    """Return the values to choose from with their titles: a list, or the constants of branches."""
    constants = [one["const"] for one in variants if "const" in one]
    titles = {
        str(choice["const"]): str(choice.get("title") or choice["const"])
        for choice in variants[0].get("oneOf") or []
        if isinstance(choice, Mapping) and "const" in choice
    }
    values = constants or read_choices(variants[0])
    plain = [value for value in values if isinstance(value, str | int | float | bool)]
    shown = [(value, escape_unseen(titles.get(str(value), str(value)))) for value in dict.fromkeys(plain)]
    return [(value, abbreviate(title, _LONGEST)) for value, title in shown[:_MOST_CHOICES]]


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), None)
    if kind in _TYPES:
        return str(kind)
    values = [schema["const"]] if "const" in schema else read_choices(schema)
    if "default" in schema:
        values = [*values, schema["default"]]
    for value in values:
        for type_, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (list, "array"), (dict, "object")):
            if isinstance(value, type_):
                return name
    return "object" if read_own_properties(schema) else "string"


def _object(title: str, properties: Mapping[str, Any], description: str) -> dict[str, Any]:
    drawn: dict[str, Any] = {"type": "object", "title": title, "properties": dict(properties)}
    if description:
        drawn["description"] = description
    return drawn


def _text(value: Any) -> str:
    """Return a title for the library, which reads markup in titles and drops it: as markup that stands for the text."""
    return html.escape(escape_unseen(abbreviate(value, _LONGEST))) if isinstance(value, str) else ""


def _documentation(form: Any) -> str:
    path = form.get("path") if isinstance(form, Mapping) else None
    return path[:_LONGEST] if isinstance(path, str) else ""
