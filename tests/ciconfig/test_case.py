"""Documents of ci-config files, read one by one (shapes 4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.ciconfig import Expectation, SentExpectation, find_tree, make_title, read_case, read_stream
from harness.ciconfig.case import is_ignored
from harness.errors import UsageError

DOCUMENT: dict[str, Any] = {
    "dag_id": "my-dag",
    "conf_data": {"workflow_form": {"single_execution": False}, "data_form": {"dataset_name": "test-CT"}},
    "instance_names": ["central"],
    "username": "kaapana",
    "remote": False,
}


def test_a_document_is_posted_under_the_name_that_the_platforms_runner_gives_it() -> None:
    case = read_case({**DOCUMENT, "workflow_name": "mine"}, "a.yaml")
    assert case.posted.document("my-dag") == {
        "workflow_name": "ci_my-dag",
        "dag_id": "my-dag",
        "username": "kaapana",
        "instance_names": ["central"],
        "conf_data": DOCUMENT["conf_data"],
    }
    assert (case.dag_id, case.dataset_name, case.identifiers, case.started_by) == ("my-dag", "test-CT", (), "form")
    assert case.expect == Expectation()


def test_identifiers_stand_beside_a_data_set(tmp_path: Path) -> None:
    conf = {"data_form": {"identifiers": ["1.2", "1.3"]}}
    case = read_case({**DOCUMENT, "conf_data": conf}, "a.yaml")
    assert (case.dataset_name, case.identifiers) == (None, ("1.2", "1.3"))


def test_a_stream_keeps_its_order_and_knows_yaml_1_1_and_has_no_empty_documents(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("---\ndag_id: b # first\nconf_data: {on_off: yes}\n--- \n\n---\ndag_id: a\nconf_data: {}\n---\n")
    assert read_stream(file) == [{"dag_id": "b", "conf_data": {"on_off": True}}, {"dag_id": "a", "conf_data": {}}]
    file.write_text("")
    assert read_stream(file) == []


def test_invalid_yaml_is_reported_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("dag_id: a\nconf_data: {\n")
    with pytest.raises(UsageError, match=r"a\.yaml is not YAML: line 3"):
        read_stream(file)
    file.write_text("dag_id: !!python/object:os.system a\n")
    with pytest.raises(UsageError, match="could not determine a constructor"):
        read_stream(file)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([1], r"is not a mapping but \[1\]: the platform's runner crashes on it"),
        ({**DOCUMENT, "conf_dat": {}}, "the key 'conf_dat' has no meaning; did you mean conf_data?"),
        ({**DOCUMENT, 5: {}}, "the key 5 has no meaning"),
        ({"conf_data": {}}, "has no dag_id"),
        ({"dag_id": "a"}, "has no conf_data"),
        ({**DOCUMENT, "dag_id": 5}, "dag_id must be a string, not 5"),
        ({**DOCUMENT, "conf_data": {"workflow_form": []}}, "workflow_form must be an object"),
        ({**DOCUMENT, "ci_ignore": "yes"}, "ci_ignore must be true or false, not 'yes'"),
        ({**DOCUMENT, "remote": 0}, "remote must be true or false, not 0"),
        ({**DOCUMENT, "started_by": "me"}, "started_by must be form or api, not 'me'"),
        ({**DOCUMENT, "expect": []}, r"expect must be a mapping, not \[\]"),
        ({**DOCUMENT, "expect": {"stats": 1}}, "expect: the key 'stats' has no meaning"),
        ({**DOCUMENT, "expect": {"state": "done"}}, "state must be success or failed, not 'done'"),
        ({**DOCUMENT, "expect": {"cause": "x"}}, "a cause belongs to state: failed"),
        ({**DOCUMENT, "expect": {"runs": True}}, "runs must be a whole number, not True"),
        ({**DOCUMENT, "expect": {"tasks": {"a": 1}}}, "tasks must map task ids to states"),
        ({**DOCUMENT, "expect": {"sent": {}}}, "sent must be a list"),
        ({**DOCUMENT, "expect": {"sent": [{}]}}, r"sent\[0\]\.modality must be a string, not None"),
        ({**DOCUMENT, "expect": {"sent": [{"modality": "SEG", "label": []}]}}, r"sent\[0\]: the key 'label' has no"),
        ({**DOCUMENT, "expect": {"stored": "a"}}, "stored must be a list"),
        ({**DOCUMENT, "expect": {"findings": [1]}}, r"findings\[0\] must be a string"),
    ],
)
def test_an_invalid_document_is_refused_with_its_error(document: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_case(document, "a.yaml, document 1")
    assert caught.value.cause.startswith("a.yaml, document 1")


def test_an_expect_block_says_what_must_come() -> None:
    block = {
        "state": "failed",
        "cause": "no foreground",
        "runs": 2,
        "tasks": {"left": "success", "right": "skipped"},
        "sent": [{"modality": "SEG", "count": 2, "labels": ["liver"]}, {"modality": "SR"}],
        "stored": ["results/*.html"],
        "findings": [],
    }
    assert read_case({**DOCUMENT, "expect": block}, "a").expect == Expectation(
        state="failed",
        cause="no foreground",
        runs=2,
        tasks={"left": "success", "right": "skipped"},
        sent=(SentExpectation("SEG", 2, ("liver",)), SentExpectation("SR")),
        stored=("results/*.html",),
        findings=(),
    )


@pytest.mark.parametrize(
    ("document", "title"),
    [({"dag_id": "a"}, "a"), ({"dag_id": 5}, "document-3"), ([], "document-3"), ({"dag_id": "a\nb"}, "document-3")],
)
def test_a_document_is_called_by_its_dag_or_its_number(document: Any, title: str) -> None:
    assert make_title(document, 3) == title


def test_only_true_is_ignored() -> None:
    assert [is_ignored({"ci_ignore": value}) for value in (True, False, "true", 1)] == [True, False, False, False]


@pytest.mark.parametrize("place", ["x/extension/my-chart", "x/my-chart"])
def test_the_tree_of_a_file_is_that_of_its_chart(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place / "ci-config"
    folder.mkdir(parents=True)
    with pytest.raises(UsageError, match=r"belongs to no chart: .*my-chart has no Chart\.yaml"):
        find_tree(folder / "a.yaml")
    (folder.parent / "Chart.yaml").touch()
    assert find_tree(folder / "a.yaml") == tmp_path / "x"
