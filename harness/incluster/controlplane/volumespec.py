"""Which volumes a pod may have, and which paths in them: validated as Kubernetes does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from harness.incluster.controlplane.errors import UntranslatableError
from harness.kube.quantities import round_up
from harness.wire.naming import DNS_LABEL

Spec = Mapping[str, Any]

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_LONGEST_KEY: Final = 253
# of one path; the engine's host does not take longer ones
_LONGEST_PATH: Final = 4096
_SOURCES: Final = {"persistentVolumeClaim", "configMap", "secret", "emptyDir", "hostPath", "projected"}
_CONFIGURED: Final = {"configMap", "secret"}
_ACCESS_MODES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_HOST_TYPES: Final = (None, "", "Directory", "DirectoryOrCreate", "File", "FileOrCreate")


def check_key(key: Any, where: str) -> None:
    """Check a key of a ConfigMap or Secret.

    Raises:
        UntranslatableError: it could not be the name of a file in a folder.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise UntranslatableError(
            where,
            f"Invalid value: {key!r}: a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        )
    if len(key) > _LONGEST_KEY:
        raise UntranslatableError(where, f"Invalid value: {key!r}: must be no more than {_LONGEST_KEY} characters")
    if key == "." or key.startswith(".."):
        what = "must not be '.'" if key == "." else "must not start with '..'"
        raise UntranslatableError(where, f"Invalid value: {key!r}: {what}")


def check_relative(path: Any, where: str) -> None:
    """Check a path below a volume: relative, and nowhere upwards.

    Raises:
        UntranslatableError: it is not one.
    """
    _path(path, where)
    if path.startswith("/"):
        raise UntranslatableError(where, f"Invalid value: {path!r}: must be a relative path")
    if ".." in path.split("/"):
        raise UntranslatableError(where, f"Invalid value: {path!r}: must not contain '..'")


def check_absolute(path: Any, where: str) -> None:
    """Check a path of a file system: absolute, and nowhere upwards.

    Raises:
        UntranslatableError: it is not one.
    """
    _path(path, where)
    if not path.startswith("/"):
        raise UntranslatableError(where, f"must be an absolute path, not {path!r}")
    if ".." in path.split("/"):
        raise UntranslatableError(where, f"Invalid value: {path!r}: must not contain '..'")


def check_volume(volume: Spec, where: str) -> None:
    """Check one volume of a pod.

    Raises:
        UntranslatableError: the first field that is wrong or cannot be done.
    """
    if not isinstance(volume, Mapping) or not DNS_LABEL.fullmatch(str(volume.get("name", ""))):
        name = volume.get("name") if isinstance(volume, Mapping) else volume
        raise UntranslatableError(f"{where}.name", f"Invalid value: {name!r}")
    for source in volume:
        if source == "name" or volume[source] is None:
            continue
        if source not in _SOURCES:
            raise UntranslatableError(f"{where}.{source}", "this type of volume cannot be done on the docker cluster")
        if not isinstance(volume[source], Mapping):
            raise UntranslatableError(f"{where}.{source}", f"must be an object, not {volume[source]!r}")
    if host := volume.get("hostPath"):
        check_absolute(host.get("path"), f"{where}.hostPath.path")
        if host.get("type") not in _HOST_TYPES:
            raise UntranslatableError(
                f"{where}.hostPath.type", f"cannot be done on the docker cluster: {host['type']!r}"
            )
    if (limit := (volume.get("emptyDir") or {}).get("sizeLimit")) is not None:
        try:
            round_up(limit)
        except ValueError as error:
            raise UntranslatableError(f"{where}.emptyDir.sizeLimit", f"{limit!r}: {error}") from None
    for kind in _CONFIGURED:
        _configure(volume.get(kind) or {}, f"{where}.{kind}")
    projected = volume.get("projected") or {}
    _mode(projected.get("defaultMode"), f"{where}.projected.defaultMode")
    for number, part in enumerate(projected.get("sources") or ()):
        for source in part:
            at = f"{where}.projected.sources[{number}].{source}"
            if source not in _CONFIGURED:
                raise UntranslatableError(at, "cannot be done here")
            _configure(part[source] or {}, at)


def check_persistent_volume(manifest: Spec) -> None:
    """Check a PersistentVolume: a folder of the node.

    Raises:
        UntranslatableError: it is not one, or its path is not a path of the node.
    """
    spec = manifest.get("spec") or {}
    sources = [source for source in ("hostPath", "local") if spec.get(source)]
    if not sources:
        raise UntranslatableError("spec", "only hostPath and local volumes can be done on the docker cluster")
    for source in sources:
        check_absolute(spec[source].get("path"), f"spec.{source}.path")


def check_claim(manifest: Spec) -> None:
    """Check that a PersistentVolumeClaim asks for something that exists.

    Raises:
        UntranslatableError: an access mode is unknown, or the storage is not a positive quantity.
    """
    spec = manifest.get("spec") or {}
    for number, mode in enumerate(spec.get("accessModes") or ()):
        if mode not in _ACCESS_MODES:
            supported = ", ".join(map(repr, _ACCESS_MODES))
            raise UntranslatableError(
                f"spec.accessModes[{number}]", f"Unsupported value: {mode!r}: supported values: {supported}"
            )
    at = "spec.resources.requests.storage"
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "1")
    try:
        size = round_up(storage)
    except ValueError as problem:
        raise UntranslatableError(at, f"Invalid value: {storage!r}: {problem}") from None
    if size <= 0:
        raise UntranslatableError(at, f"Invalid value: {storage!r}: must be greater than zero")


def _configure(part: Spec, where: str) -> None:
    _mode(part.get("defaultMode"), f"{where}.defaultMode")
    for number, item in enumerate(part.get("items") or ()):
        at = f"{where}.items[{number}]"
        if not item.get("key"):
            raise UntranslatableError(f"{at}.key", "Required value")
        if not item.get("path"):
            raise UntranslatableError(f"{at}.path", "Required value")
        check_relative(item["path"], f"{at}.path")
        if item["path"].startswith(".."):
            raise UntranslatableError(f"{at}.path", f"Invalid value: {item['path']!r}: must not start with '..'")
        _mode(item.get("mode"), f"{at}.mode")


def _mode(mode: Any, where: str) -> None:
    if mode is not None and (not isinstance(mode, int) or isinstance(mode, bool) or not 0 <= mode <= 0o777):
        raise UntranslatableError(where, f"Invalid value: {mode!r}: must be a number between 0 and 0777 (octal)")


def _path(path: Any, where: str) -> None:
    if not isinstance(path, str) or not path:
        raise UntranslatableError(where, "Required value")
    if "\0" in path or len(path) > _LONGEST_PATH:
        raise UntranslatableError(where, "Invalid value: no path of a file system")
