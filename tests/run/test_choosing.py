from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.run.trigger import check_offered, choose_dag


@pytest.mark.parametrize(
    ("dag_ids", "wanted", "offered", "chosen"),
    [
        (["segment", "segment-subtask"], None, ["segment"], "segment"),
        (["segment", "segment-subtask"], "segment-subtask", ["segment"], "segment-subtask"),
        (["nightly"], None, [], "nightly"),
    ],
)
def test_the_only_dag_that_users_can_choose_needs_no_name(
    dag_ids: list[str], wanted: str | None, offered: list[str], chosen: str
) -> None:
    assert choose_dag(dag_ids, wanted, offered) == chosen


@pytest.mark.parametrize(
    ("dag_ids", "wanted", "offered", "message"),
    [
        (["a", "b"], None, ["b", "a"], "brings 2 DAGs: a, b"),
        (["a", "b"], None, [], "brings 2 DAGs: a, b"),
        (["a"], "x", ["a"], "has no DAG 'x'; it has a"),
        ([], None, [], "brings no DAG"),
    ],
)
def test_without_one_choice_the_dags_are_listed(
    dag_ids: list[str], wanted: str | None, offered: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        choose_dag(dag_ids, wanted, offered)


def test_no_form_starts_a_dag_that_no_page_offers() -> None:
    check_offered("segment", ["segment"])
    with pytest.raises(UsageError, match="no user can start the DAG nightly: ui_visible") as caught:
        check_offered("nightly", ["segment"])
    assert "--conf {}" in (caught.value.fix or "")
