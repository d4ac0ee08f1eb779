"""Platform profiles: what each release of the platform honours, as data (runtime 17, build 21, services 20).

Every profile has every key of :data:`SCHEMA`, so a difference between releases is a difference between two files.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = Path(__file__).parent

# a type, or the values that are possible
SCHEMA: Final[Mapping[str, Mapping[str, type | tuple[str, ...]]]] = {
    "installer": {"dag_image_tag": ("platform", "chart")},
    "airflow": {"parallelism": int},
    "operator": {
        "startup_timeout_s": float,
        "unknown_parameters": list,
        "keywords": ("fixed", "overridable"),
        "seg_info_none": ("none", "empty"),
    },
    "pod": {
        "cmds_honoured": bool,
        "pull_policy_honoured": bool,
        "pull_policy_default": ("", "Always"),
        "scheduling_honoured": bool,
        "annotations_honoured": bool,
        "namespace_honoured": bool,
        "get_logs_honoured": bool,
        "xcom_honoured": bool,
        "cache_honoured": bool,
        "memory_factor": float,
        "gpu_limit": bool,
        "name": ("run-task", "task-timestamp"),
        "container_name": ("main", "pod"),
        "type_label": str,
        "existing_pod": ("refused", "replaced"),
        "skipped_pod": ("kept", "deleted"),
        "env_task_id": bool,
        "env_service_urls": bool,
        "env_extensions_namespace": bool,
        "conf": ("configmap", "file"),
        "conf_name": ("", "verbatim", "cured"),
        "mounted_scripts": bool,
        "delete_output_on_start": bool,
        "delete_input_on_success": bool,
    },
    "python": {
        "branch_sees_project": bool,
        "service_dags_in_scheduler": bool,
        "annotations": ("unknown", "broken"),
    },
    "conf": {"form_data": bool},
    "callbacks": {"notifications": bool},
    "forms": {"confirmation_required": bool, "required_enum_exempt": bool, "no_models_form": bool},
    "projects": {"software_mapping": bool},
}
"""Tables and keys of a profile. ``0.6.0.toml`` explains each of them."""


class ProfileError(Exception):
    """A profile's file is not what :data:`SCHEMA` says; a mistake of the harness, not of its user."""


@dataclasses.dataclass(frozen=True)
class Profile:
    """One platform release; ``data`` is the file's whole content and is handed to the containers as JSON."""

    name: str
    version: str
    data: dict[str, Any]

    def as_json(self) -> str:
        """Return the text that Airflow and the services read (``KAAPANA_HARNESS_PROFILE``)."""
        return json.dumps(self.data, sort_keys=True)

    def value(self, key: str) -> Any:
        """Return a value by its dotted key, e.g. ``pod.cmds_honoured``.

        Raises:
            KeyError: there is no such key.
        """
        table, _, name = key.partition(".")
        return self.data[table][name]


@functools.cache
def names() -> tuple[str, ...]:
    """Return the profiles that exist: releases by version, then ``documented``."""
    return tuple(sorted((path.stem for path in _FOLDER.glob("*.toml")), key=_version))


def _version(name: str) -> tuple[bool, tuple[int, ...], str]:
    """Sort key of profiles: 0.10 comes after 0.9, and other names last."""
    parts = name.split(".")
    numbers = tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()
    return not numbers, numbers, name


@functools.cache
def load(name: str) -> Profile:
    """Read a profile.

    Raises:
        UsageError: there is no profile of that name.
        ProfileError: its file is not complete.
    """
    path = _FOLDER / f"{name}.toml"
    if name not in names():
        raise UsageError(f"there is no platform profile {name!r}", fix=f"choose one of: {', '.join(names())}")
    data = tomllib.loads(path.read_text("utf-8"))
    problems = check(data)
    if problems:
        raise ProfileError(f"{path.name}: {'; '.join(problems)}")
    return Profile(name=data["name"], version=data["version"], data=data)


def check(data: Mapping[str, Any]) -> list[str]:
    """Return the problems of a profile's file, one text each; empty if it is complete."""
    problems = [f"{key} must be a string" for key in ("name", "version") if not isinstance(data.get(key), str)]
    problems += [f"unknown key {key}" for key in data if key not in SCHEMA and key not in ("name", "version")]
    for table, keys in SCHEMA.items():
        given = data.get(table)
        if not isinstance(given, Mapping):
            problems.append(f"table [{table}] is missing")
            continue
        problems += [f"unknown key {table}.{key}" for key in given if key not in keys]
        for key, wanted in keys.items():
            if key not in given:
                problems.append(f"{table}.{key} is missing")
            elif not _fits(given[key], wanted):
                problems.append(f"{table}.{key} cannot be {given[key]!r}")
    return problems


def releases() -> tuple[Profile, ...]:
    """Return the profiles of releases as built, oldest first; without ``documented``."""
    return tuple(load(name) for name in names() if name != "documented")


def _fits(value: Any, wanted: type | tuple[str, ...]) -> bool:
    if isinstance(wanted, tuple):
        return value in wanted
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, wanted)
