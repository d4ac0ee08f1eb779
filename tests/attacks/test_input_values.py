"""Values of forms and of --conf that Python and YAML have and JSON has not: refused by their place."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from harness.errors import FormError, UsageError
from harness.extension import forms
from harness.run.posted_forms import count_jobs, read_posted

_DEEP: dict[str, Any] = {}
for _ in range(3000):
    _DEEP = {"a": _DEEP}
_CYCLE: dict[str, Any] = {}
_CYCLE["a"] = _CYCLE


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (datetime.date(2024, 1, 1), "a is the date 2024-01-01, which JSON does not have: put it in quotes"),
        (Path("x"), "a is an object of the type PosixPath"),
        (float("inf"), "a is inf, which is not a number of JSON"),
        ([1, {"b": float("nan")}], r"a\[1\]\.b is nan"),
        ("\ud800", "a has half of a surrogate pair"),
        ({"\ud800": 1}, "half of a surrogate pair"),
        ({(1, 2): 1}, r"the key \(1, 2\) is not text"),
        (b"x", "of the type bytes"),
        ({1}, "of the type set"),
        (_DEEP, "nested deeper than 100 levels"),
        (_CYCLE, "nested deeper than 100 levels"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_json_cannot_say_is_named_with_its_place(value: Any, said: str) -> None:
    schema = {"type": "object", "properties": {"a": {}}}
    with pytest.raises(FormError, match=f"form.*{said}"):
        forms.complete({"workflow_form": schema}, {"a": value})
    with pytest.raises(UsageError, match=f"--conf.*{said}"):
        read_posted({"workflow_form": {"a": value}}, "--conf")


@pytest.mark.parametrize(
    ("data_form", "said"),
    [
        ({"identifiers": 3}, "data_form.identifiers must be a list of series UIDs, not 3"),
        ({"identifiers": "1.2"}, "data_form.identifiers must be a list of series UIDs, not '1.2'"),
        ({"identifiers": ["1.2", None]}, r"data_form.identifiers must be a list of series UIDs, not \['1.2', None\]"),
        ({"dataset_name": 3}, "data_form.dataset_name must be a string, not 3"),
        ({"dataset_name": ["a"]}, r"data_form.dataset_name must be a string, not \['a'\]"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_value_that_cannot_name_an_input_is_refused_with_its_field(data_form: Any, said: str, whole: bool) -> None:
    conf = {"data_form": data_form}
    with pytest.raises(UsageError, match=f"--conf.*: {said}"):
        read_posted({"conf_data": conf} if whole else conf, "--conf")


def test_a_limit_beyond_all_numbers_makes_no_job() -> None:
    conf = {"workflow_form": {"single_execution": True}, "data_form": {"dataset_limit": float("inf")}}
    assert count_jobs(conf, ["1.2"]) == 0
