"""ci-config files as pytest collects and runs them, on a platform that plays its part."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checks.made_series import write_series
from tests.inner_pytest import run, write

FILE = "extension/my-chart/ci-config/trial.yaml"
GOOD = "dag_id: otsus-method\nconf_data: {workflow_form: {threshold_bins: 64}}\nusername: kaapana\nremote: false\n"
# what was posted, as the closing lines of the platform that plays
SHOW = """
@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    for environment in MADE:
        print("projects", len(environment.projects), "removed", len(environment.removed), "down", environment.downs)
        print("uploads", [upload[1] for upload in environment.services.uploads])
        for body in environment.services.started:
            print("posted", body)
"""


def tree(inner: pytest.Pytester, text: str = GOOD, file: str = FILE, **played: str) -> None:
    """An inner project with the chart of an extension, and a ci-config file beside it."""
    write(inner, "", **played)
    conftest = inner.path / "conftest.py"
    conftest.write_text(conftest.read_text() + SHOW)
    path = inner.path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent.parent / "Chart.yaml").touch()
    path.write_text(text)


@pytest.mark.parametrize("given", [FILE, "extension/my-chart/ci-config", f"{FILE}::otsus-method"])
def test_a_file_is_collected_where_it_or_its_folder_is_given(inner: pytest.Pytester, given: str) -> None:
    tree(inner)
    result = run(inner, given)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["posted {'workflow_name': 'ci_otsus-method'*'threshold_bins': 64*"])


def test_a_file_on_the_way_is_collected_where_a_setting_says_so(inner: pytest.Pytester) -> None:
    tree(inner)
    assert run(inner, "extension").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    run(inner, "extension", "--kaapana-ci-config").assert_outcomes(passed=1)
    inner.makepyprojecttoml("[tool.kaapana-harness]\nci-config = true\n")
    run(inner).assert_outcomes(passed=1)
    inner.makepyprojecttoml("[tool.kaapana-harness]\nci-config = 'perhaps'\n")
    result = run(inner)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ci-config: expected true or false, got 'perhaps'*"])


def test_each_document_is_a_test_in_the_order_of_the_file_in_one_project(inner: pytest.Pytester) -> None:
    first, second, third = (GOOD.replace("64", bins) for bins in ("1", "2", "3"))
    tree(inner, f"---\n{first}---\n\n--- \n{second}---\n{third}---\n")
    result = run(inner, FILE, "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "*::otsus-method?1? PASSED*",
            "*::otsus-method?2? PASSED*",
            "*::otsus-method?3? PASSED*",
            "projects 1 removed 1 *",
            "posted *'threshold_bins': 1*",
            "posted *'threshold_bins': 2*",
            "posted *'threshold_bins': 3*",
        ]
    )


def test_the_order_of_a_file_holds_although_tests_are_shuffled(inner: pytest.Pytester) -> None:
    tree(inner, "---\n".join(GOOD.replace("64", bins) for bins in ("1", "2", "3")))
    conftest = inner.path / "conftest.py"
    conftest.write_text(conftest.read_text() + "\ndef pytest_collection_modifyitems(items): items.reverse()\n")
    result = run(inner, FILE)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([f"posted *'threshold_bins': {bins}*" for bins in (1, 2, 3)])


def test_documents_of_one_file_in_several_processes_are_refused(inner: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    tree(inner, "---\n".join([GOOD] * 2))
    result = run(inner, FILE, "-n", "2", "--dist", "each", subprocess=True)
    result.assert_outcomes(passed=4)
    result = run(inner, FILE, "-n", "2", "--dist", "loadfile", subprocess=True)
    result.assert_outcomes(passed=2)
    result = run(inner, FILE, "-n", "2", "--dist", "load", subprocess=True)
    assert "otsus-method[1] has to run before otsus-method[2]" in result.stdout.str()
    result.stdout.fnmatch_lines(["*fix: give the documents of a file to one process: pytest --dist loadfile"])


def test_a_document_that_the_platform_passes_unseen_is_skipped_and_starts_nothing(inner: pytest.Pytester) -> None:
    tree(inner, f"{GOOD}ci_ignore: true\n")
    result = run(inner, FILE, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*ci_ignore: true*"])
    assert "projects" not in result.stdout.str()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            GOOD.replace("otsus-method", "other"),
            "trial.yaml, document 1: the extension has no DAG 'other'; it has otsus",
        ),
        ("- a\n", "trial.yaml, document 1 is not a mapping but ['a']: the platform's runner crashes on it"),
        (
            GOOD.replace("64", "many"),
            "trial.yaml, document 1: the page refuses what it posts: workflow_form: threshold_bins must be of type",
        ),
        (
            GOOD.replace("threshold_bins", "bins"),
            "trial.yaml, document 1: the page refuses what it posts: the form has no value 'bins'",
        ),
        (GOOD + "expect: {stored: ['*.html']}\n", "expect: no object was stored as *.html; stored: nothing"),
        (GOOD + "expect: {sent: [{modality: SEG}]}\n", "expect: 0 objects of SEG were sent, expected 1"),
    ],
)
def test_the_first_line_of_a_failure_names_what_is_wrong(
    inner: pytest.Pytester,
    text: str,
    line: str,
) -> None:
    tree(inner, text)
    result = run(inner, FILE)
    result.assert_outcomes(failed=1)
    title = next(number for number, found in enumerate(result.outlines) if found.startswith("____"))
    assert result.outlines[title + 1].startswith(line)
    assert "Traceback" not in result.stdout.str()


def test_a_document_for_the_api_may_post_what_the_page_refuses(inner: pytest.Pytester) -> None:
    tree(inner, GOOD.replace("64", "many") + "started_by: api\nexpect: {findings: [api-only-start]}\n")
    result = run(inner, FILE)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["posted *'threshold_bins': 'many'*"])
    assert "expect" not in next(line for line in result.outlines if line.startswith("posted"))


def test_a_failed_run_fails_its_document_by_its_cause_and_the_next_one_still_runs(
    inner: pytest.Pytester,
) -> None:
    bad = "outcome('Error', exit_code=1, log_tail=['ValueError: no foreground'])"
    expected = "expect: {state: failed, cause: no foreground, tasks: {otsus-method: failed}}\n"
    tree(
        inner, f"{GOOD}---\n{GOOD}{expected}", tasks=f"[task('otsus-method', 'failed', outcome={bad})]", state="failed"
    )
    result = run(inner, FILE, "--kaapana-keep-on-failure")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "task otsus-method: exit code 1: ValueError: no foreground",
            "  evidence: *",
            "kaapana: kept project t1 of *trial.yaml",
        ]
    )


@pytest.mark.parametrize("named", ["dataset_name: test-CT, dataset_limit: 1", "identifiers: ['9.9.9']"])
def test_names_and_identifiers_stand_for_folders_of_the_settings(inner: pytest.Pytester, named: str) -> None:
    text = f"dag_id: otsus-method\nconf_data: {{data_form: {{{named}}}}}\nstarted_by: api\n"
    tree(inner, f"{text}---\n{text}")
    result = run(inner, FILE)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "no folder is set for the data *; folders are set for no data",
            '  fix: add * = "path/to/dicom": KAAPANA_HARNESS_DATASETS or datasets in ?tool.kaapana-harness?',
        ]
    )
    assert "projects" not in result.stdout.str()
    write_series(inner.path / "data/ct", uid="1.2.7")
    inner.makepyprojecttoml(
        "[tool.kaapana-harness.datasets]\n'test-CT' = 'data/ct'\n'9.9.9' = 'data/ct'\n'other' = 'nowhere'\n"
    )
    result = run(inner, FILE)
    result.assert_outcomes(passed=2)
    if "identifiers" in named:
        result.stdout.fnmatch_lines(["uploads ?'*'?", "posted *'identifiers': ?'1.2.7'?*"])
    else:
        result.stdout.fnmatch_lines(["uploads ?'test-CT'?", "posted *'dataset_name': 'test-CT', 'dataset_limit': 1*"])


def test_a_file_that_is_not_yaml_or_has_another_suffix_is_a_collection_error(inner: pytest.Pytester) -> None:
    tree(inner, "a: [")
    result = run(inner, FILE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*trial.yaml is not YAML: line 2*"])
    tree(inner, GOOD, FILE.replace(".yaml", ".yml"))
    (inner.path / FILE).write_text(GOOD)
    result = run(inner, "extension/my-chart/ci-config")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the platform's runner reads ci-config/?.yaml, not .yml: rename it"])


def test_an_extension_that_cannot_be_installed_is_explained_once(inner: pytest.Pytester) -> None:
    tree(inner, f"{GOOD}---\n{GOOD}")
    conftest = inner.path / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + """
def refuse(*_, **__):
    from harness.errors import ExtensionError
    raise ExtensionError("no Dockerfile", fix="write it")
harness.platform.install.deploy = refuse
"""
    )
    result = run(inner, FILE)
    result.assert_outcomes(failed=2)
    assert result.stdout.str().count("fix: write it") == 1
    result.stdout.fnmatch_lines(["no Dockerfile (as the first document of trial.yaml found)", "projects 1 removed 1 *"])


def test_evidence_without_a_chosen_folder_goes_when_pytest_clears_its_temporary_folders(
    inner: pytest.Pytester,
) -> None:
    tree(inner)
    run(inner, FILE, "--basetemp", "base", report=None).assert_outcomes(passed=1)
    assert len(list(Path(inner.path / "base").glob("kaapana/*/otsus-method-1/run.json"))) == 1
