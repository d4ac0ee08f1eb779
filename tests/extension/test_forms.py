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
        ({"single_execution": 1}, "single_execution must be of type boolean"),
        ({"labels": "a"}, "labels must be of type array"),
        ({"labels": ["c"]}, "labels.0: 'c' is not one of ['a', 'b']"),
        ({"threshold_bins": 4}, "4 is less than the minimum of 8"),
        ({"threshold_bins": 4000}, "4000 is greater than the maximum of 1024"),
        ({"mode": "medium"}, "mode: 'medium' is not one of ['fast', 'slow']"),
        ({"fixed": "g"}, "fixed: 'f' was expected"),
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


def test_a_required_flag_inside_of_an_object_counts_but_not_below_a_oneof() -> None:
    inner = {"type": "object", "properties": {"name": {"type": "string", "required": True}}}
    ui = {"workflow_form": {"type": "object", "properties": {"model": inner}}}
    with pytest.raises(FormError, match=r"required value 'model\.name' is missing"):
        forms.complete(ui, {})
    assert forms.complete(ui, {"model": {"name": "x"}}) == {"workflow_form": {"model": {"name": "x"}}}
    below = {"type": "object", "properties": {"a": {"type": "string"}}, "oneOf": [inner]}
    forms.complete({"workflow_form": {"type": "object", "properties": {"model": below}}}, {})


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
    earlier = forms.complete(ui, {}, confirmation_required=False)
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
    assert forms.complete(BRANCHES, {})["workflow_form"] == {
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
        ({"unknown": "64"}, {"unknown": "64"}),
    ],
)
def test_text_of_the_command_line_becomes_the_type_of_the_schema(text: dict[str, str], value: dict[str, Any]) -> None:
    assert forms.from_text(UI, text) == value


@pytest.mark.parametrize("text", [{"threshold_bins": "many"}, {"single_execution": "maybe"}, {"options": "{"}])
def test_text_that_is_not_of_the_type_is_an_error(text: dict[str, str]) -> None:
    with pytest.raises(FormError, match="is not a valid"):
        forms.from_text(UI, text)


def test_a_schema_that_is_not_usable_is_reported_as_the_dags_fault() -> None:
    ui = {"workflow_form": {"properties": {"x": {"type": "string", "pattern": "("}}}}
    with pytest.raises(FormError, match="the DAG's form"):
        forms.complete(ui, {"x": "a"})
