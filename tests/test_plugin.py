"""The pytest plugin: fixtures on one lazy environment, and failures whose first line is the cause."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.inner_pytest import run, write

ROOT = Path(__file__).parents[1]
HEAVY = {
    "click",
    "docker",
    "harness.api",
    "harness.checks",
    "harness.cluster",
    "harness.errors",
    "harness.extension",
    "harness.images",
    "harness.platform",
    "harness.run",
    "harness.settings.folders",
    "harness.settings.loading",
    "highdicom",
    "httpx",
    "jsonschema",
    "minio",
    "nibabel",
    "numpy",
    "platformdirs",
    "pydicom",
    "requests",
    "testcontainers",
    "urllib3",
    "yaml",
}


def test_the_plugin_imports_nothing_heavy() -> None:
    # pytest is in every pytest run anyway; what comes on top of it is the plugin's cost
    program = "import sys, pytest; before = set(sys.modules); import harness.plugin; print(*set(sys.modules) - before)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    own = {"harness", "harness.plugin", "harness.settings", "harness.settings.option", "harness.settings.values"}
    assert {name for name in loaded.split() if name.startswith("harness")} == own
    assert not {name for name in loaded.split() if name in HEAVY or name.split(".")[0] in HEAVY}


def test_a_run_without_kaapana_tests_loads_nothing_heavy_and_makes_no_environment(inner: pytest.Pytester) -> None:
    # what other plugins of this Python environment load is not ours to judge
    others = {"click", "platformdirs", "yaml"}
    inner.makepyfile(
        f"""
        import sys
        def test_plain():
            assert sorted({HEAVY - others!r} & set(sys.modules)) == []
        """
    )
    result = run(inner, subprocess=True)
    result.assert_outcomes(passed=1)
    assert "kaapana" not in "\n".join(result.outlines[-2:])


def test_tests_share_one_environment_and_have_a_project_each(inner: pytest.Pytester) -> None:
    write(
        inner,
        """
        def test_first(kaapana):
            assert kaapana.install("ext").run().succeeded

        def test_second(kaapana, object_store, pacs):
            assert kaapana.project.name == "t2"
            assert object_store.bucket == "project-t2"
        """,
    )
    result = run(inner)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*kaapana: evidence in *evidence", "projects 2 removed 2 down [[]False]"])
    assert len(list((inner.path / "evidence").glob("*test_first*/otsus-method-1/run.json"))) == 1


def test_evidence_without_a_chosen_folder_goes_when_pytest_clears_its_temporary_folders(inner: pytest.Pytester) -> None:
    write(inner, "def test_first(kaapana): assert kaapana.install('ext').run().succeeded")
    result = run(inner, "--basetemp", "base", report=None)
    result.assert_outcomes(passed=1)
    assert len(list((inner.path / "base").glob("kaapana/*test_first*/otsus-method-1/run.json"))) == 1


def test_the_first_line_of_a_failed_run_is_its_cause(inner: pytest.Pytester) -> None:
    bad = "outcome('Error', exit_code=1, log_tail=['ValueError: no foreground'])"
    write(
        inner,
        """
        def test_otsu(kaapana):
            run = kaapana.install("ext").run()
            assert run.succeeded
        """,
        tasks=f"[task('otsus-method', 'failed', outcome={bad})]",
        state="failed",
    )
    result = run(inner)
    result.assert_outcomes(failed=1)
    lines = result.outlines
    title = next(index for index, line in enumerate(lines) if "__ test_otsu __" in line)
    assert lines[title + 1] == "task otsus-method: exit code 1: ValueError: no foreground"
    result.stdout.fnmatch_lines(
        ["*evidence: *otsus-method-1", ">*assert run.succeeded", "FAILED *exit code 1: ValueError*"]
    )


def test_a_failed_assertion_about_something_else_keeps_its_own_text(inner: pytest.Pytester) -> None:
    write(
        inner,
        """
        def test_otsu(kaapana):
            run = kaapana.install("ext").run()
            assert not run.succeeded
            assert 1 + 1 == 3
        """,
        tasks="[task('otsus-method', 'failed')]",
        state="failed",
    )
    result = run(inner)
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("task otsus-method:*")
    result.stdout.fnmatch_lines(["E*assert (1 + 1) == 3"])


@pytest.mark.parametrize(
    "assertion",
    ["assert run.succeeded == True", "assert (run.sent is None or\n        run.succeeded), 'it did not'", "check(run)"],
)
def test_the_cause_comes_first_however_the_assertion_is_written(inner: pytest.Pytester, assertion: str) -> None:
    write(
        inner,
        f"""
        def check(run):
            good = run.succeeded
            assert good

        def test_otsu(kaapana):
            run = kaapana.install("ext").run()
            {assertion}
        """,
        tasks="[task('otsus-method', 'failed')]",
        state="failed",
    )
    result = run(inner)
    result.assert_outcomes(failed=1)
    title = next(index for index, line in enumerate(result.outlines) if "__ test_otsu __" in line)
    assert result.outlines[title + 1].startswith("task otsus-method:")


def test_a_run_that_failed_is_not_the_cause_of_an_assertion_that_only_quotes_it(inner: pytest.Pytester) -> None:
    write(
        inner,
        """
        def test_otsu(kaapana):
            run = kaapana.install("ext").run()
            assert 1 + 1 == 3, repr(run.succeeded)
        """,
        tasks="[task('otsus-method', 'failed')]",
        state="failed",
    )
    result = run(inner)
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("task otsus-method:*")


def test_a_failed_check_is_reported_in_its_own_words_with_the_line_of_the_test(inner: pytest.Pytester) -> None:
    write(
        inner,
        """
        def test_otsu(kaapana):
            run = kaapana.install("ext").run()
            run.sent.segmentation()
        """,
    )
    result = run(inner)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "no segmentation sent where exactly one is expected",
            "  last seen: nothing was sent",
            "  at *test_*.py:3: run.sent.segmentation()",
        ]
    )


def test_an_environment_that_cannot_be_made_is_explained_once(inner: pytest.Pytester) -> None:
    inner.makeconftest(
        """
        import pytest
        from harness.errors import EngineError
        class Hook:
            @pytest.hookimpl
            def pytest_kaapana_environment(self, settings, config):
                print("tried")
                raise EngineError("there is no container engine", last_seen="no socket", fix="doctor --fix")
        def pytest_configure(config):
            config.pluginmanager.register(Hook())
        """
    )
    inner.makepyfile("def test_a(kaapana): pass\ndef test_b(kaapana): pass\ndef test_c(): pass")
    result = run(inner)
    result.assert_outcomes(errors=2, passed=1)
    text = result.stdout.str()
    title = next(index for index, line in enumerate(result.outlines) if "ERROR at setup of test_a" in line)
    assert result.outlines[title + 1] == "there is no container engine"
    assert text.count("fix: doctor --fix") == 1
    assert text.count("\ntried") == 1
    assert "Traceback" not in text
    assert "def environment" not in text


def test_a_wrong_option_is_reported_with_its_name(inner: pytest.Pytester) -> None:
    write(inner, "def test_a(kaapana): pass")
    result = run(inner, "--kaapana-cluster", "moon")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["--kaapana-cluster: expected docker, kind or context:NAME, got 'moon'"])


def test_reuse_leaves_the_environment_running_and_says_so(inner: pytest.Pytester) -> None:
    write(inner, "def test_a(kaapana): pass")
    result = run(inner, "--kaapana-reuse")
    result.stdout.fnmatch_lines(["kaapana: the platform stays up*", "projects 1 removed 1 down [[]True]"])


def test_keep_on_failure_keeps_the_project_of_the_failed_test_only(inner: pytest.Pytester) -> None:
    write(inner, "def test_a(kaapana): pass\ndef test_b(kaapana): assert 0")
    result = run(inner, "--kaapana-keep-on-failure")
    result.stdout.fnmatch_lines(["kaapana: kept project t2 of *test_b", "projects 2 removed 1 down [[]True]"])


def test_without_keep_on_failure_a_failed_test_leaves_nothing(inner: pytest.Pytester) -> None:
    write(inner, "def test_b(kaapana): assert 0")
    run(inner).stdout.fnmatch_lines(["projects 1 removed 1 down [[]False]"])


@pytest.mark.parametrize(("words", "shown"), [((), True), (("-q",), False)])
def test_tasks_are_shown_while_a_test_runs_unless_it_is_to_be_quiet(
    inner: pytest.Pytester, words: tuple[str, ...], shown: bool
) -> None:
    write(inner, "def test_a(kaapana): kaapana.install('ext').run()")
    result = run(inner, *words)
    result.assert_outcomes(passed=1)
    assert ("success         otsus-method" in result.stderr.str()) is shown


def test_evidence_of_an_earlier_session_is_not_mixed_with_the_new_one(inner: pytest.Pytester) -> None:
    write(inner, "def test_a(kaapana): kaapana.install('ext').run()")
    run(inner)
    run(inner)
    assert len(list((inner.path / "evidence").glob("*/*/run.json"))) == 1


def test_settings_come_from_the_project_file_and_the_environment(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner.makepyprojecttoml("[tool.kaapana-harness]\nreuse = true\n")
    write(inner, "def test_a(kaapana): pass")
    run(inner).stdout.fnmatch_lines(["projects * down [[]True]"])
    monkeypatch.setenv("KAAPANA_HARNESS_REUSE", "false")
    run(inner).stdout.fnmatch_lines(["projects * down [[]False]"])


def test_every_xdist_worker_has_an_environment_of_its_own(inner: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    write(
        inner,
        """
        import pytest
        @pytest.mark.parametrize("number", range(4))
        def test_a(kaapana, number):
            run = kaapana.install("ext").run()
            assert run.succeeded and "gw" in str(run.directory)
        def test_b(kaapana):
            kaapana.install("ext").run().sent.segmentation()
        """,
    )
    result = run(inner, "-n", "2", subprocess=True)
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["no segmentation sent where exactly one is expected"])


# an operator whose arguments one release ignores and another does not have, and a task that needed two attempts
_ODD = """[task("t", try_number=2, outcome=outcome("Completed", arguments=["cmds", "display_name"]))]"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_session_prints_each_finding_once_and_those_about_other_releases_in_one_line(
    inner: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    write(
        inner,
        """
        import pytest
        @pytest.mark.parametrize("number", [1, 2])
        def test_run(kaapana, number):
            extension = kaapana.install("ext")
            assert extension.run().succeeded and extension.run().succeeded
        """,
        tasks=_ODD,
    )
    result = run(inner, *workers, subprocess=bool(workers))
    result.assert_outcomes(passed=2)
    printed = [line for line in result.outlines if line.startswith("kaapana: ") and "evidence in" not in line]
    assert printed == [
        "kaapana: warning needed-retries: t: succeeded at attempt 2 "
        "(set retries=0 in default_args while testing, and fix the first failure)",
        "kaapana: on other releases: 3 findings, ignored-argument (0.6.0, 0.6.1); "
        "unknown-parameter (0.4); leftovers-on-retry (0.6.0, 0.6.1); see report.html and run.json",
    ]


def test_a_session_without_findings_prints_none(inner: pytest.Pytester) -> None:
    write(inner, """def test_run(kaapana): assert kaapana.install("ext").run().succeeded""")
    result = run(inner)
    assert [line for line in result.outlines if line.startswith("kaapana: ")] == [
        line for line in result.outlines if line.startswith("kaapana: evidence in")
    ]
