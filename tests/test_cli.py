"""The command line: exit status, form values, and what is printed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parent / "run"))
from fake_platform import FakeEnvironment, fake_deploy, fake_source, outcome, task

from harness.cli.form_options import read_form_values
from harness.cli.verbs import cli
from harness.errors import EngineError, HarnessError, InstallError, UsageError
from harness.extension.params import Parameter
from tests.extension.trees_for_tests import write

ROOT = Path(__file__).parents[1]
VERBS = {"doctor", "images", "context", "up", "down", "status", "prune", "lint", "build", "run", "report", "page"}


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeEnvironment:
    """A platform on which every run succeeds, an extension that needs no building, an empty working directory."""
    environment = FakeEnvironment()
    monkeypatch.setattr("harness.cli.verbs._environment", lambda settings: environment)
    monkeypatch.setattr("harness.platform.install.deploy", fake_deploy)
    monkeypatch.setattr("harness.extension.read", fake_source)
    monkeypatch.chdir(tmp_path)
    return environment


def test_every_verb_of_the_design_exists() -> None:
    assert set(cli.commands) == VERBS


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_explains_itself(verb: str) -> None:
    result = invoke(verb, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_a_run_that_succeeds_ends_with_0_and_leaves_run_json(platform: FakeEnvironment, tmp_path: Path) -> None:
    result = invoke("run", "ext", "--out", tmp_path / "out", "--form", "threshold_bins=64")
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "out/run.json").read_text())
    assert document["form"]["workflow_form"] == {"threshold_bins": 64}
    assert (tmp_path / "out/report.html").exists()
    assert platform.removed == platform.projects
    assert platform.downs == [False]


def test_without_out_the_evidence_of_a_run_is_in_the_folder_of_the_setting(
    platform: FakeEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke("run", "ext").exit_code == 0
    monkeypatch.setenv("KAAPANA_HARNESS_REPORT", str(tmp_path / "reports"))
    assert invoke("run", "ext").exit_code == 0
    found = {path.relative_to(tmp_path) for path in tmp_path.glob("*/*/run.json")}
    assert found == {Path("kaapana-report/ext-1/run.json"), Path("reports/ext-1/run.json")}


def test_a_run_prints_findings_about_other_releases_in_one_line(
    platform: FakeEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended = outcome("Completed", arguments=["cmds", "arguments"])
    platform.airflow.tasks = [task("otsus-method", try_number=2, outcome=ended)]
    result = invoke("run", "ext", "--out", tmp_path / "out")
    lines = [line for line in result.stdout.splitlines() if " findings" in line or line.startswith("warning")]
    assert [line.split(":")[0] for line in lines] == ["warning needed-retries", "on other releases"]
    assert lines[1].endswith("; see report.html and run.json")
    whole = json.loads((tmp_path / "out/run.json").read_text())["on_other_releases"]
    assert (whole[0]["rule"], whole[0]["platforms"]) == ("ignored-argument", ["0.6.0", "0.6.1"])
    assert "On other releases" in (tmp_path / "out/report.html").read_text("utf-8")


def test_a_conf_is_posted_as_it_is(platform: FakeEnvironment, tmp_path: Path) -> None:
    result = invoke("run", "ext", "--out", tmp_path / "out", "--conf", '{"workflow_form": {"threshold_bins": "x"}}')
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "out/run.json").read_text())
    assert (document["started_by"], document["form"]) == ("api", {"workflow_form": {"threshold_bins": "x"}})
    assert [finding["rule"] for finding in document["findings"]] == ["api-only-start"]


def test_a_run_that_fails_ends_with_1_and_prints_the_cause_first(platform: FakeEnvironment, tmp_path: Path) -> None:
    bad = outcome("Error", exit_code=1, log_tail=["ValueError: no foreground"])
    platform.airflow.tasks, platform.airflow.state = [task("otsus-method", "failed", outcome=bad)], "failed"
    result = invoke("run", "ext", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == "task otsus-method: exit code 1: ValueError: no foreground"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("wrong"), 2),
        (EngineError("no engine"), 3),
        (InstallError("not ready"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_kind_of_failure_decides_the_exit_status_and_everything_is_removed(
    platform: FakeEnvironment, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int
) -> None:
    def deploy(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("harness.platform.install.deploy", deploy)
    result = invoke("run", "ext")
    assert result.exit_code == status
    assert isinstance(error, KeyboardInterrupt) or f"error: {error}" in result.stderr
    assert "Traceback" not in result.output
    assert platform.removed == platform.projects
    assert platform.downs == [False]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--input", "nowhere"], "nowhere"),
        (["--form", "missing.yaml"], "missing.yaml cannot be read"),
        (["--form", "treshold_bins=64"], "treshold_bins"),
        (["--conf", "missing.json"], "--conf missing.json cannot be read"),
        (["--conf", "{"], "--conf is not JSON"),
        (["--conf", '{"workflow_form": 1}'], "--conf: workflow_form must be an object"),
        (["--conf", "{}", "--form", "threshold_bins=64"], "--form and --conf exclude each other"),
        (["--conf", '{"dag_id": "a"}', "--dag", "b"], "--conf names the DAG 'a', --dag 'b'"),
        (["--form", "threshold_bins=many"], "not a valid integer"),
        (["--dag", "other"], "has no DAG 'other'; it has otsus-method"),
        (["--timeout", "-1"], "positive number"),
        (["--cluster", "moon"], "expected docker, kind or context:NAME"),
        (["--deliver", "mail"], "mail"),
    ],
)
def test_wrong_input_exits_with_2_and_names_the_error(platform: FakeEnvironment, words: list[str], said: str) -> None:
    result = invoke("run", "ext", *words)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert platform.removed == platform.projects


def test_two_dags_and_no_choice_end_with_2_and_list_both(
    platform: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deploy(*words: Any, **more: Any) -> Any:
        deployment = fake_deploy(*words, **more)
        deployment.dag_ids = deployment.visible_dag_ids = ("first", "second")
        return deployment

    monkeypatch.setattr("harness.platform.install.deploy", deploy)
    result = invoke("run", "ext")
    assert result.exit_code == 2
    assert "first, second" in result.stderr


def test_wrong_input_is_reported_before_an_environment_is_made(
    platform: FakeEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.cli.verbs._environment", lambda settings: pytest.fail("an environment was made"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    (tmp_path / "empty").mkdir()
    assert invoke("run", "ext", "--out", tmp_path / "full").exit_code == 2
    assert invoke("run", "ext", "--input", tmp_path / "empty").exit_code == 2


def test_reuse_leaves_the_environment_running(platform: FakeEnvironment) -> None:
    platform.settings = type(platform.settings)(reuse=True)
    assert invoke("run", "ext", "--reuse").exit_code == 0
    assert platform.downs == [True]


def test_pruning_removes_environments_first_and_then_the_unused_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bool] = []

    def prune_images(settings: object, say: object, *, everything: bool) -> list[str]:
        asked.append(everything)
        return ["kaapana-harness/services:old"]

    monkeypatch.setattr("harness.platform.ownership.prune", lambda _: ["e1"])
    monkeypatch.setattr("harness.platform.pruning.prune_images", prune_images)
    monkeypatch.setattr("harness.platform.pruning.prune_contents", lambda *_, everything: ["content"])
    assert invoke("prune").output == "removed: e1\n         kaapana-harness/services:old\n         content\n"
    assert invoke("prune", "--all").exit_code == 0
    assert asked == [False, True]


def test_parameters_of_files_and_words_reach_the_install_with_their_types(
    platform: FakeEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[Any] = []

    def deploy(*words: Any, params: Any, **more: Any) -> Any:
        given.append(params)
        return fake_deploy(*words, **more)

    fast = Parameter("fast", "boolean", default=True)
    organs = Parameter("organs", "list_multi", default=("liver",), choices=("liver", "kidney"))
    site = Parameter("site", "string", default="here")
    monkeypatch.setattr("harness.platform.install.deploy", deploy)
    monkeypatch.setattr("harness.extension.read", lambda path, edk: fake_source(path, fast, organs, site))
    (tmp_path / "params.yaml").write_text("organs: [kidney]\nsite: there\n")
    result = invoke("run", "ext", "--param", "params.yaml", "--param", "fast=False", "--param", "site=elsewhere")
    assert result.exit_code == 0, result.output
    assert given == [{"organs": ["kidney"], "fast": False, "site": "elsewhere"}]


def test_lint_says_that_it_does_not_exist_yet_and_the_help_does_not_offer_it() -> None:
    result = invoke("lint", "ext", "--format", "sarif")
    assert result.exit_code == 2
    assert "not exist yet" in result.stderr
    offered = re.findall(r"^  ([a-z]+) ", invoke("--help").stdout, re.MULTILINE)
    assert set(offered) == VERBS - {"lint"}


def test_a_report_of_no_run_is_wrong_use(tmp_path: Path) -> None:
    assert invoke("report", tmp_path).exit_code == 2


def test_a_report_is_written_again_from_run_json(platform: FakeEnvironment, tmp_path: Path) -> None:
    invoke("run", "ext", "--out", tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    (tmp_path / "out/report.html").unlink()
    assert invoke("report", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out/report.html").read_text() == page


def test_an_archive_of_images_needs_the_registry_in_their_names(tmp_path: Path) -> None:
    write(tmp_path / "ext")
    result = invoke("build", tmp_path / "ext", "--images-tar", tmp_path / "images.tar")
    assert result.exit_code == 2
    assert "error: the names of mean-value, dag-mean begin with the platform's registry" in result.stderr
    assert "--registry" in result.stderr


def test_a_package_in_place_of_a_tree_gets_the_option_for_it(tmp_path: Path) -> None:
    result = invoke("run", "some-chart-0.1.0.tgz", "--input", tmp_path)
    assert result.exit_code == 2
    assert "--chart some-chart-0.1.0.tgz" in result.stderr


def test_a_run_without_an_extension_lists_the_possible_arguments() -> None:
    result = invoke("run")
    assert result.exit_code == 2
    assert "--chart X.tgz" in result.stderr


def test_images_without_a_chart_are_refused(tmp_path: Path) -> None:
    result = invoke("run", "--images", tmp_path / "images.tar")
    assert result.exit_code == 2
    assert "no extension was given" in result.stderr


def test_an_archive_that_cannot_be_written_is_reported_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.extension.read", lambda path, edk=False: None)
    monkeypatch.setattr("harness.platform.packaging.package", lambda *_: pytest.fail("packaging has begun"))
    (tmp_path / "file").write_text("")
    for target in (tmp_path, tmp_path / "file/images.tar"):
        result = invoke("build", "ext", "--registry", "registry.example", "--images-tar", target)
        assert result.exit_code == 2
        assert f"error: {target} cannot be written: " in result.stderr


def test_read_form_values_come_from_files_and_words_and_the_later_one_wins(tmp_path: Path) -> None:
    file = tmp_path / "form.yaml"
    file.write_text("bins: 64\nnames: [a, b]\n")
    assert read_form_values((str(file), "bins=32", "note=a=b")) == (
        {"bins": 64, "names": ["a", "b"]},
        {"bins": "32", "note": "a=b"},
    )
    assert read_form_values(("bins=32", str(file)))[1] == {}


@pytest.mark.parametrize("content", ["- a\n", "a: [", "text", "1: 2"])
def test_a_form_file_without_a_mapping_is_wrong_input(tmp_path: Path, content: str) -> None:
    file = tmp_path / "form.yaml"
    file.write_text(content)
    with pytest.raises(HarnessError) as failure:
        read_form_values((str(file),))
    assert failure.value.exit_status == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_cleans_up_and_ends_with_130(tmp_path: Path, number: signal.Signals) -> None:
    program = f"""
import sys, threading
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests/run")!r}]
import harness.cli.verbs, harness.extension, harness.platform.install as install
from fake_platform import FakeEnvironment, fake_source
environment = FakeEnvironment()
harness.cli.verbs._environment = lambda settings: environment
harness.extension.read = fake_source
def deploy(*_, **__):
    print("started", flush=True)
    threading.Event().wait()
install.deploy = deploy
try:
    harness.cli.verbs.cli.main(["run", "ext"])
finally:
    print(len(environment.removed), environment.downs, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            os.kill(process.pid, number)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out, err.strip()) == (130, "1 [False]\n", "interrupted")
