"""Baseline pod security, equal for all pods: the bounds of what a pod may request beyond its own processes.

A field that is not in these tables is refused by name (``podspec``), so nothing is granted under another name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from harness.incluster.controlplane.errors import UntranslatableError

Spec = Mapping[str, Any]

# default capabilities of a Docker engine: more would give access to the machine
CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
        "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
POD_FIELDS: Final = frozenset(
    {"runAsUser", "runAsGroup", "runAsNonRoot", "fsGroup", "supplementalGroups", "seccompProfile"}
)
CONTAINER_FIELDS: Final = frozenset(
    {
        "runAsUser", "runAsGroup", "runAsNonRoot", "capabilities", "allowPrivilegeEscalation",
        "readOnlyRootFilesystem", "seccompProfile",
    }
)  # fmt: skip
_CAPABILITY = re.compile(r"[A-Z][A-Z_]*")
_LARGEST_ID = 2**31 - 1
_LEGACY_PROFILE = re.compile(r"(container\.(apparmor|seccomp)|seccomp)\.security\.(alpha|beta)\.kubernetes\.io/")
_HARMLESS_PROFILES = ("runtime/default", "docker/default")


def check_security_context(context: Spec, where: str) -> None:
    """Check the values of a security context of a pod or a container with known fields.

    Args:
        context: the fields.
        where: the path of the context, with a dot at its end.

    Raises:
        UntranslatableError: a value is wrong, or asks for more than baseline pod security grants.
    """
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        if context.get(field) is not None:
            _identity(context[field], f"{where}{field}")
    for number, group in enumerate(_list(context.get("supplementalGroups"), f"{where}supplementalGroups")):
        _identity(group, f"{where}supplementalGroups[{number}]")
    for field in ("runAsNonRoot", "allowPrivilegeEscalation", "readOnlyRootFilesystem"):
        if not isinstance(context.get(field), bool | None):
            raise UntranslatableError(f"{where}{field}", f"must be a boolean, not {context[field]!r}")
    profile = context.get("seccompProfile")
    if profile is not None and profile != {"type": "RuntimeDefault"}:
        raise UntranslatableError(f"{where}seccompProfile", "only RuntimeDefault can be done on the docker cluster")
    capabilities = context.get("capabilities")
    if capabilities is not None:
        _capabilities(capabilities, f"{where}capabilities")


def check_profiles(annotations: Spec) -> None:
    """Refuse the annotations by which profiles were switched off before they were fields.

    Raises:
        UntranslatableError: names the annotation.
    """
    for key, value in annotations.items():
        if _LEGACY_PROFILE.match(str(key)) and value not in _HARMLESS_PROFILES:
            raise UntranslatableError(f"metadata.annotations[{key}]", f"Forbidden: may not be set to {value!r}")


def _capabilities(capabilities: Any, where: str) -> None:
    if not isinstance(capabilities, Mapping):
        raise UntranslatableError(where, f"must be an object, not {capabilities!r}")
    for field in capabilities:
        if field not in ("add", "drop"):
            raise UntranslatableError(f"{where}.{field}", "unknown field")
    for number, name in enumerate(_list(capabilities.get("add"), f"{where}.add")):
        if name not in CAPABILITIES:
            raise UntranslatableError(
                f"{where}.add[{number}]", f"Forbidden: {name!r} is not one of {', '.join(sorted(CAPABILITIES))}"
            )
    for number, name in enumerate(_list(capabilities.get("drop"), f"{where}.drop")):
        if not isinstance(name, str) or not _CAPABILITY.fullmatch(name):
            raise UntranslatableError(f"{where}.drop[{number}]", f"Invalid value: {name!r}")


def _list(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise UntranslatableError(where, f"must be a list, not {value!r}")
    return value


def _identity(value: Any, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_ID:
        raise UntranslatableError(where, f"Invalid value: {value!r}: must be between 0 and {_LARGEST_ID}, inclusive")
