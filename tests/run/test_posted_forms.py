"""A workflow that is started through the platform's API, with a conf that no page has filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_platform import FakeEnvironment, FakeProject, run_request

from harness.cli.form_options import read_conf
from harness.errors import RunError, UsageError
from harness.extension.form_rules import AS_BUILT
from harness.run import evidence
from harness.run.execute import execute
from harness.run.posted_forms import count_jobs, read_posted, report_page_difference
from harness.run.results import Run


def run(environment: FakeEnvironment, folder: Path, document: Any, **request: Any) -> Run:
    post = read_posted(document)
    return execute(environment, FakeProject(), run_request("otsus-method", folder / "run", posted=post, **request))


def sent(environment: FakeEnvironment) -> dict[str, Any]:
    (body,) = environment.services.started
    return body


def test_a_conf_is_posted_as_it_is_without_defaults_and_checks(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    conf = {"workflow_form": {"threshold_bins": "many", "beyond": [1]}, "other": 1}
    result = run(environment, tmp_path, conf)
    assert sent(environment)["conf_data"] == conf
    assert sent(environment)["instance_names"] == ["central"]
    assert result.started_by == "api"
    assert evidence.read(tmp_path / "run").started_by == "api"
    assert "Posted through the API" in (tmp_path / "run/report.html").read_text()


def test_the_whole_body_may_be_given_and_every_instance_is_this_one(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    body = {
        "dag_id": "otsus-method",
        "workflow_name": "mine",
        "instance_names": ["central", "elsewhere"],
        "username": "kaapana",
        "remote": False,
        "conf_data": {"workflow_form": {}},
    }
    run(environment, tmp_path, body)
    assert sent(environment) == {
        "dag_id": "otsus-method",
        "workflow_name": "mine",
        "instance_names": ["central"],
        "username": "kaapana",
        "conf_data": {"workflow_form": {}},
    }


def test_a_start_from_a_form_says_so(tmp_path: Path) -> None:
    result = execute(FakeEnvironment(), FakeProject(), run_request("otsus-method", tmp_path / "run"))
    assert result.started_by == "form"
    assert [finding.rule for finding in result.findings] == []


def test_an_empty_data_form_means_the_series_of_the_input(tmp_path: Path, small_series: Any) -> None:
    environment = FakeEnvironment()
    run(environment, tmp_path, {"data_form": {"dataset_limit": 2}}, dataset=small_series)
    uids = [small_series.series_instance_uid]
    assert sent(environment)["conf_data"]["data_form"] == {"dataset_limit": 2, "identifiers": uids}
    assert len(environment.services.uploads) == 1


def test_identifiers_that_are_null_mean_the_series_of_the_input() -> None:
    posted = read_posted({"data_form": {"identifiers": None}}).with_input(["1.2"])
    assert posted.conf_data == {"data_form": {"identifiers": ["1.2"]}}


def test_identifiers_beside_an_input_stay_as_they_are(tmp_path: Path, small_series: Any) -> None:
    environment = FakeEnvironment()
    run(environment, tmp_path, {"data_form": {"identifiers": ["1.2"]}}, dataset=small_series)
    assert sent(environment)["conf_data"]["data_form"] == {"identifiers": ["1.2"]}
    assert len(environment.services.uploads) == 1


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"data_form": {"dataset_name": "test-CT"}}, "names the dataset 'test-CT', but an input is given too"),
        ({"workflow_form": {}}, "the conf has no data_form, so nothing would read the input"),
    ],
)
def test_an_input_that_the_conf_has_no_place_for_is_refused_before_anything_starts(
    tmp_path: Path, small_series: Any, conf: Any, message: str
) -> None:
    environment = FakeEnvironment()
    with pytest.raises(UsageError, match=message):
        run(environment, tmp_path, conf, dataset=small_series)
    assert (environment.services.started, environment.services.uploads) == ([], [])


def test_a_form_and_a_conf_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not both"):
        run(FakeEnvironment(), tmp_path, {}, form={"threshold_bins": 1})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], r"conf must be an object such as .*, not \[\]"),
        ({"workflow_form": 1}, "conf: workflow_form must be an object, not 1"),
        ({"data_form": []}, "conf: data_form must be an object"),
        ({"conf_data": 1}, "conf: conf_data must be an object"),
        ({"conf_data": {}, "dag_id": 5}, "conf: dag_id must be a string, not 5"),
        ({"conf_data": {}, "instance_names": "central"}, "instance_names must be a list of names"),
        ({"conf_data": {}, "federated": True}, "federated workflows are not emulated"),
        ({"dag_id": "d", "workflow_form": {}}, "conf: workflow_form stands beside dag_id, where the platform ignores"),
    ],
)
def test_an_invalid_posted_document_is_refused_with_its_field(document: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_posted(document)
    assert caught.value.exit_status == 2


DATA = {
    "data_form": {
        "type": "object",
        "properties": {"dataset_name": {"type": "string", "required": True}, "dataset_limit": {"type": "integer"}},
    }
}
UI = {"workflow_form": {"type": "object", "properties": {"bins": {"type": "integer", "default": 1}}}}


@pytest.mark.parametrize(
    ("conf", "ui_forms", "text"),
    [
        ({"workflow_form": {"bins": 2}}, UI, None),
        ({"workflow_form": {"bins": 2}, "data_form": {"identifiers": ["1"]}}, {**UI, **DATA}, None),
        ({"workflow_form": {"bins": 2}, "data_form": {"dataset_name": "a", "dataset_limit": 2}}, {**UI, **DATA}, None),
        ({"data_form": {"identifiers": ["1"], "dataset_limit": 2}}, DATA, "but it has dataset_limit as well"),
        ({"data_form": {"identifiers": ["1"]}}, {}, "the page offers no choice of a dataset"),
        ({"data_form": {"dataset_name": "a"}}, {**DATA, "backend_form": {}}, "the page offers no choice of a dataset"),
        ({"data_form": {"dataset_limit": 2}}, {}, "the page has no data_form"),
        ({"data_form": {}}, DATA, "the page demands a dataset"),
        ({}, DATA, "the page demands a dataset"),
        ({"seriesInstanceUID": "1"}, {}, "the page has no seriesInstanceUID"),
        ({"backend_form": {"selectedFilesAndFolders": ["a"]}}, {"backend_form": {}}, None),
        ({"workflow_form": {}}, UI, "the page would submit workflow_form.bins as well"),
        ({}, UI, "the page would submit workflow_form.bins as well"),
        ({"workflow_form": {"bins": "x"}}, UI, "bins must be of type integer"),
        ({"workflow_form": {"other": 1}}, UI, "the form has no value 'other'"),
        ({"my_form": {"a": 1}, "workflow_form": {"bins": 2}}, UI, "the page has no my_form"),
        ({"workflow_form": {"a": 1}}, {}, "the page has no workflow_form"),
        ({}, {}, None),
        ({}, None, "the DAG is not on offer"),
    ],
)
def test_a_form_that_the_page_cannot_post_is_a_finding(conf: Any, ui_forms: Any, text: str | None) -> None:
    finding = report_page_difference("d", conf, ui_forms, AS_BUILT)
    if text is None:
        assert finding is None
    else:
        assert finding is not None
        assert (finding.rule, finding.severity) == ("api-only-start", "info")
        assert text in finding.message


def test_the_finding_is_part_of_the_run(tmp_path: Path) -> None:
    result = run(FakeEnvironment(), tmp_path, {"workflow_form": {}})
    assert [finding.rule for finding in result.findings] == ["api-only-start"]


@pytest.mark.parametrize(
    ("form", "data", "jobs"),
    [
        ({"single_execution": True}, {}, 3),
        ({"single_execution": True}, {"dataset_limit": 2}, 2),
        ({"single_execution": True}, {"dataset_limit": "2"}, 2),
        ({"single_execution": True}, {"dataset_limit": None}, 3),
        ({"single_execution": True}, {"dataset_limit": 0}, 0),
        ({"single_execution": True}, {"dataset_limit": -1}, 2),
        ({"single_execution": True}, {"dataset_limit": "x"}, 0),
        ({"single_execution": "true"}, {"dataset_limit": 2}, 1),
        ({}, {"dataset_limit": 0}, 1),
    ],
)
def test_jobs_are_counted_as_the_backend_makes_them(form: Any, data: Any, jobs: int) -> None:
    assert count_jobs({"workflow_form": form, "data_form": data}, ["1", "2", "3"]) == jobs


def test_a_limit_that_takes_no_series_ends_with_the_cause_at_once(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    conf = {"workflow_form": {"single_execution": True}, "data_form": {"identifiers": ["1"], "dataset_limit": 0}}
    with pytest.raises(RunError, match="the dataset_limit 0 takes none of the 1 series"):
        run(environment, tmp_path, conf)


def test_the_series_of_a_dataset_of_the_project_are_counted(tmp_path: Path) -> None:
    environment = FakeEnvironment()
    environment.services.known = [{"name": "mine", "identifiers": ["1", "2"]}]
    environment.services.answers = [
        [{"id": 1, "run_id": "first"}],
        [{"id": 1, "run_id": "first"}, {"id": 2, "run_id": "second"}],
    ]
    conf = {"workflow_form": {"single_execution": True}, "data_form": {"dataset_name": "mine"}}
    assert run(environment, tmp_path, conf).run_ids == ("first", "second")


def test_a_document_of_the_command_line_is_a_file_or_json(tmp_path: Path) -> None:
    (tmp_path / "conf.yaml").write_text("workflow_form: {a: 1}\n")
    assert read_conf(str(tmp_path / "conf.yaml")) == {"workflow_form": {"a": 1}}
    assert read_conf('{"workflow_form": {"a": 1}}') == {"workflow_form": {"a": 1}}
    for word, message in (("{", "is not JSON"), (str(tmp_path / "absent"), "cannot be read")):
        with pytest.raises(UsageError, match=message):
            read_conf(word)


def test_an_invalid_document_on_the_command_line_is_named_with_the_expected_form(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file") as caught:
        read_conf(str(tmp_path / "gone.json"))
    assert caught.value.fix == "give a YAML or JSON file, or the JSON object itself"
    with pytest.raises(UsageError, match="--conf must be a JSON object, got a list"):
        read_conf("[1]")
    file = tmp_path / "case.yaml"
    file.write_text("dag_id: a\nconf_data: {}\n---\n")
    assert read_conf(str(file)) == {"dag_id": "a", "conf_data": {}}
    file.write_text("dag_id: a\n---\ndag_id: b\n")
    with pytest.raises(UsageError, match="holds 2 documents, but the option takes one"):
        read_conf(str(file))
