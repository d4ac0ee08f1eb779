"""Memory, CPU and GPU of a processing pod (runtime 6.4)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

_UNITS: Final = ("B", "Ki", "Mi", "Gi", "Ti", "Pi")
_SUFFIXES: Final = {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "B": 1,
}


def memory_bytes(quantity: str | int | float) -> float:
    """Return the bytes of a Kubernetes quantity such as ``500Mi``.

    Raises:
        ValueError: it is not a quantity.
    """
    text = str(quantity).strip()
    for suffix, factor in _SUFFIXES.items():
        if text.endswith(suffix):
            return float(text[: -len(suffix)]) * factor
    return float(text)


def render_memory(quantity: str | int | float, factor: float) -> str:
    """Return a quantity to send: multiplied, one decimal, in the largest binary unit (500Mi x 1.1 -> ``550.0Mi``).

    A factor of 1 leaves the quantity as the operator wrote it.
    """
    if factor == 1:
        return str(quantity)
    size = memory_bytes(quantity) * factor
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    # "B" is not a suffix that Kubernetes knows
    return f"{size:.1f}{_UNITS[unit]}" if unit else str(round(size))


@dataclasses.dataclass
class TaskResources:
    """What an operator asks for, under the names of the platform's class; values may be ``None``."""

    requests: dict[str, Any]
    limits: dict[str, Any]


def pod_resources(
    *, ram_mem_mb: int | None, ram_mem_mb_lmt: int | None, cpu_millicores: int | None, gpu: bool | None
) -> TaskResources:
    """Return the resources that an operator's parameters ask for (runtime 5.0).

    Args:
        ram_mem_mb: request in Mi. ``ram_mem_mb_lmt``: limit in Mi, request + 100 by default.
        cpu_millicores: request in m, the limit is 100 more; ``None`` leaves the CPU alone.
        gpu: whether to request one GPU; ``None`` if the release omits the key.
    """
    requests: dict[str, Any] = {"cpu": None}
    limits: dict[str, Any] = {"cpu": None}
    if ram_mem_mb is not None:
        requests["memory"] = f"{ram_mem_mb}Mi"
        limits["memory"] = f"{ram_mem_mb_lmt if ram_mem_mb_lmt is not None else ram_mem_mb + 100}Mi"
    if cpu_millicores is not None:
        requests["cpu"] = f"{cpu_millicores}m"
        limits["cpu"] = f"{cpu_millicores + 100}m"
    if gpu is not None:
        limits["nvidia.com/gpu"] = 1 if gpu else 0
    return TaskResources(requests=requests, limits=limits)


def container_resources(given: Any, factor: float) -> dict[str, dict[str, str]]:
    """Return the ``resources`` of the container.

    Args:
        given: the operator's ``pod_resources``, a mapping or an object with ``requests`` and ``limits``.
        factor: the release's factor for memory.
    """
    tables = {name: dict(_member(given, name)) for name in ("requests", "limits")}
    for table in tables.values():
        if table.get("memory") is not None:
            table["memory"] = render_memory(table["memory"], factor)
    return {
        name: {key: str(value) for key, value in table.items() if value is not None} for name, table in tables.items()
    }


def _member(given: Any, name: str) -> Mapping[str, Any]:
    value = given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    dump = getattr(value, "model_dump", None) or getattr(value, "dict", None)
    result = dump() if callable(dump) else vars(value)
    return dict(result)
