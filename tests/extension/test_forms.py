from __future__ import annotations

from typing import Any

import pytest

from harness.errors import FormError
from harness.extension import forms

UI: dict[str, Any] = {
    "documentation_form": {"path": "/user_guide/extensions.html"},
    "data_form": {
        "type": "object",
        "properties": {
            "dataset_name": {"type": "string", "oneOf": [{"const": "brain", "title": "brain (1)"}]},
            "dataset_limit": {"type": "integer"},
        },
    },
    "workflow_form": {
        "type": "object",
        "properties": {
            "single_execution": {"type": "boolean", "default": False, "readOnly": True},
            "input": {"type": "string", "default": "MR"},
            "threshold_bins": {"type": "integer", "default": 128, "minimum": 8, "maximum": 1024},
            "sigma": {"type": "number"},
            "mode": {"type": "string", "enum": ["fast", "slow"], "default": "fast"},
            "only": {"type": "string", "enum": ["one"]},
            "fixed": {"type": "string", "const": "f"},
            "labels": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            "options": {"type": "object"},
            "rate": {"type": "integer", "default": 0.01},
            "nothing": {"type": "string", "default": None},
            "title": {"type": "string", "pattern": "^[a-z]+$"},
        },
    },
}


def submitted(**values: Any) -> dict[str, Any]:
    return forms.complete(UI, values)["workflow_form"]


def test_an_untouched_form_submits_its_defaults_constants_and_empty_containers() -> None:
    assert forms.complete(UI, {}) == {
        "workflow_form": {
            "single_execution": False,
            "input": "MR",
            "threshold_bins": 128,
            "mode": "fast",
            "only": "one",
            "fixed": "f",
            "labels": [],
            "options": {},
            "rate": 0.01,
        }
    }


def test_given_values_replace_the_defaults() -> None:
    filled = submitted(threshold_bins=64, sigma=2, labels=["a"], mode="slow")
    assert (filled["threshold_bins"], filled["sigma"], filled["labels"], filled["mode"]) == (64, 2, ["a"], "slow")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"treshold_bins": 1}, "no value 'treshold_bins'; did you mean threshold_bins?"),
        ({"threshold_bins": "64"}, "threshold_bins must be of type integer, got '64' (str)"),
        ({"threshold_bins": True}, "threshold_bins must be of type integer"),
        ({"threshold_bins": 64.5}, "threshold_bins must be of type integer"),
        ({"labels": "a"}, "labels must be of type array"),
        ({"labels": ["c"]}, "labels.0: 'c' is not one of ['a', 'b']"),
        ({"threshold_bins": 4}, "4 is less than the minimum of 8"),
        ({"threshold_bins": 4000}, "4000 is greater than the maximum of 1024"),
        ({"mode": "medium"}, "mode: 'medium' is not one of ['fast', 'slow']"),
        ({"fixed": "g"}, "fixed cannot be set to 'g': it has no field: its value is always 'f'"),
        ({"only": "two"}, "only cannot be set to 'two'"),
        ({"rate": 0.02}, "rate must be of type integer, got 0.02"),
        ({"single_execution": True}, "single_execution cannot be set to True: it is readOnly, and stays False"),
        ({"options": {"k": 1}}, "options cannot be set to {'k': 1}: the page shows no field for the object"),
        ({"title": "A1"}, "does not match"),
        ({"dataset_limit": "2"}, "dataset_limit must be of type integer"),
    ],
)
def test_a_value_that_the_form_would_not_take_is_an_error(values: dict[str, Any], message: str) -> None:
    with pytest.raises(FormError) as caught:
        forms.complete(UI, values)
    assert message in caught.value.cause
    assert caught.value.exit_status == 2


def test_the_error_of_an_unknown_key_lists_all_values_with_type_and_default() -> None:
    with pytest.raises(FormError) as caught:
        submitted(bins=1)
    assert "threshold_bins (integer, default 128)" in caught.value.last_seen
    assert 'mode (string, default "fast", one of ["fast", "slow"])' in caught.value.last_seen


def test_a_dag_without_forms_takes_no_value() -> None:
    assert forms.complete({}, {}) == {}
    with pytest.raises(FormError, match="no value 'x'"):
        forms.complete({}, {"x": 1})


def test_a_dataset_limit_goes_to_the_data_form() -> None:
    assert forms.complete(UI, {"dataset_limit": 2})["data_form"] == {"dataset_limit": 2}


def test_the_data_form_is_submitted_and_checked_like_the_others_but_for_the_dataset() -> None:
    limit = {"type": "integer", "default": 2}
    schema = {"type": "object", "properties": {"dataset_name": {"type": "string", "required": True}}}
    assert forms.complete({"data_form": schema}, {}) == {}
    schema["properties"] |= {"dataset_limit": limit}  # type: ignore[operator]
    assert forms.complete({"data_form": {**schema, "required": ["dataset_name"]}}, {}) == {
        "data_form": {"dataset_limit": 2}
    }
    with pytest.raises(FormError, match="data_form: dataset_limit must be of type integer"):
        forms.complete({"data_form": schema}, {"dataset_limit": "2"})
    bucket = {"bucket_name": {"type": "string", "required": True}}
    with pytest.raises(FormError, match="data_form: the required value 'bucket_name' is missing"):
        forms.complete({"data_form": {"type": "object", "properties": bucket}}, {})


def one(schema: dict[str, Any], **values: Any) -> dict[str, Any]:
    """What a form with the property ``x`` submits."""
    return dict(
        forms.complete({"workflow_form": {"type": "object", "properties": {"x": schema}}}, values)["workflow_form"]
    )


# --- what untouched fields submit, by rows of runtime 11.2 -----------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "default": 0.01}, 0.01),
        ({"type": "string", "default": 1}, 1),
        ({"type": "boolean", "default": "False"}, "False"),
        ({"type": "string", "default": "d", "readOnly": True}, "d"),
        ({"type": "array", "default": ""}, ""),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "object", "properties": {"y": {"type": "string", "default": "z"}}}, {"y": "z"}),
        ({"type": "object", "default": None}, {}),
        ({"type": "object", "required": True, "properties": {"y": {"type": "string", "default": "z"}}}, {}),
        ({"type": "string", "const": "c"}, "c"),
        ({"type": "string", "enum": ["e"]}, "e"),
        ({"type": ["string", "null"]}, None),
        ({"type": "string", "oneOf": [], "default": "free"}, "free"),
        ({"type": "string", "oneOf": [{"const": "a", "title": "A"}], "default": "not listed"}, "not listed"),
    ],
)
def test_an_untouched_field_submits_its_default_whatever_its_type(schema: dict[str, Any], value: Any) -> None:
    assert one(schema) == {"x": value}
    assert one(schema, x=value) == {"x": value}


@pytest.mark.parametrize(
    "schema",
    [{"type": "string", "default": None}, {"type": "boolean"}, {"type": "integer"}, {"type": "string", "oneOf": []}],
)
def test_an_untouched_field_without_a_default_is_absent(schema: dict[str, Any]) -> None:
    assert one(schema) == {}


def test_a_default_outside_its_enum_blocks_the_start_until_a_listed_value_is_chosen() -> None:
    schema = {"type": "string", "enum": ["a", "b"], "default": "c"}
    with pytest.raises(FormError, match="x: 'c' is not one of"):
        one(schema)
    assert one(schema, x="a") == {"x": "a"}
    with pytest.raises(FormError, match="x: 'c' is not one of"):
        one({**schema, "readOnly": True})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "date", "default": "no date"},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "default": ["a", "a"]},
        {"type": "number", "multipleOf": 2, "default": 3},
    ],
)
def test_a_value_that_the_renderer_does_not_check_is_submitted(schema: dict[str, Any]) -> None:
    assert one(schema) == {"x": schema["default"]}


def test_an_object_keeps_the_defaults_of_the_fields_that_are_not_given() -> None:
    schema = {"type": "object", "properties": {"y": {"type": "string", "default": "z"}, "n": {"type": "integer"}}}
    assert one(schema, x={"n": 2}) == {"x": {"y": "z", "n": 2}}
    with pytest.raises(FormError, match=r"the form has no value x\.q"):
        one(schema, x={"q": 1})
    with pytest.raises(FormError, match=r"x\.n must be of type integer"):
        one(schema, x={"n": "2"})


def test_fields_of_a_readonly_object_cannot_be_changed() -> None:
    schema = {"type": "object", "readOnly": True, "properties": {"y": {"type": "string", "default": "z"}}}
    assert one(schema, x={"y": "z"}) == {"x": {"y": "z"}}
    with pytest.raises(FormError, match=r"x\.y cannot be set to 'q': it is readOnly") as caught:
        one(schema, x={"y": "q"})
    assert "--conf" in caught.value.fix


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "string", "oneOf": [{"const": "a"}, {"const": "b"}]}, "c", "x: 'c' is not one of ['a', 'b']"),
        ({"type": "array"}, ["a"], "an array without `items` cannot be rendered"),
        ({"type": "array", "items": {"type": "boolean"}}, [True], "does not render an array of boolean"),
        ({"type": "array", "items": {"type": "integer"}}, [1, "b"], "x.1 must be of type integer"),
        ({"type": "object", "required": True, "properties": {"y": {"type": "string"}}}, {"y": "z"},
         "its `required: true` makes the page's rendering fail"),
    ],
)  # fmt: skip
def test_a_value_without_a_field_is_refused(schema: dict[str, Any], value: Any, message: str) -> None:
    with pytest.raises(FormError) as caught:
        one(schema, x=value)
    assert message in caught.value.cause


def test_a_list_without_choices_is_a_plain_text_field() -> None:
    assert one({"type": "string", "oneOf": []}, x="anything") == {"x": "anything"}


# --- the page's own rule, by rows of runtime 11.3 --------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, False, " ", {}])
def test_a_required_value_may_be_zero_false_blank_or_an_empty_object(value: Any) -> None:
    kind = {int: "integer", bool: "boolean", str: "string", dict: "object"}[type(value)]
    assert one({"type": kind, "required": True, "default": value})["x"] == value


@pytest.mark.parametrize(("value", "passes"), [(["x", ""], True), (["", "x"], True), ([" "], False), ([], False)])
def test_a_required_array_needs_one_element_that_is_not_blank(value: list[str], passes: bool) -> None:
    schema = {"type": "array", "items": {"type": "string"}, "required": True}
    if passes:
        assert one(schema, x=value) == {"x": value}
    else:
        with pytest.raises(FormError, match="the required value 'x' is missing"):
            one(schema, x=value)


@pytest.mark.parametrize("value", [[1, 2], [0, 3]])
def test_a_required_array_of_numbers_is_never_submittable(value: list[int]) -> None:
    with pytest.raises(
        FormError, match=r"'x' can never be satisfied: the page treats the element \d as a text"
    ) as caught:
        one({"type": "array", "items": {"type": "integer"}, "required": True}, x=value)
    assert "--conf" in caught.value.last_seen


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "object", "properties": {"name": {"type": "string", "required": True}}}, "x.name"),
        ({"type": "object", "properties": {"name": {"type": "string", "required": None}}}, "x.name"),
        ({"type": "array", "items": {"type": "string", "required": False}}, "x"),
        ({"type": "array", "items": {"type": "object", "properties": {"y": {"required": True}}}}, "x.y"),
    ],
)
def test_a_required_key_deeper_in_the_form_is_never_satisfied(schema: dict[str, Any], where: str) -> None:
    with pytest.raises(FormError, match=f"the `required` key of '{where}' can never be satisfied"):
        one(schema, **({"x": {"name": "n"}} if "properties" in schema else {}))


def test_a_required_key_in_a_nested_object_is_satisfied_by_a_value_of_that_name_at_the_top() -> None:
    ui = {
        "workflow_form": {
            "type": "object",
            "properties": {
                "model": {"type": "object", "properties": {"name": {"type": "string", "required": True}}},
                "name": {"type": "string"},
            },
        }
    }
    assert forms.complete(ui, {"name": "n"})["workflow_form"] == {"model": {}, "name": "n"}


def test_a_required_key_below_a_oneof_is_not_looked_at() -> None:
    below = {"properties": {"kind": {"const": "a"}, "name": {"type": "string", "required": True}}}
    ui = {"workflow_form": {"type": "object", "properties": {}, "oneOf": [below]}}
    assert forms.complete(ui, {"kind": "a"}) == {"workflow_form": {"kind": "a"}}


def test_a_required_name_with_a_dot_is_never_satisfied() -> None:
    ui = {"workflow_form": {"properties": {"a.b": {"type": "string", "default": "x", "required": True}}}}
    with pytest.raises(FormError, match="the page splits names at dots"):
        forms.complete(ui, {})


@pytest.mark.parametrize("flag", [True, False])
def test_a_required_flag_of_either_value_demands_the_property(flag: bool) -> None:
    ui = {"workflow_form": {"type": "object", "properties": {"name": {"type": "string", "required": flag}}}}
    with pytest.raises(FormError, match="required value 'name' is missing"):
        forms.complete(ui, {})
    assert forms.complete(ui, {"name": "n"}) == {"workflow_form": {"name": "n"}}


@pytest.mark.parametrize("empty", ["", []])
def test_an_empty_required_value_counts_as_missing(empty: Any) -> None:
    kind = "string" if empty == "" else "array"
    ui = {"workflow_form": {"type": "object", "properties": {"x": {"type": kind, "required": True}}}}
    with pytest.raises(FormError, match="required value 'x' is missing"):
        forms.complete(ui, {"x": empty})


def test_a_required_property_with_an_enum_is_not_demanded_by_the_page() -> None:
    ui = {"workflow_form": {"properties": {"x": {"type": "string", "enum": ["a", "b"], "required": True}}}}
    assert forms.complete(ui, {}) == {"workflow_form": {}}
    with pytest.raises(FormError, match="required value 'x' is missing"):
        forms.complete(ui, {}, rules=forms.PageRules(enum_exempt=False))


def test_an_object_level_required_list_counts() -> None:
    ui = {"workflow_form": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}}
    with pytest.raises(FormError, match="required value 'x' is missing"):
        forms.complete(ui, {})


def test_min_items_is_checked() -> None:
    ui = {"workflow_form": {"properties": {"x": {"type": "array", "minItems": 1}}}}
    with pytest.raises(FormError, match="x: "):
        forms.complete(ui, {"x": []})


def test_a_confirmation_must_be_given() -> None:
    ui = {
        "publication_form": {
            "type": "object",
            "properties": {
                "licence": {"type": "string", "default": "CC", "readOnly": True},
                "confirmation": {"type": "boolean", "default": False, "required": True},
            },
        }
    }
    with pytest.raises(FormError, match="confirmation is not given"):
        forms.complete(ui, {})
    assert forms.complete(ui, {"confirmation": True})["publication_form"]["confirmation"] is True
    earlier = forms.complete(ui, {}, rules=forms.PageRules(confirmation_required=False))
    assert earlier["publication_form"]["confirmation"] is False


BRANCHES: dict[str, Any] = {
    "workflow_form": {
        "type": "object",
        "properties": {"single_execution": {"type": "boolean", "default": False}},
        "oneOf": [
            {
                "title": "liver",
                "properties": {
                    "task_ids": {"type": "string", "const": "Task003"},
                    "mode#0": {"type": "string", "default": "2d", "enum": ["2d", "3d"]},
                },
            },
            {
                "title": "spleen",
                "properties": {
                    "task_ids": {"type": "string", "const": "Task009"},
                    "mode#1": {"type": "string", "default": "3d", "enum": ["3d", "full"]},
                    "folds#1": {"type": "integer"},
                },
            },
        ],
    }
}


def test_a_branch_is_chosen_by_its_constant_and_suffixes_are_cut() -> None:
    assert forms.complete(BRANCHES, {"task_ids": "Task003"})["workflow_form"] == {
        "single_execution": False,
        "task_ids": "Task003",
        "mode": "2d",
    }
    assert forms.complete(BRANCHES, {"task_ids": "Task009", "mode": "full"})["workflow_form"] == {
        "single_execution": False,
        "task_ids": "Task009",
        "mode": "full",
    }


def test_a_value_of_another_branch_is_an_error() -> None:
    with pytest.raises(FormError, match="folds does not belong to the chosen branch"):
        forms.complete(BRANCHES, {"task_ids": "Task003", "folds": 2})


def test_a_branch_must_be_chosen_before_the_start() -> None:
    with pytest.raises(FormError, match="one of the form's branches must be chosen") as caught:
        forms.complete(BRANCHES, {})
    assert caught.value.last_seen == 'it has task_ids="Task003"; task_ids="Task009"'
    # what only one branch has chooses it, and so does the default of the object
    assert forms.complete(BRANCHES, {"folds": 2})["workflow_form"]["task_ids"] == "Task009"
    preset = {"workflow_form": {**BRANCHES["workflow_form"], "default": {"task_ids": "Task009"}}}
    assert forms.complete(preset, {})["workflow_form"]["mode"] == "3d"


def test_an_optional_branch_need_not_be_chosen() -> None:
    form = {key: value for key, value in BRANCHES["workflow_form"].items() if key != "oneOf"}
    ui = {"workflow_form": {**form, "anyOf": BRANCHES["workflow_form"]["oneOf"]}}
    assert forms.complete(ui, {})["workflow_form"] == {"single_execution": False}


def test_a_model_form_without_a_model_is_not_offered() -> None:
    ui = {"workflow_form": {**BRANCHES["workflow_form"], "oneOf": []}, "other_form": {"properties": {}}}
    assert forms.complete(ui, {}) == {"other_form": {}}
    with pytest.raises(FormError, match="single_execution cannot be given: the list of the form's choices is empty"):
        forms.complete(ui, {"single_execution": True})


def test_dependencies_and_conditions_join_while_they_hold() -> None:
    form = {
        "properties": {"send": {"type": "boolean"}, "kind": {"type": "string", "default": "a"}},
        "dependencies": {"send": {"properties": {"to": {"type": "string", "default": "pacs"}}}, "kind": ["send"]},
        "allOf": [{"properties": {"all": {"type": "string", "default": "yes"}}}],
        "if": {"properties": {"kind": {"const": "b"}}},
        "then": {"properties": {"only_b": {"type": "integer", "default": 1}}},
        "else": {"properties": {"only_a": {"type": "integer", "default": 2}}},
    }
    ui = {"workflow_form": {"type": "object", **form}}
    assert forms.complete(ui, {})["workflow_form"] == {"kind": "a", "all": "yes", "only_a": 2}
    assert forms.complete(ui, {"send": True, "kind": "b"})["workflow_form"] == {
        "send": True, "kind": "b", "all": "yes", "to": "pacs", "only_b": 1
    }  # fmt: skip
    with pytest.raises(FormError, match="to does not belong"):
        forms.complete(ui, {"send": False, "to": "x"})


def test_a_file_tree_without_a_dataset_drops_the_data_form() -> None:
    ui = {**UI, "backend_form": {"backend-route": "/files"}}
    assert "data_form" not in forms.complete({**ui, "data_form": {"properties": {"limit": {"default": 1}}}}, {})
    kept = forms.complete(
        {**ui, "data_form": {"properties": {"limit": {"default": 1}}}, "backend_form": {"include-dataset": True}}, {}
    )
    assert kept["data_form"] == {"limit": 1}


def test_a_constant_that_no_branch_has_is_an_error() -> None:
    with pytest.raises(FormError):
        forms.complete(BRANCHES, {"task_ids": "Task999"})


def test_a_value_outside_the_enum_of_its_branch_is_an_error() -> None:
    with pytest.raises(FormError, match="mode"):
        forms.complete(BRANCHES, {"task_ids": "Task009", "mode": "2d"})


def test_values_may_be_given_by_form() -> None:
    ui = {**UI, "extra_form": {"properties": {"input": {"type": "string"}}}}
    filled = forms.complete(ui, {"extra_form": {"input": "x"}, "input": "CT"})
    assert (filled["extra_form"], filled["workflow_form"]["input"]) == ({"input": "x"}, "CT")
    with pytest.raises(FormError, match="no value 'y'"):
        forms.complete(ui, {"extra_form": {"y": 1}})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ({"threshold_bins": "64"}, {"threshold_bins": 64}),
        ({"sigma": "1.5"}, {"sigma": 1.5}),
        ({"single_execution": "true"}, {"single_execution": True}),
        ({"labels": "a, b"}, {"labels": ["a", "b"]}),
        ({"labels": '["a"]'}, {"labels": ["a"]}),
        ({"options": '{"k": 1}'}, {"options": {"k": 1}}),
        ({"input": "64"}, {"input": "64"}),
        ({"dataset_limit": "3"}, {"dataset_limit": 3}),
        ({"rate": "0.01"}, {"rate": 0.01}),
        ({"rate": "2"}, {"rate": 2}),
        ({"unknown": "64"}, {"unknown": "64"}),
    ],
)
def test_text_of_the_command_line_becomes_the_type_of_the_schema(text: dict[str, str], value: dict[str, Any]) -> None:
    assert forms.parse_text(UI, text) == value


@pytest.mark.parametrize(
    "text", [{"threshold_bins": "many"}, {"rate": "0.02"}, {"single_execution": "maybe"}, {"options": "{"}]
)
def test_text_that_is_not_of_the_type_is_an_error(text: dict[str, str]) -> None:
    with pytest.raises(FormError, match="is not a valid"):
        forms.parse_text(UI, text)


def test_a_schema_that_is_not_usable_is_reported_as_the_dags_fault() -> None:
    ui = {"workflow_form": {"properties": {"x": {"type": "string", "pattern": "("}}}}
    with pytest.raises(FormError, match="the DAG's form"):
        forms.complete(ui, {"x": "a"})


@pytest.mark.parametrize(("value", "joins"), [(0, True), (0.0, True), ("", True), ([], False), ({}, False)])
def test_a_field_that_depends_on_a_value_joins_also_for_zero_and_an_empty_text(value: Any, joins: bool) -> None:
    form = {
        "properties": {"n": {"default": value}},
        "dependencies": {"n": {"properties": {"to": {"type": "string", "default": "pacs"}}}},
    }
    assert ("to" in forms.complete({"workflow_form": {"type": "object", **form}}, {})["workflow_form"]) is joins


# --- objects in a form -----------------------------------------------------------------------------------------------

STRATEGY: dict[str, Any] = {
    "type": "object",
    "oneOf": [
        {"properties": {"method": {"type": "string", "const": "fedavg"}}},
        {
            "properties": {
                "method": {"type": "string", "const": "feddc"},
                "rate": {"type": "integer", "default": 1},
                "site": {"type": "string"},
            },
            "required": ["site"],
        },
    ],
}


def test_the_default_of_an_object_comes_before_those_of_its_fields_and_brings_no_unknown_key() -> None:
    fields = {"a": {"type": "integer", "default": 1}, "b": {"type": "integer", "default": 2}}
    schema = {"type": "object", "default": {"a": 5, "unknown": 6}, "properties": fields}
    assert one(schema) == {"x": {"a": 5, "b": 2}}
    assert one(schema, x={"b": 3}) == {"x": {"a": 5, "b": 3}}
    assert forms.complete({"workflow_form": schema}, {}) == {"workflow_form": {"a": 5, "b": 2}}
    outer = {"type": "object", "default": {"o": {"a": 7}}, "properties": {"o": schema}}
    assert one(outer) == {"x": {"o": {"a": 7, "b": 2}}}


def test_an_object_in_a_form_that_is_all_branches_is_chosen_like_a_form() -> None:
    with pytest.raises(FormError, match="workflow_form: x: one of the form's branches must be chosen"):
        one(STRATEGY)
    assert one(STRATEGY, x={"method": "fedavg"}) == {"x": {"method": "fedavg"}}
    assert one({**STRATEGY, "default": {"method": "feddc", "site": "a"}}) == {
        "x": {"method": "feddc", "rate": 1, "site": "a"}
    }


@pytest.mark.parametrize("given", [{}, {"site": ""}])
def test_a_list_of_required_names_counts_in_branches_and_objects_too(given: dict[str, Any]) -> None:
    with pytest.raises(FormError, match=r"the required value 'x\.site' is missing"):
        one(STRATEGY, x={"method": "feddc", **given})
    with pytest.raises(FormError, match="the required value 'site' is missing"):
        forms.complete({"workflow_form": STRATEGY}, {"method": "feddc", **given})
    inner = {"type": "object", "properties": {"site": {"type": "string"}}, "required": ["site"]}
    with pytest.raises(FormError, match=r"the required value 'x\.site' is missing"):
        one(inner, x=given)
    with pytest.raises(FormError, match="the required value 'site' is missing"):
        forms.complete({"workflow_form": {"type": "object", "allOf": [inner]}}, given)


def test_the_dialog_of_an_array_of_objects_fills_in_defaults() -> None:
    fields = {"name": {"type": "string"}, "colour": {"type": "string", "default": "red"}}
    schema = {"type": "array", "items": {"type": "object", "properties": fields}}
    assert one(schema, x=[{"name": "liver"}]) == {"x": [{"colour": "red", "name": "liver"}]}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "default": 3},
        {"type": "number", "default": 0.5},
        {"type": "string", "enum": ["a", "b"], "default": "a"},
        {"type": "string", "oneOf": [{"const": "a"}, {"const": "b"}], "default": "a"},
        {"type": "string", "default": None},
    ],
)
def test_a_cleared_number_or_drop_down_list_is_not_submitted(schema: dict[str, Any]) -> None:
    assert one(schema, x=None) == {}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "default": "a"},
        {"type": "boolean", "default": True},
        {"type": "integer", "default": 3, "readOnly": True},
        {"type": "array", "items": {"type": "string"}},
    ],
)
def test_a_field_that_a_user_cannot_clear_is_not_cleared(schema: dict[str, Any]) -> None:
    with pytest.raises(FormError, match=r"x must be of type|x cannot be set to None"):
        one(schema, x=None)


def test_no_text_on_the_command_line_clears_a_number_or_a_drop_down_list_and_empties_a_text() -> None:
    given = forms.parse_text(UI, {"threshold_bins": "", "mode": "", "input": ""})
    assert given == {"threshold_bins": None, "mode": None, "input": ""}
    filled = forms.complete(UI, given)["workflow_form"]
    assert not {"threshold_bins", "mode"} & set(filled)
    assert filled["input"] == ""


def test_an_array_of_texts_with_a_text_as_its_default_is_never_startable_from_the_page() -> None:
    with pytest.raises(FormError, match="x: the page's field for an array of texts fails on the text ''") as caught:
        one({"type": "array", "items": {"type": "string"}, "default": ""})
    assert "--conf" in caught.value.last_seen
