"""The recipes for CI are what their services accept, and their commands run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documents.conftest import MakeReader
from tests.documents.pages import DOCS
from tests.documents.reader import Reader

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = DOCS / "ci"
SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}
RECIPES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".md")


def _document(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def _commands(name: str, job: str) -> list[str]:
    """Return what a job types into its shell, in its order."""
    document = _document(name)
    if name == "github-actions.yml":
        return [step["run"] for step in document["jobs"][job]["steps"] if "run" in step]
    return [*document["default"]["before_script"], *document[job]["script"]]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_recipe_is_valid_by_the_schema_of_its_service(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name], str(FOLDER / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_recipe_with_an_unknown_key_is_not(name: str, tmp_path: Path) -> None:
    changed = tmp_path / name
    changed.write_text((FOLDER / name).read_text("utf-8").replace("timeout", "patience"), "utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name], str(changed)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_nights_of_a_recipe_are_on_kind_and_its_pushes_are_not(name: str) -> None:
    assert "--kaapana-cluster kind" in "\n".join(_commands(name, "kind"))
    assert "--kaapana-cluster" not in "\n".join(_commands(name, "docker"))
    jobs = _document(name)["jobs"] if name == "github-actions.yml" else _document(name)
    assert "schedule" in str(jobs["kind"].get("if") or jobs["kind"].get("rules"))


def test_the_evidence_that_a_recipe_uploads_is_where_its_tests_write_it() -> None:
    for name in SCHEMAS:
        for job in ("docker", "kind"):
            (written,) = re.findall(r"--kaapana-report (\S+)", "\n".join(_commands(name, job)))
            assert written == f"evidence/{job}"
    github, gitlab = (_document(name) for name in SCHEMAS)
    for job in ("docker", "kind"):
        assert github["jobs"][job]["steps"][-1]["with"]["path"] == "evidence"
        assert gitlab[job]["artifacts"] == {"when": "on_failure", "paths": ["evidence"]}


def test_the_runner_of_gitlab_is_one_in_which_the_harness_works() -> None:
    (runner,) = tomllib.loads((FOLDER / "gitlab-runner.toml").read_text("utf-8"))["runners"]
    assert runner["docker"]["network_mode"] == "host"
    assert "/var/run/docker.sock:/var/run/docker.sock" in runner["docker"]["volumes"]
    assert runner["docker"]["image"] == _document("gitlab-ci.yml")["default"]["image"]


def test_the_script_of_cron_is_one_for_a_plain_shell() -> None:
    assert subprocess.run(["sh", "-n", str(FOLDER / "nightly.sh")], check=False).returncode == 0


def test_cron_starts_the_script_each_night_and_mails_a_failure(tmp_path: Path) -> None:
    *when, command = (FOLDER / "crontab").read_text("utf-8").rstrip("\n").split(" ", 5)
    assert when == ["0", "3", "*", "*", "*"]
    (tmp_path / "nightly.sh").write_text("echo broken; exit 1\n", "utf-8")
    mail = tmp_path / "mail"
    mail.write_text('#!/bin/sh\n{ echo "$@"; cat; } > mailed\n', "utf-8")
    mail.chmod(0o755)
    line = (
        f"PATH={shlex.quote(str(tmp_path))}:$PATH; {command.replace('/srv/my-extension', shlex.quote(str(tmp_path)))}"
    )
    subprocess.run(["sh", "-c", line], check=True)
    assert (tmp_path / "mailed").read_text("utf-8") == "-s my-extension fails me@hospital.example\nbroken\n"


@pytest.mark.parametrize("name", RECIPES)
def test_the_page_shows_each_recipe(name: str) -> None:
    page = (FOLDER / "README.md").read_text("utf-8")
    assert f"```{{literalinclude}} {name}\n" in page
    assert f"]({name})" in page


@pytest.fixture
def repository(tmp_path: Path, reader: MakeReader) -> Reader:
    """A shell in the repository of an extension."""
    one = reader()
    shutil.copytree(tmp_path / "tests", one.folder / "tests")
    shutil.copy(FOLDER / "nightly.sh", one.folder)
    return one


def _is_nightly(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("kaapana_cluster") == "kind")


@pytest.mark.usefixtures("usable_engine")
@pytest.mark.parametrize("name", SCHEMAS)
def test_the_commands_of_a_recipe_run(name: str, request: pytest.FixtureRequest, repository: Reader) -> None:
    # the Python of its own that setup-python gives a job, or a container; that of the tests must stay as it is
    assert repository.type("python3 -m venv .python && . .python/bin/activate")[0] == 0
    for job in ("docker", "kind") if _is_nightly(request) else ("docker",):
        for command in _commands(name, job):
            status, printed = repository.type(command)
            assert status == 0, f"{command}\n{printed}"
        assert list(repository.folder.glob(f"evidence/{job}/*/*/report.html"))


@pytest.mark.usefixtures("usable_engine")
def test_the_script_of_cron_runs_and_ends_as_its_tests_do(request: pytest.FixtureRequest, repository: Reader) -> None:
    clusters = ["docker", "kind"] if _is_nightly(request) else ["docker"]
    script = repository.folder / "nightly.sh"
    script.write_text(repository.translate(script.read_text("utf-8")), "utf-8")
    status, printed = repository.type(f"CLUSTERS={shlex.quote(' '.join(clusters))} sh nightly.sh")
    assert status == 0, printed
    found = {
        path.relative_to(repository.folder).parts[2] for path in repository.folder.glob("evidence/*/*/*/*/run.json")
    }
    assert found == set(clusters)
    (repository.folder / "tests/test_my_extension.py").unlink()
    (repository.folder / "tests/test_red.py").write_text("def test_it_is_red():\n    assert False\n", "utf-8")
    status, printed = repository.type("CLUSTERS=docker sh nightly.sh")
    assert status == 1, printed
