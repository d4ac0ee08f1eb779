"""Shapes of the documents in an archive, as far as an image is loaded by them: OCI image specification 1.1, and
``manifest.json`` of Docker's image specification 1.2.
"""

from __future__ import annotations

from typing import Any, Final

_MOST_ENTRIES = 10_000
_MOST_LAYERS = 1_000

_DIGEST: Final = {"type": "string", "pattern": r"\Asha256:[0-9a-f]{64}\Z"}
_DESCRIPTOR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["digest", "size"],
    "properties": {
        "mediaType": {"type": "string"},
        "digest": _DIGEST,
        "size": {"type": "integer", "minimum": 0},
        "annotations": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
        "platform": {
            "type": ["object", "null"],
            "properties": {name: {"type": "string"} for name in ("os", "architecture", "variant")},
        },
    },
}


def _list(items: dict[str, Any], most: int) -> dict[str, Any]:
    # Go writes an empty list as null
    return {"type": ["array", "null"], "maxItems": most, "items": items}


DOCKER_MANIFEST: Final[dict[str, Any]] = {
    "type": "array",
    "maxItems": _MOST_ENTRIES,
    "items": {
        "type": "object",
        "required": ["Config", "Layers"],
        "properties": {
            "Config": {"type": "string"},
            "RepoTags": _list({"type": "string"}, _MOST_ENTRIES),
            "Layers": _list({"type": "string"}, _MOST_LAYERS),
        },
    },
}
INDEX: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["manifests"],
    "properties": {"manifests": _list(_DESCRIPTOR, _MOST_ENTRIES)},
}
MANIFEST: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["config", "layers"],
    "properties": {"config": _DESCRIPTOR, "layers": _list(_DESCRIPTOR, _MOST_LAYERS)},
}
CONFIGURATION: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["rootfs"],
    "properties": {
        **{name: {"type": "string"} for name in ("os", "architecture", "variant")},
        "rootfs": {
            "type": "object",
            "required": ["diff_ids"],
            "properties": {"diff_ids": _list(_DIGEST, _MOST_LAYERS)},
        },
    },
}
