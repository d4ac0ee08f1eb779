"""Rendered objects: reading them, the order in which Helm creates them, hooks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import Any

from harness.common import documents as given
from harness.kube import Manifest
from harness.platform import object_shapes
from harness.wire.annotations import ANNOTATION_NETWORKS, ANNOTATION_REACHABLE

HOOK = "helm.sh/hook"
HOOK_WEIGHT = "helm.sh/hook-weight"
HOOK_DELETE_POLICY = "helm.sh/hook-delete-policy"
RESOURCE_POLICY = "helm.sh/resource-policy"

_MOST_NODES = 400_000
_WEIGHT = re.compile(r"[+-]?[0-9]{1,18}")

# the order of creation that Helm documents; kinds it does not know come last
_ORDER = (
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
)
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}


@dataclasses.dataclass(frozen=True)
class Rendered:
    """The objects of a release in the order of their creation, and its hooks in the order of their weights."""

    objects: tuple[Manifest, ...]
    hooks: tuple[Manifest, ...]

    def hooks_of(self, event: str) -> list[Manifest]:
        """Return the hooks of one event, e.g. ``pre-delete``."""
        return [hook for hook in self.hooks if event in _events(hook)]


def parse_documents(text: str) -> list[Manifest]:
    """Return the objects of a YAML stream, without empty documents.

    Raises:
        ValueError: not YAML, or a document that is not a Kubernetes object, or one of a shape that Kubernetes refuses.
    """
    found: list[Manifest] = []
    try:
        parsed = given.parse_yaml(text, text_keys=True, most_nodes=_MOST_NODES)
    except given.DocumentError as error:
        raise ValueError(f"what is rendered is not valid YAML: {error}") from None
    for document in parsed:
        if document is None:
            continue
        if not isinstance(document, dict) or not document.get("kind") or not document.get("apiVersion"):
            found_instead = given.abridge(document)
            raise ValueError(f"what is rendered is not a Kubernetes object (kind and apiVersion): {found_instead}")
        listed = document["kind"] == "List" and isinstance(document.get("items"), list)
        for manifest in document["items"] if listed else [document]:
            object_shapes.check(manifest)
            found.append(manifest)
    return found


def arrange(manifests: Iterable[Manifest]) -> Rendered:
    """Separate hooks from objects and sort both as Helm does; a namespace that is null or empty counts as absent."""
    objects: list[Manifest] = []
    hooks: list[Manifest] = []
    for manifest in map(_without_nulls, manifests):
        (hooks if HOOK in read_annotations(manifest) else objects).append(manifest)
    objects.sort(key=lambda manifest: (_RANK.get(manifest["kind"], len(_ORDER)), _name(manifest)))
    hooks.sort(key=lambda hook: (_weight(hook), _name(hook)))
    return Rendered(tuple(objects), tuple(hooks))


def _without_nulls(manifest: Manifest) -> Manifest:
    """Return the object as Kubernetes decodes it: an empty namespace is absent, a null annotation is empty text."""
    metadata = {key: value for key, value in (manifest.get("metadata") or {}).items() if value is not None}
    if not metadata.get("namespace"):
        metadata.pop("namespace", None)
    for key in ("annotations", "labels"):
        if key in metadata:
            metadata[key] = {name: "" if value is None else value for name, value in metadata[key].items()}
    return {**manifest, "metadata": metadata}


def read_annotations(manifest: Manifest) -> dict[str, str]:
    """Return the annotations of an object; empty if it has none."""
    return dict((manifest.get("metadata") or {}).get("annotations") or {})


def describe(manifest: Manifest) -> str:
    """Return ``Kind namespace/name``, for messages."""
    metadata = manifest.get("metadata") or {}
    namespace = metadata.get("namespace")
    return f"{manifest.get('kind')} {namespace + '/' if namespace else ''}{metadata.get('name')}"


def find_images(manifests: Iterable[Manifest]) -> Iterator[tuple[Manifest, str]]:
    """Yield every image that the pods of these objects pull, with the object that names it."""
    for manifest in manifests:
        for spec in _pod_specs(manifest):
            for kind in ("initContainers", "containers"):
                containers = spec.get(kind)
                # objects of other kinds may have anything by this name
                for container in containers if isinstance(containers, list) else ():
                    if isinstance(container, dict) and container.get("image"):
                        yield manifest, str(container["image"])


def find_own_annotation(manifest: Manifest) -> str:
    """Return the annotation by which an object or its pods choose networks, as only the harness may; '' if none."""
    spec = manifest.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    for holder in (manifest, template):
        metadata = holder.get("metadata") if isinstance(holder, dict) else None
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        for key in (ANNOTATION_NETWORKS, ANNOTATION_REACHABLE):
            if isinstance(annotations, dict) and key in annotations:
                return key
    return ""


def _pod_specs(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yield the specification of the pods of an object: its own, or that of its template."""
    spec = manifest.get("spec")
    while isinstance(spec, dict):
        if isinstance(spec.get("containers"), list):
            yield spec
        # a CronJob has a template of Jobs, which have one of pods
        inner = spec.get("template") or spec.get("jobTemplate")
        spec = inner.get("spec") if isinstance(inner, dict) else None


def _events(hook: Manifest) -> list[str]:
    return [event.strip() for event in str(read_annotations(hook)[HOOK] or "").split(",")]


def _weight(hook: Manifest) -> int:
    """Parse like Helm: other texts count as 0."""
    text = str(read_annotations(hook).get(HOOK_WEIGHT) or "")
    return int(text) if _WEIGHT.fullmatch(text) else 0


def _name(manifest: Manifest) -> str:
    return str((manifest.get("metadata") or {}).get("name"))
