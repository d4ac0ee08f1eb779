"""ui_forms: the parts that DAG files use and what the user interface gets (runtime 4.2, 9.2)."""

from __future__ import annotations

from typing import Any

import pytest
from kaapana.blueprints import json_schema_templates as templates
from kaapana.blueprints.kaapana_utils import get_operator_properties, parse_ui_dict

from harness.incluster.airflow.platform_api import drop_unusable_forms
from harness.wire.names import FIELD_FORMS_PROBLEM

FORM = {"workflow_form": {"type": "object"}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ui_visible": True}, None),
        ({"ui_visible": True, "ui_forms": None}, None),
        ({"ui_visible": True, "ui_forms": {**FORM, "data_form": {}}}, ["workflow_form"]),
        ({"ui_visible": True, "ui_forms": FORM}, ["data_form", "workflow_form"]),
        ({"ui_visible": False, "ui_forms": FORM}, ["workflow_form"]),
        ({"ui_forms": FORM}, ["workflow_form"]),
        ({"ui_visible": True, "ui_forms": {"data_form": {"type": "object"}}}, ["data_form"]),
    ],
)
def test_the_dataset_form_is_added_or_removed(given: dict[str, Any], expected: list[str] | None) -> None:
    forms = parse_ui_dict(given).get("ui_forms")
    assert (None if forms is None else sorted(forms)) == expected


def test_the_given_forms_are_not_changed() -> None:
    given = {"ui_visible": True, "ui_forms": dict(FORM)}
    parse_ui_dict(given)
    assert given["ui_forms"] == FORM


def _deep() -> dict[str, Any]:
    form: dict[str, Any] = {}
    for _ in range(5000):
        form = {"a": form}
    return form


@pytest.mark.parametrize(
    ("forms", "said"),
    [
        ([1], "type list, not a dictionary"),
        ("x", "type str, not a dictionary"),
        ({"workflow_form": {"default": float("nan")}}, "not JSON compliant"),
        ({"workflow_form": {"title": "\ud800"}}, "surrogates not allowed"),
        ({"workflow_form": {(1, 2): "a"}}, "keys must be"),
        (_deep(), "recursion"),
    ],
)
def test_forms_that_cannot_be_shown_leave_the_dag_in_the_list_without_them(forms: Any, said: str) -> None:
    shown = drop_unusable_forms({"dag_id": "a", "ui_visible": True, "ui_forms": forms})
    assert said in shown.pop(FIELD_FORMS_PROBLEM)
    assert shown == {"dag_id": "a", "ui_visible": True}
    assert "data_form" in drop_unusable_forms({"dag_id": "a", "ui_visible": True, "ui_forms": FORM})["ui_forms"]


def test_properties_may_be_filtered_and_an_unknown_one_is_an_error() -> None:
    assert list(templates.properties_dataset_form(["dataset_limit"])) == ["dataset_limit"]
    assert list(templates.properties_dataset_form()) == ["dataset_name", "dataset_limit"]
    with pytest.raises(KeyError):
        templates.properties_workflow_execution(["nothing"])


def test_single_execution_is_a_required_boolean_that_is_off() -> None:
    entry = templates.properties_workflow_execution()["single_execution"]
    expected = {"type": "boolean", "default": False, "readOnly": False, "required": True}
    assert expected.items() <= entry.items()


def test_unreadable_projects_give_an_empty_list_but_unreadable_uploads_break_the_import() -> None:
    assert templates.get_all_projects() == []
    with pytest.raises(OSError):  # noqa: PT011 - the platform does not say which
        templates.schema_upload_form([".zip"])


def test_a_bucket_form_without_credentials_offers_nothing() -> None:
    both = templates.schema_minio_form()["data_form"]
    assert both["properties"]["bucket_name"]["default"] == "uploads"
    assert [branch["properties"]["identifier"]["const"] for branch in both["oneOf"]] == ["files", "folders"]


def test_the_properties_of_a_run_come_from_the_context() -> None:
    context = {"run_id": "r-1", "dag_run": "the run"}
    assert get_operator_properties("/data", context=context) == ("r-1", "/data/r-1", "the run", [])
    assert get_operator_properties("/data", **context)[0] == "r-1"
    with pytest.raises(ValueError, match="positional"):
        get_operator_properties("/data", context)
