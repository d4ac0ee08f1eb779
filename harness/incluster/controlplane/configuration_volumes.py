"""Volumes with files of ConfigMaps and Secrets. A changed object changes the files, as with a kubelet.

Unlike a kubelet's, the files change one after another.
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.incluster.controlplane.errors import NotReadyError, UntranslatableError
from harness.incluster.controlplane.store import Change, Store
from harness.incluster.controlplane.volumespec import check_relative
from harness.kube import Manifest

_Part = tuple[str, Mapping[str, Any]]


class _File(NamedTuple):
    content: bytes
    mode: int


class _Volume(NamedTuple):
    namespace: str
    name: str
    parts: list[_Part]


class ConfigurationVolumes:
    """The configuration of all pods, as files.

    Args:
        store: all objects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._made: dict[Path, _Volume] = {}
        store.listen(self._on_change)

    def make(self, folder: Path, namespace: str, volume: Mapping[str, Any]) -> bool:
        """Write the files of a volume; whether it is one that has such files.

        Args:
            folder: exists if this returns; goes with its pod.
            namespace: of the pod.
            volume: as the pod has it.

        Raises:
            NotReadyError: it refers to something that is not there.
        """
        made = _Volume(namespace, str(volume["name"]), _parts(volume))
        if not made.parts:
            return False
        files = self._files(made)
        if not folder.is_dir():
            folder.mkdir(parents=True)
            # mkdir's own mode is subject to the umask
            folder.chmod(0o755)
        _write(folder, files)
        self._made[folder] = made
        return True

    def _on_change(self, change: Change) -> None:
        kind, metadata = change.after["kind"], change.after["metadata"]
        if kind not in ("ConfigMap", "Secret") or change.what == "DELETED":
            return
        for folder, volume in list(self._made.items()):
            if not folder.is_dir():
                del self._made[folder]
            elif volume.namespace == metadata["namespace"] and any(
                (kind, metadata["name"]) == (part_kind, _name(part)) for part_kind, part in volume.parts
            ):
                # a missing key leaves the files unchanged; the pod may be ending at this moment
                with contextlib.suppress(NotReadyError, FileNotFoundError):
                    _write(folder, self._files(volume))

    def _files(self, volume: _Volume) -> dict[str, _File]:
        """Return all files by their path in the volume."""
        files: dict[str, _File] = {}
        start = f'MountVolume.SetUp failed for volume "{volume.name}": '
        for kind, part in volume.parts:
            found = self._store.find(kind, volume.namespace, _name(part))
            if found is None:
                if part.get("optional"):
                    continue
                raise NotReadyError(f'{start}{kind.lower()} "{_name(part)}" not found')
            contents = contents_of(found)
            mode = part.get("defaultMode") or 0o644
            for item in part.get("items") or [{"key": key, "path": key} for key in contents]:
                if item["key"] in contents:
                    try:
                        check_relative(item["path"], f"path of key {item['key']!r}")
                    except UntranslatableError as problem:
                        raise NotReadyError(f"{start}{problem}") from None
                    files[item["path"]] = _File(contents[item["key"]], item.get("mode") or mode)
                elif not part.get("optional"):
                    raise NotReadyError(f"{start}{kind.lower()} references non-existent key: {item['key']}")
        return files


def contents_of(config: Manifest) -> dict[str, bytes]:
    """Return the entries of a ConfigMap or Secret."""
    if config["kind"] == "Secret":
        return {key: base64.b64decode(value) for key, value in (config.get("data") or {}).items()}
    contents = {key: value.encode() for key, value in (config.get("data") or {}).items()}
    contents.update({key: base64.b64decode(value) for key, value in (config.get("binaryData") or {}).items()})
    return contents


def _write(folder: Path, files: Mapping[str, _File]) -> None:
    """Make the folder have these files and no others, each whole at every moment."""
    for name, file in files.items():
        path = folder / name
        if path.is_file() and path.read_bytes() == file.content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        # beside the volume, where no container sees it
        partial = folder.parent / f".{folder.name}.partial"
        partial.write_bytes(file.content)
        partial.chmod(file.mode)
        os.replace(partial, path)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if str(path.relative_to(folder)) not in files:
            path.unlink()


def _name(part: Mapping[str, Any]) -> str:
    return str(part.get("name") or part.get("secretName") or "")


def _parts(volume: Mapping[str, Any]) -> list[_Part]:
    """Return the objects that a volume's files come from."""
    groups = [volume] if volume.get("configMap") or volume.get("secret") else []
    groups += (volume.get("projected") or {}).get("sources") or []
    parts: list[_Part] = []
    for group in groups:
        parts += [("ConfigMap", group["configMap"])] if group.get("configMap") else []
        parts += [("Secret", group["secret"])] if group.get("secret") else []
    return parts
