"""Bad packages and archives on the command line: the first line names the file, and nothing is started."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli.verbs import cli
from tests.artefacts.made_packages import CHART, INSTALLER, pack

NAME = "mean-workflow-0.1.0.tgz"


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.verbs._environment", lambda settings: pytest.fail("an environment is started"))


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["run", *map(str, words)])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def not_packed(path: Path) -> None:
    changes = dict.fromkeys([f"{INSTALLER}/{name}" for name in ("Chart.yaml", "values.yaml", "templates/job.yaml")])
    path.write_bytes(pack(changes))


def other_version(path: Path) -> None:
    path.write_bytes(pack({"Chart.yaml": CHART.replace("0.1.0", "0.2.0")}))


def not_packaged(path: Path) -> None:
    path.write_bytes(gzip.compress(b"no archive"))


def library(path: Path) -> None:
    path.write_bytes(pack({"Chart.yaml": CHART + "type: library\n"}))


@pytest.mark.parametrize("damage", [cut, damaged, not_packed, other_version, not_packaged, library])
def test_a_bad_package_is_wrong_input_and_named_in_the_first_line(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / NAME
    path.write_bytes(pack())
    damage(path)
    result = run("--chart", path)
    assert result.exit_code == 2
    first = result.stderr.splitlines()[0]
    assert first.startswith("error: ")
    assert NAME in first


def test_a_renamed_package_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "latest.tgz").write_bytes(pack())
    result = run("--chart", tmp_path / "latest.tgz")
    assert result.exit_code == 2
    assert f"error: latest.tgz must be named {NAME}" in result.stderr


def test_one_chart_given_twice_is_wrong_input(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / NAME).write_bytes(pack())
    result = run("--chart", tmp_path / "a" / NAME, "--chart", tmp_path / "b" / NAME)
    assert result.exit_code == 2
    assert "are the same chart mean-workflow" in result.stderr


@pytest.mark.parametrize(
    "content",
    [b"", b"no tar at all" * 100, gzip.compress(b"x" * 2000)],
    ids=["empty", "no archive", "compressed, no archive"],
)
def test_a_bad_archive_is_wrong_input_and_named_in_the_first_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(pack())
    (tmp_path / "images.tar").write_bytes(content)
    result = run("--chart", tmp_path / NAME, "--images", tmp_path / "images.tar")
    assert result.exit_code == 2
    assert "images.tar" in result.stderr.splitlines()[0]


def test_a_package_without_images_says_how_to_give_them(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(pack())
    result = run("--chart", tmp_path / NAME, "--platform-registry", "registry.example.org/team")
    assert result.exit_code == 2
    assert "needs registry.example.org/team/dag-mean:0.0.0, but no images were given" in result.stderr
    assert "--images images.tar" in result.stderr
