"""What the API says about itself: groups, versions and kinds, for ``kubectl`` and Helm."""

from __future__ import annotations

from typing import Any

from harness.kube.kinds import KINDS, Kind

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSION = {"major": "1", "minor": "33", "gitVersion": "v1.33.0+kaapana-harness", "platform": "linux/amd64"}


def discovery_document(path: str) -> dict[str, Any] | None:
    """Return the document of a discovery path, or ``None`` for another path."""
    if path == "/version":
        return VERSION
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    groups = sorted({kind.api_version for kind in KINDS if "/" in kind.api_version})
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(version) for version in groups]}
    for version in groups:
        if path == f"/apis/{version.split('/')[0]}":
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(version)}
    kinds = [kind for kind in KINDS if kind.base_path == path]
    if not kinds:
        return None
    resources = [_resource(kind) for kind in kinds]
    if path == "/api/v1":
        resources.append({"name": "pods/log", "singularName": "", "namespaced": True, "kind": "Pod", "verbs": ["get"]})
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].api_version,
        "resources": resources,
    }


def _group(version: str) -> dict[str, Any]:
    name, number = version.split("/")
    entry = {"groupVersion": version, "version": number}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


def _resource(kind: Kind) -> dict[str, Any]:
    return {
        "name": kind.plural,
        "singularName": kind.name.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": _VERBS,
    }
