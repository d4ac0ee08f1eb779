from __future__ import annotations

from typing import Any

import pytest

from harness.extension.form_notes import find_problems

NUMBERS = {"type": "array", "items": {"type": "number"}}
TEXTS = {"type": "array", "items": {"type": "string"}}
INNER = {"y": {"type": "string", "required": True}}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            {"type": "object", "properties": INNER},
            "x.y has a `required` key, and the page looks for y at the top level",
        ),
        (
            {**TEXTS, "items": {"type": "string", "required": False}},
            "has a `required` key, and the page looks for items",
        ),
        ({**NUMBERS, "required": True}, "x is a required array of numbers, on which the page's check fails"),
        ({**TEXTS, "default": ""}, "x is an array of texts with the text '' as its default, on which the page fails"),
        ({"enum": ["a"], "default": "b"}, "x has the default 'b', which is not in its enum: users must choose another"),
        ({"enum": ["a"], "default": "b", "readOnly": True}, "which is not in its enum: no user can start the workflow"),
        ({"type": "integer", "default": 0.01}, "x is an integer with the default 0.01: users can keep it, but enter"),
        (
            {"type": "object", "required": True, "properties": {"a": {}}},
            "with which the page renders none of its fields",
        ),
        ({"type": "string", "required": True, "readOnly": True}, "x is required and readOnly but has no default"),
        ({"type": "string", "required": False}, "x has `required: False`, which the platform's page treats like True"),
    ],
)
def test_a_field_that_users_cannot_fill_is_named(schema: dict[str, Any], message: str) -> None:
    (found,) = find_problems("workflow_form", {"type": "object", "properties": {"x": schema}})
    assert found.startswith("workflow_form.x")
    assert message in found


def test_a_required_name_with_a_dot_is_named_and_one_that_the_top_level_has_too_is_not() -> None:
    (found,) = find_problems("workflow_form", {"properties": {"a.b": {"type": "string", "required": True}}})
    assert found.startswith("workflow_form.a.b has a `required` key and a dot in its name")
    satisfied = {"x": {"type": "object", "properties": INNER}, "y": {"type": "string"}}
    assert list(find_problems("workflow_form", {"properties": satisfied})) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "required": True},
        {"type": "object", "required": True, "readOnly": True},
        {"type": "integer", "default": 2.0},
        {"enum": ["a", "b"], "default": "a", "required": True},
        {**TEXTS, "required": True, "default": ["a"]},
        {"type": "array", "default": ""},
        {"enum": [], "default": ""},
    ],
)
def test_a_field_that_users_can_fill_is_not(schema: dict[str, Any]) -> None:
    assert list(find_problems("workflow_form", {"properties": {"x": schema}})) == []


@pytest.mark.parametrize("schema", [{"properties": 3}, {"properties": {"x": {"properties": 3}}}, {"oneOf": 1}])
def test_a_form_that_is_not_a_schema_has_no_field_errors(schema: dict[str, Any]) -> None:
    assert list(find_problems("workflow_form", schema)) == []
