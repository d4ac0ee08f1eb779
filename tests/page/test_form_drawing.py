"""What the form library of the browser gets of a DAG's form: the properties, and none of its words."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

import harness.page
from harness.errors import FormError
from harness.page.form_drawing import draw

JSON_EDITOR = Path(harness.page.__file__).parent / "assets/json-editor"
HOSTILE = "<img src=x onerror=alert(1)>&amp;\u202e"
SHOWN = "&lt;img src=x onerror=alert(1)&gt;&amp;amp;\\u202e"
# what the library gets; anything else in a schema would be a word that it may act upon
WORDS = {"type", "title", "description", "properties", "default", "enum", "options", "readOnly", "format", "items"}
WORDS |= {"uniqueItems", "choice"}


def fields(schema: dict[str, Any]) -> dict[str, Any]:
    drawn = draw({"workflow_form": {"type": "object", **schema}}).schema
    found: dict[str, Any] = drawn["properties"]["workflow_form"]["properties"]
    return found


def field(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = fields({"properties": {"x": schema}})["x"]
    return found


def words(schema: Any) -> set[str]:
    if not isinstance(schema, dict):
        return set()
    inner = [*schema.get("properties", {}).values(), schema.get("items")]
    return set(schema).union(*map(words, inner))


@pytest.mark.parametrize(
    ("schema", "drawn"),
    [
        ({"type": "integer", "default": 3, "minimum": 1}, {"type": "integer", "default": 3}),
        ({"type": ["null", "number"]}, {"type": "number"}),
        ({"default": True}, {"type": "boolean", "default": True, "format": "checkbox"}),
        ({"type": "boolean"}, {"type": "boolean"}),
        ({"enum": [1, 2]}, {"enum": ["", "1", "2"], "choice": True, "default": ""}),
        ({"type": "string", "enum": ["a"], "default": "a"}, {"enum": ["", '"a"'], "default": '"a"'}),
        ({"type": "string", "const": "a"}, {"enum": ["", '"a"']}),
        ({"type": "string", "readOnly": True}, {"readOnly": True}),
        ({"type": "string", "format": "date"}, {"format": "date"}),
        (
            {"type": "array", "items": {"enum": ["a", "b"]}},
            {"type": "array", "format": "checkbox", "uniqueItems": True},
        ),
        ({"type": "array"}, {"type": "array", "items": {"type": "string", "title": ""}}),
        ({"type": "object", "properties": {"y": {"type": "integer"}}}, {"type": "object"}),
        ({}, {"type": "string", "title": "x"}),
    ],
)
def test_a_field_is_drawn_by_its_type_and_its_choices(schema: dict[str, Any], drawn: dict[str, Any]) -> None:
    assert drawn.items() <= field(schema).items()


@pytest.mark.parametrize(
    "name", ["$ref", "links", "template", "headerTemplate", "watch", "media", "pattern", "x-props"]
)
def test_no_other_word_of_a_schema_reaches_the_library(name: str) -> None:
    other = {name: "http://127.0.0.1/x", "format": "upload", "options": {"infoText": HOSTILE}}
    schema = {"type": "array", **other, "items": {"type": "object", **other, "properties": {"a": other}}}
    assert words(field(schema)) <= WORDS
    assert "127.0.0.1" not in json.dumps(field(schema))


def test_texts_of_the_dag_stay_texts_where_the_library_reads_markup() -> None:
    drawn = field({"title": HOSTILE, "description": HOSTILE, "oneOf": [{"const": "a", "title": HOSTILE}]})
    assert (drawn["title"], drawn["description"]) == (SHOWN, SHOWN)
    # what it sets as text is not escaped, but made visible
    assert drawn["options"]["enum_titles"][1] == HOSTILE.replace("\u202e", "\\u202e")


def test_the_branches_of_a_form_are_one_choice_and_all_their_fields() -> None:
    branches = [
        {"title": "A", "properties": {"model": {"const": "a"}, "size": {"type": "integer", "default": 1}}},
        {"title": "B", "properties": {"model": {"const": "b"}, "size#2": {"type": "integer", "default": 2}, "z": {}}},
    ]
    found = fields({"oneOf": branches})
    assert found["model"]["enum"] == ["", '"a"', '"b"']
    assert set(found) == {"model", "size", "z"}
    assert "default" not in found["size"]


def test_fields_of_conditions_are_shown() -> None:
    found = fields({"if": {"properties": {"a": {"const": 1}}}, "then": {"properties": {"b": {"type": "string"}}}})
    assert "b" in found


def test_a_form_without_choice_and_forms_that_are_not_shown_are_left_out() -> None:
    forms = {"models_form": {"type": "object", "oneOf": []}, "documentation_form": {"path": "https://x"}}
    drawn = draw(forms)
    assert drawn.schema["properties"] == {}
    assert drawn.documentation == "https://x"


def test_a_field_is_marked_that_must_have_a_value() -> None:
    found = fields({"required": ["a"], "properties": {"a": {}, "b": {"required": True}, "c": {}}})
    assert [field["title"] for field in found.values()] == ["a (required)", "b (required)", "c"]


def test_nested_forms_and_long_lists_have_an_end() -> None:
    deep: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "string"}}}
    for _ in range(12):
        deep = {"type": "object", "properties": {"x": deep}}
    assert len(json.dumps(field(deep))) < 2_000
    assert len(field({"enum": list(range(10_000))})["enum"]) <= 2_001


def test_an_invalid_form_is_refused() -> None:
    with pytest.raises(FormError):
        draw({"workflow_form": {"type": "object", "properties": []}})


def test_the_library_is_the_published_one_with_its_licence_and_version() -> None:
    files = {path.name: path.read_bytes() for path in JSON_EDITOR.iterdir()}
    assert set(files) == {"jsoneditor.js", "jsoneditor.js.LICENSE.txt", "LICENSE", "README.md"}
    digest = hashlib.sha256(files["jsoneditor.js"]).hexdigest()
    assert digest == "c7a7278bf93d75e3de8b02a914ed36bd879a3e76105a87b6aa286a5a7885f4fc"
    assert files["LICENSE"].startswith(b"The MIT License (MIT)")
    (version,) = re.findall(rb'@version "([\d.]+)"', files["jsoneditor.js.LICENSE.txt"])
    assert f"JSON Editor {version.decode()}\n".encode() in files["README.md"]


def test_the_default_of_a_form_comes_before_those_of_its_fields() -> None:
    fields = {"a": {"type": "integer", "default": 1}, "b": {"type": "integer", "default": 2}}
    drawn = draw({"workflow_form": {"type": "object", "default": {"a": 5}, "properties": fields}})
    shown = drawn.schema["properties"]["workflow_form"]["properties"]
    assert (shown["a"]["default"], shown["b"]["default"]) == (5, 2)


def test_a_tree_of_files_takes_the_place_of_the_input() -> None:
    data = {"data_form": {"type": "object", "properties": {"dataset_name": {"type": "string"}}}}
    assert draw(data).takes_input
    assert not draw({**data, "backend_form": {}}).takes_input
    assert draw({**data, "backend_form": {"include-dataset": True}}).takes_input
