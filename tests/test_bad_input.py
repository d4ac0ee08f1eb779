"""The command line on wrong input: exit status 2 (3 where the machine is at fault), and no environment is made."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from click.testing import CliRunner, Result

from harness.cli.verbs import cli
from harness.errors import DagFileError
from tests.extension import trees_for_tests

sys.path.insert(0, str(Path(__file__).parent / "run"))
from fake_platform import FakeEnvironment

EXAMPLES = Path(pydicom.__file__).parent / "data/test_files"
CHART = "extension/mean-workflow"


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.verbs._environment", lambda _: pytest.fail("an environment was made"))


def _empty(folder: Path) -> None:
    """Nothing is in it."""


def _notes(folder: Path) -> None:
    (folder / "notes.txt").write_text("no DICOM here")


def _truncated(folder: Path) -> None:
    (folder / "1.dcm").write_bytes((EXAMPLES / "CT_small.dcm").read_bytes()[:-4000])


def _plan(folder: Path) -> None:
    (folder / "plan.dcm").write_bytes((EXAMPLES / "rtplan.dcm").read_bytes())


@pytest.mark.usefixtures("_no_environment")
@pytest.mark.parametrize(
    ("fill", "said"),
    [(_empty, "is empty"), (_notes, "no DICOM"), (_truncated, "is cut off"), (_plan, "RT Plan")],
)
def test_an_input_folder_that_cannot_be_run_on(tmp_path: Path, fill: Callable[[Path], None], said: str) -> None:
    tree = trees_for_tests.write(tmp_path / "extension")
    folder = tmp_path / "input"
    folder.mkdir()
    fill(folder)
    result = invoke("run", tree, "--input", folder, "--out", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


PARAMETERS = """\
extension_params:
  site: {type: string, default: ""}
  fast: {type: boolean, default: true}
  organ: {type: list_single, default: liver, value: [liver, kidney]}
"""


@pytest.mark.usefixtures("_no_environment")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "extension parameter site must be text that is not empty, and has no default"),
        (["site="], "extension parameter site must be text that is not empty"),
        (["site=x", "sight=y"], "has no parameter 'sight'; did you mean site?"),
        (["site=x", "organ=lever"], 'must be "liver" or "kidney", got \'lever\'; did you mean liver?'),
        (["site=x", "fast=yes"], "extension parameter fast must be true or false, got 'yes'"),
        (["missing.yaml"], "--param missing.yaml cannot be read"),
    ],
)
def test_extension_parameters_that_the_dialog_would_not_take(tmp_path: Path, words: list[str], said: str) -> None:
    values = trees_for_tests.FILES[f"{CHART}/values.yaml"] + PARAMETERS
    tree = trees_for_tests.write(tmp_path / "extension", {f"{CHART}/values.yaml": values})
    options = [word for pair in words for word in ("--param", pair)]
    result = invoke("run", tree, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2, result.output
    assert said in result.stderr.splitlines()[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("_no_environment")
@pytest.mark.parametrize("verb", ["run", "build"])
def test_a_parameter_that_the_dialog_cannot_show(tmp_path: Path, verb: str) -> None:
    values = trees_for_tests.FILES[f"{CHART}/values.yaml"] + "extension_params: {organ: {type: list, default: a}}\n"
    result = invoke(verb, trees_for_tests.write(tmp_path / "extension", {f"{CHART}/values.yaml": values}))
    assert result.exit_code == 2, result.output
    assert "values.yaml: extension_params.organ: the dialog has no field for the type 'list'" in result.stderr


@pytest.mark.usefixtures("_no_environment")
@pytest.mark.parametrize("verb", ["run", "build"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({f"{CHART}/Chart.yaml": None}, "no Chart.yaml"),
        ({f"{CHART}/requirements.yaml": None}, "no requirements.yaml"),
        ({f"{CHART}/requirements.yaml": "dependencies:\n- name: other\n"}, "does not depend on dag-installer-chart"),
    ],
)
def test_a_chart_that_lacks_something(tmp_path: Path, verb: str, change: dict[str, str | None], said: str) -> None:
    result = invoke(verb, trees_for_tests.write(tmp_path / "extension", change))
    assert result.exit_code == 2, result.output
    assert said in result.stderr


def test_a_dag_file_that_the_platform_cannot_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = FakeEnvironment()

    def deploy(*_: Any, **__: Any) -> Any:
        raise DagFileError("dag_mean.py line 3 does not import: ModuleNotFoundError: No module named 'meen'")

    monkeypatch.setattr("harness.cli.verbs._environment", lambda _: platform)
    monkeypatch.setattr("harness.platform.install.deploy", deploy)
    result = invoke("run", trees_for_tests.write(tmp_path / "extension"), "--out", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: dag_mean.py line 3 does not import: ModuleNotFoundError")
    assert platform.removed == platform.projects
    assert platform.downs == [False]


@contextlib.contextmanager
def _something_else(path: Path) -> Iterator[None]:
    """A socket on which no process answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        yield


@pytest.mark.parametrize("verb", ["up", "run"])
@pytest.mark.parametrize("there", [False, True], ids=["no socket", "a socket without a listener"])
def test_a_machine_without_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, there: bool) -> None:
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    tree = [trees_for_tests.write(tmp_path / "extension"), "--out", tmp_path / "out"] if verb == "run" else []
    with _something_else(path) if there else contextlib.nullcontext():
        result = invoke(verb, *tree)
    assert result.exit_code == 3, result.output
    assert result.stderr.startswith("error: ") or "\nerror: " in result.stderr
    assert "fix: " in result.stderr
    assert "Traceback" not in result.output
    assert not list((tmp_path / "state").glob("environments/*"))
