# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Files of a run to and from a bucket (operators 6.13, 7).

``action`` is one of ``get``, ``put`` and ``remove``; an object's name is the file's path below ``local_root_dir``, with
``target_dir_prefix`` before it when it is put.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

_LOG: Final = logging.getLogger("airflow.task.kaapana")

ACTIONS: Final = ("get", "remove", "put")


def apply_action_to_file(
    minio_client: Any,
    action: str,
    bucket_name: str,
    object_name: str,
    file_path: str | Path,
    file_white_tuples: Iterable[str] | None = None,
) -> None:
    """Get, put or remove one object, unless its lower-cased name has none of the endings.

    ``get`` writes no file: the platform's helper passes the path in place of an offset (operators 6.13).

    Raises:
        AssertionError: there is no such action.
    """
    _check(action)
    if file_white_tuples is not None and not str(file_path).lower().endswith(tuple(file_white_tuples)):
        _LOG.info("%s is passed over: not one of %s", file_path, tuple(file_white_tuples))
        return
    if action == "put":
        minio_client.fput_object(bucket_name, object_name, str(file_path))
    elif action == "remove":
        minio_client.remove_object(bucket_name, object_name)
    else:
        minio_client.stat_object(bucket_name, object_name)
        _LOG.warning("%s is not written to %s: as on the platform, nothing is downloaded", object_name, file_path)


def apply_action_to_object_names(
    minio_client: Any,
    action: str,
    bucket_name: str,
    local_root_dir: str | Path,
    object_names: Sequence[str] = (),
    file_white_tuples: Iterable[str] | None = None,
    target_dir_prefix: str = "",
) -> None:
    """Apply an action to the named objects.

    Raises:
        AssertionError: there is no such action.
        ValueError: a name leads out of ``local_root_dir``.
    """
    _check(action)
    white = None if file_white_tuples is None else tuple(file_white_tuples)
    for name in object_names:
        path = _inside(Path(local_root_dir), name)
        if action == "put" and not path.is_file():
            _LOG.warning("%s does not exist", path)
            continue
        target = _add_prefix(name, target_dir_prefix) if action == "put" else name
        apply_action_to_file(minio_client, action, bucket_name, target, path, white)


def apply_action_to_object_dirs(
    minio_client: Any,
    action: str,
    bucket_name: str,
    local_root_dir: str | Path,
    object_dirs: Sequence[str] = (),
    file_white_tuples: Iterable[str] | None = None,
    target_dir_prefix: str = "",
) -> None:
    """Apply an action to all objects below folders; without folders to all objects of the bucket.

    Raises:
        AssertionError: there is no such action.
        ValueError: a folder leads out of ``local_root_dir``.
    """
    _check(action)
    root = Path(local_root_dir)
    if action == "put":
        folders = [_inside(root, name) for name in object_dirs] or [root]
        files = sorted({file for folder in folders for file in folder.rglob("*") if file.is_file()})
        found = [str(file.relative_to(root)) for file in files]
    else:
        listed = [str(entry.object_name) for entry in minio_client.list_objects(bucket_name, recursive=True)]
        wanted = tuple(f"{name.strip('/')}/" for name in object_dirs)
        found = [name for name in listed if not wanted or name.startswith(wanted)]
    apply_action_to_object_names(minio_client, action, bucket_name, root, found, file_white_tuples, target_dir_prefix)


def _check(action: str) -> None:
    assert action in ACTIONS, f"action is {action!r}, it must be one of {', '.join(ACTIONS)}"


def _add_prefix(name: str, prefix: str) -> str:
    return f"{prefix.strip('/')}/{name}" if prefix.strip("/") else name


def _inside(root: Path, name: str) -> Path:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ValueError(f"{name!r} leads out of {root}")
    return path
