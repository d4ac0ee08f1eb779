"""Settings that are lists: charts and images, by flag, variable and table."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.doctor.probe import find_state_folder
from harness.errors import UsageError
from harness.settings import Settings


def table(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(f"[tool.kaapana-harness]\n{text}\n")
    return folder


def test_charts_and_images_of_the_table_are_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/a-1.0.0.tgz").touch()
    start = table(tmp_path, 'chart = ["dist/a-1.0.0.tgz"]\nimages = ["engine", "registry.site:5000/team"]')
    settings = Settings.load(environ={}, start=start)
    assert settings.chart == (str(tmp_path / "dist/a-1.0.0.tgz"),)
    assert settings.images == ("engine", "registry.site:5000/team")
    assert Settings.load(environ={}, start=start / "dist").chart == settings.chart


def test_a_variable_separates_them_by_commas_and_a_flag_may_be_repeated(tmp_path: Path) -> None:
    environ = {"KAAPANA_HARNESS_CHART": "a-1.0.0.tgz, b-1.0.0.tgz"}
    assert Settings.load(environ=environ, start=tmp_path).chart == ("a-1.0.0.tgz", "b-1.0.0.tgz")
    flags = {"chart": ["c-1.0.0.tgz", "d-1.0.0.tgz"]}
    assert Settings.load(flags, environ=environ, start=tmp_path).chart == ("c-1.0.0.tgz", "d-1.0.0.tgz")


@pytest.mark.parametrize("version", ["a b", "-1", "x" * 129, "1/2"])
def test_a_version_that_cannot_be_a_tag_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(UsageError, match="KAAPANA_HARNESS_PLATFORM_VERSION"):
        Settings.load(environ={"KAAPANA_HARNESS_PLATFORM_VERSION": version}, start=tmp_path)


@pytest.mark.parametrize("registry", ["https://registry.site", "no registry", "registry"])
def test_a_name_that_cannot_be_a_registry_is_refused(tmp_path: Path, registry: str) -> None:
    with pytest.raises(UsageError, match="KAAPANA_HARNESS_PLATFORM_REGISTRY"):
        Settings.load(environ={"KAAPANA_HARNESS_PLATFORM_REGISTRY": registry}, start=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUN_TIMEOUT", "1e308"),
        ("START_TIMEOUT", "2592001"),
        ("BUILD_TIMEOUT", "nan"),
        ("NODES", "99999999999"),
        ("NODES", "0"),
        ("DISK_RESERVE", "1e308"),
    ],
)
def test_a_number_beyond_all_bounds_is_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"KAAPANA_HARNESS_{name}: expected a .* got '?{value}"):
        Settings.load(environ={f"KAAPANA_HARNESS_{name}": value}, start=tmp_path)


def test_a_word_that_cannot_be_a_path_stays_as_it_is(tmp_path: Path) -> None:
    start = table(tmp_path, 'chart = ["~missing-user/a.tgz", "\\u0000", "%s"]' % ("a" * 5000))
    assert Settings.load(environ={}, start=start).chart == ("~missing-user/a.tgz", "\0", "a" * 5000)


def test_a_missing_working_directory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match="the working directory cannot be used"):
        Settings.load(environ={})


def test_the_folders_of_data_sets_are_a_table_or_pairs(tmp_path: Path) -> None:
    start = table(tmp_path, 'datasets = {"test-CT" = "data/ct", "1.2.3" = "/elsewhere"}')
    expected = (("test-CT", str(tmp_path / "data/ct")), ("1.2.3", "/elsewhere"))
    assert Settings.load(environ={}, start=start).datasets == expected
    environ = {"KAAPANA_HARNESS_DATASETS": "test-CT=ct, 1.2.3 = seg"}
    assert Settings.load(environ=environ, start=start).datasets == (("test-CT", "ct"), ("1.2.3", "seg"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('datasets = {"a" = 5}', "datasets: expected a folder for 'a'"),
        ('datasets = ["a"]', "datasets: expected NAME=FOLDER, separated by commas, got"),
    ],
)
def test_a_path_that_is_not_a_folder_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings.load(environ={}, start=table(tmp_path, text))


def test_relative_folders_are_those_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", "state")
    assert Settings.load().state == find_state_folder() == tmp_path / "state"


def test_both_searches_for_the_state_folder_ignore_a_relative_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAAPANA_HARNESS_STATE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert Settings.load().state == find_state_folder() == tmp_path / ".local" / "state" / "kaapana-harness"
