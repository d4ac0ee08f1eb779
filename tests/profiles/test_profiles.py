"""The releases of the platform, as data (runtime 17, build 21, services 20)."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harness import profiles
from harness.errors import UsageError
from harness.incluster.airflow import profile as inside
from harness.settings import Settings
from harness.wire.names import PROFILE_VARIABLE

ALL = ("0.4", "0.5.0", "0.5.3", "0.6.0", "0.6.1", "documented")


def test_there_is_one_profile_for_each_release_that_differs() -> None:
    assert profiles.names() == ALL
    assert [profiles.load(name).name for name in ALL] == list(ALL)
    assert [release.name for release in profiles.releases()] == ["0.4", "0.5.0", "0.5.3", "0.6.0", "0.6.1"]


@pytest.mark.parametrize("name", ALL)
def test_every_profile_says_every_key(name: str) -> None:
    assert profiles.check(profiles.load(name).data) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"pod": None}, "table [pod] is missing"),
        ({"pod": {"cmds_honoured": "yes"}}, "pod.cmds_honoured cannot be 'yes'"),
        ({"pod": {"memory_factor": True}}, "pod.memory_factor cannot be True"),
        ({"pod": {"name": "random"}}, "pod.name cannot be 'random'"),
        ({"pod": {"colour": "red"}}, "unknown key pod.colour"),
        ({"weather": {}}, "unknown key weather"),
        ({"version": 6}, "version must be a string"),
    ],
)
def test_a_profile_with_a_mistake_is_refused_with_its_key(change: dict[str, Any], problem: str) -> None:
    data: dict[str, Any] = copy.deepcopy(profiles.load("0.6.0").data)
    for key, value in change.items():
        if value is None:
            del data[key]
        elif isinstance(value, dict):
            data.setdefault(key, {}).update(value)
        else:
            data[key] = value
    assert profiles.check(data) == [problem]


def test_a_key_that_is_missing_is_named() -> None:
    data: dict[str, Any] = copy.deepcopy(profiles.load("0.4").data)
    del data["pod"]["conf"]
    assert profiles.check(data) == ["pod.conf is missing"]


def test_an_unknown_profile_names_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"'0\.7'") as caught:
        profiles.load("0.7")
    assert caught.value.fix == "choose one of: 0.4, 0.5.0, 0.5.3, 0.6.0, 0.6.1, documented"


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("installer.dag_image_tag", ("platform", "platform", "chart", "chart", "chart")),
        ("pod.cmds_honoured", (True, True, True, False, False)),
        ("pod.pull_policy_honoured", (True, True, True, False, False)),
        ("pod.scheduling_honoured", (True, True, True, False, False)),
        ("pod.xcom_honoured", (True, True, True, False, False)),
        ("pod.get_logs_honoured", (True, True, True, False, False)),
        ("pod.cache_honoured", (True, True, True, False, False)),
        ("pod.delete_input_on_success", (True, True, True, False, False)),
        ("pod.delete_output_on_start", (True, True, True, False, False)),
        ("pod.annotations_honoured", (False, False, False, True, True)),
        ("pod.namespace_honoured", (False, False, False, True, True)),
        ("pod.memory_factor", (1.0, 1.0, 1.0, 1.1, 1.1)),
        ("pod.gpu_limit", (False, False, False, True, True)),
        ("pod.env_task_id", (False, True, True, True, True)),
        ("pod.env_service_urls", (False, True, True, True, True)),
        ("pod.env_extensions_namespace", (True, True, True, False, False)),
        ("pod.mounted_scripts", (True, True, True, False, False)),
        ("pod.conf", ("file", "file", "file", "configmap", "configmap")),
        ("pod.existing_pod", ("replaced", "replaced", "replaced", "refused", "refused")),
        ("pod.skipped_pod", ("deleted", "deleted", "deleted", "kept", "kept")),
        ("operator.startup_timeout_s", (120, 120, 120, 3600, 3600)),
        ("conf.form_data", (True, False, False, False, False)),
        ("callbacks.notifications", (False, True, True, True, True)),
        ("projects.software_mapping", (False, True, True, True, True)),
        ("forms.confirmation_required", (False, False, False, True, True)),
        ("pod.pull_policy_default", ("", "", "", "", "Always")),
        ("pod.conf_name", ("", "", "", "verbatim", "cured")),
        ("operator.keywords", ("fixed", "fixed", "fixed", "fixed", "overridable")),
        ("operator.seg_info_none", ("none", "none", "none", "none", "empty")),
        ("python.annotations", ("unknown", "unknown", "unknown", "unknown", "broken")),
        ("forms.required_enum_exempt", (True, True, True, True, False)),
        ("forms.no_models_form", (False, False, False, False, True)),
        ("python.branch_sees_project", (True, True, True, False, False)),
    ],
)
def test_releases_differ_as_the_table_of_the_platform_says(key: str, values: tuple[Any, ...]) -> None:
    assert tuple(release.value(key) for release in profiles.releases()) == values


def test_profiles_are_sorted_by_version_and_not_as_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("0.10", "0.9.1", "0.9", "documented", "1.0"):
        (tmp_path / f"{name}.toml").touch()
    monkeypatch.setattr(profiles, "_FOLDER", tmp_path)
    assert profiles.names.__wrapped__() == ("0.9", "0.9.1", "0.10", "1.0", "documented")


def test_documented_is_0_6_0_but_for_what_the_guide_promises() -> None:
    documented, built = profiles.load("documented"), profiles.load("0.6.0")
    different = {
        f"{table}.{key}"
        for table, keys in profiles.SCHEMA.items()
        for key in keys
        if documented.value(f"{table}.{key}") != built.value(f"{table}.{key}")
    }
    assert different == {
        "installer.dag_image_tag", "pod.cmds_honoured", "pod.pull_policy_honoured", "pod.memory_factor",
        "pod.delete_output_on_start", "python.branch_sees_project",
    }  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_airflow_reads_every_value_of_a_profile(name: str) -> None:
    profile = profiles.load(name)
    release = inside.from_environment({PROFILE_VARIABLE: profile.as_json()})
    assert (release.name, release.parallelism) == (name, profile.value("airflow.parallelism"))
    for table in ("operator", "pod", "python", "conf", "callbacks"):
        read = dataclasses.asdict(getattr(release, table))
        given = {key: tuple(v) if isinstance(v, list) else v for key, v in profile.data[table].items()}
        assert read == given


def test_without_a_profile_airflow_does_what_is_documented() -> None:
    assert dataclasses.replace(inside.from_environment({}), parallelism=50) == inside.from_environment(
        {PROFILE_VARIABLE: profiles.load("documented").as_json()}
    )


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("source", ["flag", "environment"])
def test_the_option_takes_every_profile(name: str, source: str, tmp_path: Path) -> None:
    flags = {"platform": name} if source == "flag" else {}
    environ = {"KAAPANA_HARNESS_PLATFORM": name} if source == "environment" else {}
    settings = Settings.load(flags, environ=environ, start=tmp_path)
    assert settings.platform == name
    assert settings.sources == {"platform": "platform" if source == "flag" else "KAAPANA_HARNESS_PLATFORM"}


def test_the_option_refuses_an_unknown_release_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"KAAPANA_HARNESS_PLATFORM: expected 0\.4, .* or documented, got '0\.6'"):
        Settings.load({}, environ={"KAAPANA_HARNESS_PLATFORM": "0.6"}, start=tmp_path)


def test_a_platform_can_have_the_names_of_another_installation(tmp_path: Path) -> None:
    flags = {"platform_registry": "registry.site:5000/group", "platform_version": "0.6.0-12-gabc1234"}
    settings = Settings.load(flags, environ={}, start=tmp_path)
    assert settings.platform_registry == "registry.site:5000/group"
    assert settings.platform_version == "0.6.0-12-gabc1234"


@pytest.mark.parametrize(
    "flags",
    [
        {"platform_registry": "https://registry.site"},
        {"platform_registry": "registry"},
        {"platform_version": "-1"},
        {"platform_version": "a/b"},
        {"platform_version": "v" * 129},
    ],
)
def test_a_name_that_no_image_can_have_is_refused(flags: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^platform_"):
        Settings.load(flags, environ={}, start=tmp_path)
