"""The types of patches of an object."""

from __future__ import annotations

import copy
from typing import Any

# fields with lists that a strategic merge patch joins by a key of their elements
_MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
    "imagePullSecrets": ("name",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
}


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386): null removes, lists are replaced."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge_patch(target: Any, patch: Any) -> Any:
    """Apply a strategic merge patch: like a merge patch, but known lists are joined by their elements' key."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            result.pop(key, None)
        elif key in _MERGE_KEYS and isinstance(value, list):
            result[key] = _join(result.get(key) or [], value, _MERGE_KEYS[key])
        else:
            result[key] = strategic_merge_patch(result.get(key), value)
    return result


def _join(present: list[Any], wanted: list[Any], keys: tuple[str, ...]) -> list[Any]:
    def identity(element: Any) -> Any:
        return next((element[key] for key in keys if isinstance(element, dict) and key in element), None)

    result = list(present)
    for element in wanted:
        place = next((i for i, old in enumerate(result) if identity(old) == identity(element)), None)
        if isinstance(element, dict) and element.get("$patch") == "delete":
            if place is not None:
                del result[place]
        elif place is None:
            result.append(copy.deepcopy(element))
        else:
            result[place] = strategic_merge_patch(result[place], element)
    return result


def apply_patch(current: Any, before: Any, wanted: Any) -> Any:
    """Apply an object server-side for one manager, and remove fields that it applied before but not now.

    Lists belong to the manager as a whole.
    """
    if not isinstance(wanted, dict) or not isinstance(current, dict):
        return copy.deepcopy(wanted)
    result = dict(current)
    for key in before if isinstance(before, dict) else ():
        if key not in wanted:
            result.pop(key, None)
    for key, value in wanted.items():
        if value is None:
            result.pop(key, None)
        else:
            earlier = before.get(key) if isinstance(before, dict) else None
            result[key] = apply_patch(result.get(key), earlier, value)
    return result
