"""Names of runs, pods and ConfigMaps (runtime 4.3, 6.1, 6.5)."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from kaapana.blueprints import kaapana_utils

from harness.wire import naming


def test_a_run_id_is_the_dag_id_and_eighteen_digits_of_the_local_time() -> None:
    assert naming.run_id("otsus-method", datetime(2026, 1, 2, 3, 4, 5, 678)) == "otsus-method-260102030405000678"
    assert re.fullmatch(r"my-dag-\d{18}", kaapana_utils.generate_run_id("my-dag"))


def test_a_pod_name_is_cut_to_its_first_62_characters_and_ends_with_a_letter_or_digit() -> None:
    assert naming.pod_name("Otsu_1", "Get.Input-") == "otsu-1-get.input"
    long = naming.pod_name("a" * 40, "b" * 21 + "-" + "c" * 9)
    assert long == "a" * 40 + "-" + "b" * 21
    assert naming.pod_name("a" * 61, "b") == "a" * 61


def test_pods_of_python_operators_do_not_share_a_name_where_it_is_cut() -> None:
    run = "total-segmentator-v2-260101000000000000"
    one, other = (naming.worker_name(run, task) for task in ("trigger_totalseg_body", "trigger_totalseg_body_mr"))
    assert naming.pod_name(run, "trigger_totalseg_body") == naming.pod_name(run, "trigger_totalseg_body_mr")
    assert one != other
    assert len(other) <= 62
    assert one.startswith(f"{run}-trigger-tot")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("otsus-method-260102030405000678", None),
        ("my.dag-1", None),
        ("my_dag-1", "lower-case"),
        ("MyDag-1", "lower-case"),
        ("manual__2026-01-01T00:00:00+00:00", "lower-case"),
        ("a" * 50 + "-" + "1" * 18, "at most"),
    ],
)
def test_a_run_id_that_cannot_name_a_configmap_gets_a_reason(given: str, expected: str | None) -> None:
    problem = naming.configmap_problem(given)
    assert problem is None if expected is None else expected in (problem or "")


@pytest.mark.parametrize(
    ("name", "length", "expected"),
    [
        ("My_Run-1", None, "yun-1"),
        ("1abc", None, "abc"),
        ("abc-", None, "abc"),
        ("abcdef", 3, "def"),
        ("ab-cd-ef", 6, "cdef"),
    ],
)
def test_invalid_names_are_cured_by_deleting(name: str, length: int | None, expected: str) -> None:
    assert kaapana_utils.cure_invalid_name(name, naming.RELEASE_REGEX, length) == expected


def test_a_release_is_named_after_the_end_of_the_run_id() -> None:
    run = "body-and-organ-analysis-with-a-long-name-260102030405000678"
    assert kaapana_utils.get_release_name({"run_id": run}) == "kaapanaint-" + run[-42:]


def test_the_label_of_the_run_keeps_lower_case_letters_digits_and_dashes() -> None:
    assert naming.run_id_label("My.dag_x-12") == "ydagx-12".replace("ydagx", "mydagx")
