"""Parts of ``ui_forms`` that DAG files put together (runtime 4.2). Evaluated whenever a DAG file is parsed."""

from __future__ import annotations

import functools
import json
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

from harness.wire import names

Properties = dict[str, Any]


def properties_filter(function: Callable[..., Properties]) -> Callable[..., Properties]:
    """Decorate a function of properties, so that it accepts a list of wanted keys.

    The list is the first positional argument or ``filter_keys``; an empty one means all, an unknown key is a KeyError.
    """

    @functools.wraps(function)
    def filtered(filter_keys: list[str] | None = None, *args: Any, **kwargs: Any) -> Properties:
        properties = function(*args, **kwargs)
        if isinstance(filter_keys, list) and filter_keys:
            return {key: properties[key] for key in filter_keys}
        return properties

    return filtered


@properties_filter
def properties_workflow_execution() -> Properties:
    """Return the switch between one job per series and one job for all."""
    return {
        "single_execution": {
            "type": "boolean",
            "title": "single execution",
            "description": "Run the workflow once for each series instead of once for all",
            "default": False,
            "readOnly": False,
            "required": True,
        }
    }


@properties_filter
def properties_dataset_form() -> Properties:
    """Return a choice of a dataset, filled in by the backend, and of a limit."""
    return {
        "dataset_name": {
            "type": "string",
            "title": "Dataset name",
            "oneOf": [],
            "required": True,
        },
        "dataset_limit": {
            "type": "integer",
            "title": "Limit dataset size",
            "description": "Use at most this many series of the dataset",
        },
    }


def schema_dataset_form(filter_keys: list[str] | None = None) -> Properties:
    """Return the standard ``data_form``."""
    return {"data_form": {"type": "object", "properties": properties_dataset_form(filter_keys)}}


def get_all_projects(without_admin_project: bool = True) -> list[str]:
    """Return the names of all projects; empty when the service does not answer.

    The platform means to omit the admin project, but compares with an id that it no longer has.
    """
    try:
        projects = _get_json(f"{names.url(names.AII)}/projects")
        return [project["name"] for project in projects if not (without_admin_project and project["id"] == 1)]
    except Exception:
        return []


def schema_upload_form(whitelisted_file_formats: Iterable[str] = ()) -> Properties:
    """Return a choice among the uploaded files that end with one of the given suffixes.

    A backend that cannot be reached breaks the import of the DAG; a plain string counts as its characters.
    """
    suffixes = tuple(whitelisted_file_formats)
    files = _get_json(f"{names.url(names.KAAPANA_BACKEND)}/client/files")
    fitting = [name for name in files if name.endswith(suffixes)]
    return {
        "data_form": {
            "type": "object",
            "properties": {
                "action_files": {
                    "type": "array",
                    "title": "Uploaded files",
                    "items": {"type": "string", "enum": fitting},
                }
            },
        }
    }


def schema_minio_form(
    select_options: str = "both",
    blacklist_directory_endings: Iterable[str] = (),
    whitelist_object_endings: Iterable[str] = (),
) -> Properties:
    """Return a choice of ``files``, ``folders`` or ``both`` among the objects of the bucket ``uploads``.

    The listing needs the platform's MinIO credentials in Airflow; as on the platform an error leaves it empty.
    """
    folders, files = _uploads(tuple(blacklist_directory_endings), tuple(whitelist_object_endings))
    choices = {
        "files": {"action_files": _choice("Objects of the bucket", files)},
        "folders": {"action_operator_dirs": _choice("Folders of the bucket", folders)},
    }
    bucket = {"bucket_name": {"type": "string", "title": "Bucket", "default": "uploads", "readOnly": True}}
    if select_options != "both":
        return {"data_form": {"type": "object", "properties": {**bucket, **choices[select_options]}}}
    branches = [
        {"title": name, "properties": {"identifier": {"type": "string", "const": name}, **properties}}
        for name, properties in choices.items()
    ]
    return {"data_form": {"type": "object", "properties": bucket, "oneOf": branches}}


@properties_filter
def properties_external_federated_form() -> Properties:
    """Return the settings of federated workflows, for DAG files that use them (no federated run is emulated)."""

    def method(name: str, title: str) -> Properties:
        return {"title": title, "properties": {"agg_strategy_method": {"type": "string", "const": name}}}

    names_of = {"type": "array", "items": {"type": "string"}, "readOnly": True}
    return {
        "federated_folder": {"type": "string", "title": "Folder", "readOnly": True},
        "federated_dir": {"type": "string", "title": "Directory", "readOnly": True},
        "federated_operators": {"title": "Operators that take part", **names_of},
        "skip_operators": {"title": "Operators to skip", **names_of},
        "federated_round": {"type": "integer", "title": "Round", "readOnly": True},
        "federated_total_rounds": {"type": "integer", "title": "Rounds", "default": 1},
        "aggregation_strategy": {
            "type": "object",
            "title": "Aggregation",
            "oneOf": [method("fedavg", "FedAvg"), method("feddc", "FedDC")],
        },
    }


def _choice(title: str, values: list[str]) -> Properties:
    return {"type": "array", "title": title, "items": {"type": "string", "enum": values}}


def _uploads(blacklist: tuple[str, ...], whitelist: tuple[str, ...]) -> tuple[list[str], list[str]]:
    try:
        import os

        from minio import Minio

        endpoint = os.environ["MINIO_URL"].split("://", 1)[-1]
        client = Minio(endpoint, os.environ["MINIOUSER"], os.environ["MINIOPASSWORD"], secure=False)
        objects = [entry.object_name or "" for entry in client.list_objects("uploads", recursive=True)]
    except Exception:
        return [], []
    folders = sorted({name.rsplit("/", 1)[0] for name in objects if "/" in name})
    return (
        [name for name in folders if not (blacklist and name.endswith(blacklist))],
        [name for name in objects if not whitelist or name.endswith(whitelist)],
    )


def _get_json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:  # the platform's own plain-HTTP names
        return json.load(answer)
