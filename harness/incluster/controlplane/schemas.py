"""Types of the fields that the control plane reads, as Kubernetes decodes them.

A stored object with a number in place of a text would break its later readers: the plan of every other pod, the
removal of its namespace, or the rights of an account. So it is refused from every client.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from harness.incluster.controlplane.errors import UntranslatableError, bad_request

_LARGEST: Final = 2**31 - 1
# more pods of one object only stop the machine that all of them share
_MOST_PODS: Final = 200


@dataclasses.dataclass(frozen=True)
class _Integer:
    """A whole number within bounds."""

    least: int = 0
    most: int = _LARGEST


@dataclasses.dataclass(frozen=True)
class _AnyOf:
    """One of several types."""

    shapes: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class _Map:
    """Values of one type by names that the author chose."""

    shape: Any


@dataclasses.dataclass(frozen=True)
class _Required:
    """A required field."""

    shape: Any


_ANY: Final = object()
_TEXT: Final = str
_TRUTH: Final = bool
_TEXTS: Final = _Map(_TEXT)
_PORT: Final = _Integer(1, 65535)
_PORT_OR_NAME: Final = _AnyOf((_PORT, _TEXT))
_QUANTITY: Final = _AnyOf((_TEXT, int, float))
_REFERENCE: Final = {"name": _TEXT, "key": _TEXT, "optional": _TRUTH}
_ITEMS: Final = [{"key": _TEXT, "path": _TEXT}]
_METADATA: Final = {
    "name": _TEXT,
    "namespace": _TEXT,
    "generateName": _TEXT,
    "labels": _Map(_ANY),
    "annotations": _Map(_ANY),
    "ownerReferences": [
        {"apiVersion": _TEXT, "kind": _Required(_TEXT), "name": _Required(_TEXT), "uid": _Required(_TEXT)},
    ],
    "finalizers": [_TEXT],
    "resourceVersion": _TEXT,
}
_PROBE: Final = {
    "httpGet": {
        "path": _TEXT,
        "port": _Required(_PORT_OR_NAME),
        "scheme": _TEXT,
        "httpHeaders": [{"name": _Required(_TEXT), "value": _Required(_TEXT)}],
    },
    "tcpSocket": {"port": _Required(_PORT_OR_NAME)},
    "exec": {"command": [_TEXT]},
    "initialDelaySeconds": _Integer(),
    "periodSeconds": _Integer(),
    "timeoutSeconds": _Integer(),
    "successThreshold": _Integer(),
    "failureThreshold": _Integer(),
}
_CONTAINER: Final = {
    "name": _TEXT,
    "image": _TEXT,
    "imagePullPolicy": _TEXT,
    "command": [_ANY],
    "args": [_ANY],
    "workingDir": _TEXT,
    "env": [
        {
            "valueFrom": {
                "secretKeyRef": {**_REFERENCE, "name": _Required(_TEXT), "key": _Required(_TEXT)},
                "configMapKeyRef": {**_REFERENCE, "name": _Required(_TEXT), "key": _Required(_TEXT)},
                "fieldRef": {"fieldPath": _Required(_TEXT)},
            }
        }
    ],
    "envFrom": [
        {
            "prefix": _TEXT,
            "configMapRef": {**_REFERENCE, "name": _Required(_TEXT)},
            "secretRef": {**_REFERENCE, "name": _Required(_TEXT)},
        }
    ],
    "volumeMounts": [{"name": _TEXT, "mountPath": _ANY, "subPath": _ANY, "readOnly": _TRUTH}],
    "resources": {"limits": _Map(_ANY), "requests": _Map(_ANY)},
    "ports": [{"containerPort": _Required(_PORT), "name": _TEXT, "protocol": _TEXT, "hostPort": _Integer(0, 65535)}],
    "readinessProbe": _PROBE,
    "livenessProbe": _PROBE,
    "startupProbe": _PROBE,
}
_POD: Final = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [
        {
            "persistentVolumeClaim": {"claimName": _Required(_TEXT), "readOnly": _TRUTH},
            "configMap": {"name": _Required(_TEXT), "optional": _TRUTH, "items": _ITEMS},
            "secret": {"secretName": _Required(_TEXT), "optional": _TRUTH, "items": _ITEMS},
            "emptyDir": {"medium": _TEXT, "sizeLimit": _QUANTITY},
            "hostPath": {"path": _ANY, "type": _ANY},
            "projected": {
                "sources": [
                    {
                        "configMap": {"name": _Required(_TEXT), "optional": _TRUTH, "items": _ITEMS},
                        "secret": {"name": _Required(_TEXT), "optional": _TRUTH, "items": _ITEMS},
                    }
                ]
            },
        }
    ],
    "restartPolicy": _TEXT,
    "hostAliases": [{"ip": _ANY, "hostnames": [_ANY]}],
    "activeDeadlineSeconds": _Integer(1),
    "terminationGracePeriodSeconds": _Integer(),
    "serviceAccountName": _TEXT,
    "serviceAccount": _TEXT,
    "nodeSelector": _TEXTS,
    "nodeName": _TEXT,
    "affinity": _Map(_Map(_ANY)),
    "imagePullSecrets": [{"name": _TEXT}],
    "automountServiceAccountToken": _TRUTH,
}
_TEMPLATE: Final = {
    "metadata": {"labels": _Map(_ANY), "annotations": _Map(_ANY)},
    "spec": _Required(_POD),
}
_RULES: Final = [
    {
        "apiGroups": [_TEXT],
        "resources": [_TEXT],
        "verbs": _Required([_TEXT]),
        "resourceNames": [_TEXT],
        "nonResourceURLs": [_TEXT],
    }
]
_BINDING: Final = {
    "subjects": [{"kind": _Required(_TEXT), "name": _Required(_TEXT), "namespace": _TEXT}],
    "roleRef": _Required({"kind": _Required(_TEXT), "name": _Required(_TEXT)}),
}
_DATA: Final = {"data": _Map(_ANY), "stringData": _Map(_ANY), "binaryData": _Map(_ANY), "immutable": _TRUTH}
_BY_KIND: Final[Mapping[str, dict[str, Any]]] = {
    "Pod": {"spec": _Required(_POD)},
    "Deployment": {
        "spec": _Required(
            {
                "replicas": _Integer(0, _MOST_PODS),
                "selector": {"matchLabels": _TEXTS, "matchExpressions": [_ANY]},
                "template": _Required(_TEMPLATE),
            }
        )
    },
    "Job": {
        "spec": _Required(
            {
                "template": _Required(_TEMPLATE),
                "backoffLimit": _Integer(),
                "completions": _Integer(),
                "parallelism": _Integer(0, _MOST_PODS),
                "activeDeadlineSeconds": _Integer(),
                "ttlSecondsAfterFinished": _Integer(),
                "suspend": _TRUTH,
                "completionMode": _TEXT,
            }
        )
    },
    "Service": {
        "spec": {
            "type": _TEXT,
            "selector": _TEXTS,
            "externalName": _TEXT,
            "ports": [
                {
                    "name": _TEXT,
                    "port": _Required(_PORT),
                    "targetPort": _PORT_OR_NAME,
                    "nodePort": _Integer(0, 65535),
                    "protocol": _TEXT,
                }
            ],
        }
    },
    "ConfigMap": _DATA,
    "Secret": {**_DATA, "type": _TEXT},
    "ServiceAccount": {"imagePullSecrets": [{"name": _TEXT}], "automountServiceAccountToken": _TRUTH},
    "PersistentVolumeClaim": {
        "spec": _Required(
            {
                "accessModes": [_TEXT],
                "resources": {"requests": _Map(_QUANTITY), "limits": _Map(_QUANTITY)},
                "storageClassName": _TEXT,
                "volumeName": _TEXT,
            }
        )
    },
    "PersistentVolume": {
        "spec": _Required(
            {
                "hostPath": {"path": _ANY},
                "local": {"path": _ANY},
                "storageClassName": _TEXT,
                "claimRef": {"namespace": _TEXT, "name": _TEXT, "uid": _TEXT},
            }
        )
    },
    "StorageClass": {"provisioner": _Required(_TEXT)},
    "LimitRange": {
        "spec": _Required({"limits": [{"type": _TEXT, "default": _Map(_ANY), "defaultRequest": _Map(_ANY)}]}),
    },
    "Role": {"rules": _RULES},
    "ClusterRole": {"rules": _RULES, "aggregationRule": _Map(_ANY)},
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "Event": {"involvedObject": {"kind": _TEXT, "name": _TEXT, "uid": _TEXT}, "type": _TEXT, "reason": _TEXT},
}
_STATUS: Final = {
    "phase": _TEXT,
    "conditions": [{"type": _Required(_TEXT), "status": _Required(_TEXT)}],
    "containerStatuses": [{"name": _Required(_TEXT), "restartCount": _Integer(), "state": _Map(_Map(_ANY))}],
    "startTime": _TEXT,
}
_WORDS: Final = {str: "a string", bool: "a boolean", int: "a number", float: "a number"}


def check_object(kind: str, version: str, manifest: Mapping[str, Any]) -> None:
    """Check an object of a kind, without its status, which only its own subresource can change.

    Raises:
        StatusError: 400, a field has a type that Kubernetes does not decode.
        UntranslatableError: a number is out of bounds, or a field is missing.
    """
    fields = {"metadata": _METADATA, **_BY_KIND.get(kind, {})}
    _check(manifest, fields, "", f"{kind} in version {version!r} cannot be handled as a {kind}: ")


def check_status(kind: str, status: Any) -> None:
    """Check a new status of an object.

    Raises:
        StatusError, UntranslatableError: as :func:`check_object`.
    """
    _check(status, _STATUS, "status", f"{kind} cannot be handled: ")


def _check(value: Any, shape: Any, where: str, prefix: str) -> None:
    if isinstance(shape, _Required):
        if value is None:
            raise UntranslatableError(where, "Required value")
        shape = shape.shape
    if value is None or shape is _ANY:
        return
    if isinstance(shape, dict):
        _expect(isinstance(value, Mapping), value, "an object", where, prefix)
        for field, inner in shape.items():
            _check(value.get(field), inner, f"{where}.{field}".lstrip("."), prefix)
    elif isinstance(shape, _Map):
        _expect(isinstance(value, Mapping), value, "an object", where, prefix)
        for field, item in value.items():
            _check_item(item, shape.shape, f"{where}[{field}]", prefix)
    elif isinstance(shape, list):
        _expect(isinstance(value, list), value, "a list", where, prefix)
        for number, item in enumerate(value):
            _check_item(item, shape[0], f"{where}[{number}]", prefix)
    elif isinstance(shape, _Integer):
        _expect(isinstance(value, int) and not isinstance(value, bool), value, "a whole number", where, prefix)
        if not shape.least <= value <= shape.most:
            raise UntranslatableError(
                where, f"Invalid value: {value}: must be between {shape.least} and {shape.most}, inclusive"
            )
    elif isinstance(shape, _AnyOf):
        fitting = next((one for one in shape.shapes if _is_of(value, one)), None)
        _expect(fitting is not None, value, " or ".join(_word(one) for one in shape.shapes), where, prefix)
        _check(value, fitting, where, prefix)
    else:
        _expect(_is_of(value, shape), value, _word(shape), where, prefix)


def _check_item(item: Any, shape: Any, where: str, prefix: str) -> None:
    """Check an item of a list or a map, which must not be null."""
    if shape is not _ANY:
        _expect(item is not None, item, "a value", where, prefix)
    _check(item, shape, where, prefix)


def _is_of(value: Any, shape: Any) -> bool:
    kind = int if isinstance(shape, _Integer) else shape
    # a truth value is a number to Python alone
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _word(shape: Any) -> str:
    return "a whole number" if isinstance(shape, _Integer) else _WORDS[shape]


def _expect(holds: bool, value: Any, wanted: str, where: str, prefix: str) -> None:
    if not holds:
        text = repr(value)
        raise bad_request(f"{prefix}{where}: must be {wanted}, not {text[:100]}")
