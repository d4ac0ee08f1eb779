"""Each option is declared once: flags, messages and documents name what exists, and an error what its user typed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import harness
from harness import profiles
from harness.cli.verbs import cli
from harness.cluster import kinds
from harness.errors import UsageError
from harness.settings import OPTIONS, Settings, how_to_set
from harness.settings.variables import VARIABLES, image_variable

PACKAGE = Path(harness.__file__).parent
ROOT = PACKAGE.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/[!c]*/*.md")])
# what runs in containers has variables of its own
_ELSEWHERE = ("incluster", "wire", "kube", "images/base-installer", "images/base-python-cpu", "images/airflow")
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if not str(path.relative_to(PACKAGE)).startswith(_ELSEWHERE)]
_FLAG = re.compile(r"(?<![\w/-])--[a-z][a-z-]*[a-z]")
_VARIABLE = re.compile(r"KAAPANA_HARNESS_[A-Z_]*(?:[A-Z]|<NAME>)")
_CALL = re.compile(r"kaapana-harness ((?:context |images )?[a-z][a-z-]*)([^`\n|#]*)")
# whatever follows them on a line is theirs
_OTHER_PROGRAMS = re.compile(
    r"\b(docker (run|build|buildx|builder|exec|image|volume|save)|Docker 20|runArgs|dockerd|kubectl|pip|tar|ctr|"
    r"build_image\.sh|mmdebstrap|apt-get|kind (create|load)|busybox|exec|COPY|RUN|ADD|tox)\b"
)
_FLAGS_OF_OTHERS = {"--chmod", "--dist", "--progress"}  # of COPY and ADD, of pytest-xdist, of docker buildx


def _verbs(group: click.Command = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from _verbs(command, f"{path} {name}".strip())
    else:
        yield path, group


def _flags_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")} | {"--help"}


VERBS = dict(_verbs())
FLAGS = {path: _flags_of(command) for path, command in VERBS.items()}
PYTEST_FLAGS = {option.pytest_flag for option in OPTIONS.values() if option.pytest}
USER_VARIABLES = {option.variable for option in OPTIONS.values()} | {known.name for known in VARIABLES}


def _code(path: Path) -> Iterator[str]:
    """Yield the texts of a module that are not its documentation; what is filled into them as ``{}``."""
    tree = ast.parse(path.read_bytes())
    apart = {
        id(part)
        for node in ast.walk(tree)
        for part in (
            node.values if isinstance(node, ast.JoinedStr) else [node.value] if isinstance(node, ast.Expr) else []
        )
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            yield node.value


def _messages(path: Path) -> Iterator[str]:
    """Yield the texts of a module that are more than one argument of a program."""
    return (text for text in _code(path) if " " in text.strip() and not text.startswith("--"))


def _unknown(text: str, known: set[str]) -> list[str]:
    """Return the flags in a text that are neither known nor those of another program that is named before them."""
    found = []
    for line in text.splitlines():
        for flag in _FLAG.finditer(line):
            if flag[0] not in known and not _OTHER_PROGRAMS.search(line[: flag.start()]):
                found.append(flag[0])
    for verb, rest in _CALL.findall(text):
        if verb.strip() in FLAGS:
            found += [flag for flag in _FLAG.findall(rest) if flag not in FLAGS[verb.strip()]]
    return found


def _is_variable(name: str) -> bool:
    return name in USER_VARIABLES or name.startswith(image_variable("").name)


def _flags_of_tools() -> set[str]:
    """Return the flags of other programs of this repository: the doctor, the matrix of engines."""
    sources = [PACKAGE / "doctor/command.py", ROOT / "tests/engines/matrix/__main__.py"]
    declared = re.compile(r'\b(?:option|add_argument)\("(--[a-z-]+)"')
    return {flag for path in sources for flag in declared.findall(path.read_text("utf-8"))}


def test_every_option_that_a_message_names_exists() -> None:
    known = set[str]().union(*FLAGS.values()) | PYTEST_FLAGS | _FLAGS_OF_OTHERS
    unknown = []
    for path in MODULES:
        for text in _messages(path):
            variables = [name for name in _VARIABLE.findall(text) if not _is_variable(name)]
            unknown += [(str(path.relative_to(PACKAGE)), name) for name in [*_unknown(text, known), *variables]]
    assert unknown == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_option_that_a_document_names_exists(path: Path) -> None:
    known = set[str]().union(*FLAGS.values()) | PYTEST_FLAGS | _flags_of_tools() | _FLAGS_OF_OTHERS
    text = path.read_text("utf-8")
    assert _unknown(text, known) == []
    assert [name for name in _VARIABLE.findall(text) if not _is_variable(name)] == []


def test_an_option_that_does_not_exist_is_noticed() -> None:
    known = {"--chart", "--fix"}
    assert _unknown("name it with --ca-bundle or --kaapana-char", known) == ["--ca-bundle", "--kaapana-char"]
    assert _unknown("see `kaapana-harness build --chart X`, `docker build --platform Y`, --fix", known) == ["--chart"]
    assert not _is_variable("KAAPANA_HARNESS_CA")


def test_the_help_of_verbs_names_only_their_own_options() -> None:
    runner = CliRunner()
    for path in VERBS:
        shown = runner.invoke(cli, [*path.split(), "--help"]).stdout
        assert _unknown(shown.partition("Options:")[0], FLAGS[path] | PYTEST_FLAGS | {"--cluster"}) == []


def test_a_variable_of_the_user_is_named_by_its_declaration_alone() -> None:
    others = [path for path in MODULES if path.parent != PACKAGE / "settings"]
    assert [(path.name, text) for path in others for text in _code(path) if _VARIABLE.search(text)] == []


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["run", "x", "--timeout", "abc"], "--timeout"),
        (["run", "x", "--nodes", "0"], "--nodes"),
        (["run", "x", "--cluster", "moon"], "--cluster"),
        (["run", "x", "--deliver", "pigeon"], "--deliver"),
        (["run", "x", "--platform-version", "a/b"], "--platform-version"),
        (["up", "--platform", "0.1"], "--platform"),
        (["build", "x", "--registry", "https://registry.site"], "--registry"),
        (["lint", "x", "--platform", "0.1"], "--platform"),
    ],
)
def test_an_error_names_the_flag_as_it_was_typed(words: list[str], flag: str) -> None:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {flag}: expected ")


def test_an_error_names_the_variable_the_key_with_its_file_or_the_name_in_python(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^KAAPANA_HARNESS_RUN_TIMEOUT: expected a positive number"):
        Settings.load(environ={"KAAPANA_HARNESS_RUN_TIMEOUT": "abc"}, start=tmp_path)
    with pytest.raises(UsageError, match=r"^run_timeout: expected a positive number"):
        Settings.load({"run_timeout": "abc"}, environ={}, start=tmp_path)
    for key in ("run-timeout", "run_timeout"):
        (tmp_path / "pyproject.toml").write_text(f"[tool.kaapana-harness]\n{key} = 'abc'\n")
        with pytest.raises(UsageError, match=f"pyproject.toml: {key}: expected a positive number"):
            Settings.load(environ={}, start=tmp_path)


def test_settings_know_under_which_name_they_were_set(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.kaapana-harness]\nnodes = 2\n")
    environ = {"KAAPANA_HARNESS_REUSE": "1", "KAAPANA_HARNESS_CLUSTER": "kind"}
    spelling = {"cluster": "--kaapana-cluster"}
    settings = Settings.load({"cluster": "docker"}, spelling=spelling, environ=environ, start=tmp_path)
    assert settings.sources == {
        "cluster": "--kaapana-cluster",
        "reuse": "KAAPANA_HARNESS_REUSE",
        "nodes": f"{tmp_path / 'pyproject.toml'}: nodes",
    }
    assert (settings.cluster, settings.nodes, settings.reuse) == ("docker", 2, True)


def test_a_message_says_how_an_option_is_set_wherever_it_can_be() -> None:
    assert how_to_set("images", "engine") == "--images engine (pytest: --kaapana-images)"
    assert how_to_set("run_timeout") == "--timeout (pytest: KAAPANA_HARNESS_RUN_TIMEOUT)"
    assert how_to_set("gpu") == "KAAPANA_HARNESS_GPU (pytest: --kaapana-gpu)"
    assert how_to_set("ca_bundle", "F") == "KAAPANA_HARNESS_CA_BUNDLE=F or ca-bundle in [tool.kaapana-harness]"


def test_the_help_of_the_platform_lists_its_profiles() -> None:
    listed = re.split(r", | or ", OPTIONS["platform"].help.partition(": ")[2])
    assert sorted(listed) == sorted(profiles.names())


def test_the_help_of_the_cluster_lists_its_kinds() -> None:
    # not made from them: the plugin has the help in every run of pytest, and loads no kind
    assert OPTIONS["cluster"].help.endswith(f": {kinds.list_forms()}")


def test_every_default_is_what_its_text_means() -> None:
    for option in OPTIONS.values():
        default = option.default
        text = ",".join(default) if isinstance(default, tuple) else "" if default is None else str(default)
        assert option.parse(text) == default, option.name


def test_the_page_of_settings_is_up_to_date() -> None:
    command = [sys.executable, "-m", "harness.settings"]
    page = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, cwd=ROOT).stdout
    assert (ROOT / "docs/settings.md").read_text("utf-8") == page, "python -m harness.settings > docs/settings.md"
