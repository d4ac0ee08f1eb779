"""Schemas of Kubernetes objects, as far as the harness reads them: refuse objects that the API server could not decode.

A text in place of a list must be an error when the chart is read; a cluster reports it late, or not at all.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from harness.common.documents import abridge

_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": ["array", "null"], "items": _TEXT}
# an unquoted number in annotations, labels or data is the most frequent mistake; Kubernetes refuses it
_TEXT_MAP: Final = {"type": ["object", "null"], "additionalProperties": {"type": ["string", "null"]}}
_NAMED: Final = {
    "type": ["array", "null"],
    "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
}
_PLAIN_LIST: Final = {"type": ["array", "null"], "items": {"type": "object"}}
_MAP: Final = {"type": ["object", "null"]}
_ENV: Final = {
    **_NAMED,
    "items": {
        **_NAMED["items"],  # type: ignore[dict-item]
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "value": {"type": ["string", "null"]},
            "valueFrom": _MAP,
        },
    },
}
_QUANTITIES: Final = {"type": ["object", "null"], "additionalProperties": {"type": ["string", "number"]}}
_CONTAINER: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "image": {"type": ["string", "null"]},
        "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never", "", None]},
        "command": _TEXTS,
        "args": _TEXTS,
        "env": _ENV,
        "envFrom": _PLAIN_LIST,
        "ports": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "required": ["containerPort"],
                "properties": {"containerPort": {"type": "integer", "minimum": 1, "maximum": 65535}},
            },
        },
        "volumeMounts": {
            **_NAMED,
            "items": {
                "type": "object",
                "required": ["name", "mountPath"],
                "properties": {"name": _TEXT, "mountPath": _TEXT, "subPath": {"type": ["string", "null"]}},
            },
        },
        "resources": {
            "type": ["object", "null"],
            "properties": {"limits": _QUANTITIES, "requests": _QUANTITIES},
        },
        "securityContext": _MAP,
    },
}
_POD: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["containers"],
    "properties": {
        "containers": {"type": "array", "minItems": 1, "items": _CONTAINER},
        "initContainers": {"type": ["array", "null"], "items": _CONTAINER},
        "volumes": _NAMED,
        "imagePullSecrets": _PLAIN_LIST,
        "tolerations": _PLAIN_LIST,
        "hostAliases": _PLAIN_LIST,
        "nodeSelector": _TEXT_MAP,
        "restartPolicy": {"enum": ["Always", "OnFailure", "Never", "", None]},
        "serviceAccountName": {"type": ["string", "null"]},
        "affinity": _MAP,
        "securityContext": _MAP,
    },
}
_METADATA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 253},
        "namespace": {"type": ["string", "null"], "maxLength": 253},
        "labels": _TEXT_MAP,
        "annotations": _TEXT_MAP,
    },
    "required": ["name"],
}
_OBJECT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata"],
    "properties": {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _METADATA},
}
_TEMPLATE: Final = {
    "type": "object",
    "required": ["spec"],
    "properties": {"metadata": {**_METADATA, "type": ["object", "null"], "required": []}, "spec": _POD},
}
_COUNT: Final = {"type": ["integer", "null"]}
_WORKLOAD: Final = {
    "type": "object",
    "required": ["template"],
    "properties": {"template": _TEMPLATE, "backoffLimit": _COUNT, "completions": _COUNT, "parallelism": _COUNT},
}
_DATA: Final = {"data": _TEXT_MAP, "stringData": _TEXT_MAP, "binaryData": _TEXT_MAP}
_SERVICE: Final = {
    "type": "object",
    "properties": {
        "selector": _TEXT_MAP,
        "ports": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "required": ["port"],
                "properties": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}},
            },
        },
    },
}
_BY_KIND: Final[Mapping[str, dict[str, Any]]] = {
    "Pod": {"spec": _POD},
    **{kind: {"spec": _WORKLOAD} for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")},
    "CronJob": {
        "spec": {
            "type": "object",
            "required": ["jobTemplate"],
            "properties": {"jobTemplate": {"type": "object", "required": ["spec"], "properties": {"spec": _WORKLOAD}}},
        }
    },
    "ConfigMap": _DATA,
    "Secret": _DATA,
    "Service": {"spec": _SERVICE},
    "PersistentVolumeClaim": {"spec": {"type": "object", "properties": {"accessModes": _TEXTS, "resources": _MAP}}},
}
_NEEDS_SPEC: Final = frozenset({"Pod", "Deployment", "Job"})
_OF_CORE: Final = frozenset({"v1", "apps/v1", "batch/v1", "batch/v1beta1"})


def check(manifest: Any) -> None:
    """Check that an object has a shape that Kubernetes decodes.

    Raises:
        ValueError: the first line says which object and which field is wrong.
    """
    if not isinstance(manifest, Mapping):
        raise ValueError(f"a template gives a List with {abridge(manifest)} in it, which is not a Kubernetes object")
    problem = next(_problems(manifest), None)
    if problem is None:
        return
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    raise ValueError(f"{_word(manifest.get('kind'))} {_word(name)}: {problem}")


def _word(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= 100 else abridge(value)


def _problems(manifest: Mapping[str, Any]) -> Iterator[str]:
    kind = manifest.get("kind")
    version = manifest.get("apiVersion")
    of_core = isinstance(version, str) and version in _OF_CORE and isinstance(kind, str)
    for error in _validator(str(kind) if of_core else "").iter_errors(manifest):
        at = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
        if error.validator == "required":
            missing = next(name for name in error.validator_value if name not in error.instance)
            yield f"{at or 'the object'} has no {missing}"
        else:
            expected = _describe_rule(error.validator, error.validator_value)
            yield f"{at} is {abridge(error.instance)}, expected {expected}"


def _describe_rule(rule: Any, value: Any) -> str:
    words = {"string": "text", "array": "a list", "object": "a mapping", "number": "a number", "integer": "a number"}
    if rule == "type":
        kinds = [value] if isinstance(value, str) else [kind for kind in value if kind != "null"]
        return " or ".join(words[kind] for kind in kinds)
    if rule == "enum":
        return "one of " + ", ".join(choice for choice in value if choice)
    limits = {"minLength": "a text that is not empty", "minItems": "a list that is not empty"}
    return limits.get(rule, f"{rule} {value}")


@functools.lru_cache(maxsize=32)
def _validator(kind: str) -> Any:
    import jsonschema

    schema = {**_OBJECT, "properties": {**_OBJECT["properties"], **_BY_KIND.get(kind, {})}}
    if kind in _NEEDS_SPEC:
        schema["required"] = [*_OBJECT["required"], "spec"]
    return jsonschema.Draft7Validator(schema)
