"""The environment of a container: order, references and ``$(NAME)`` as Kubernetes has them (runtime 6.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.incluster.controlplane.config import API_HOST
from harness.incluster.controlplane.configuration_volumes import contents_of
from harness.incluster.controlplane.rbac import has_token
from harness.incluster.controlplane.store import Store
from harness.kube import Manifest
from harness.wire.names import API_PORT, DOCKER_NODE, KUBE_SCHEME_VARIABLE
from harness.wire.naming import ENV_NAME

_REFERENCE = re.compile(rf"\$\$|\$\(({ENV_NAME.pattern})\)")
_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ContainerConfigError(Exception):
    """A reference that cannot be resolved: the container is not created until it can."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by the variable's value if there is one; ``$$`` is a dollar."""

    def value(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        return variables.get(match.group(1), match.group(0))

    return _REFERENCE.sub(value, text)


def needs_address(pod: Manifest) -> bool:
    """Return whether an environment of the pod contains its own IP address."""
    containers = (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    return any(
        (((entry.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath") or "").startswith("status.podIP")
        for container in containers
        for entry in container.get("env") or ()
    )


def variables_of(store: Store, pod: Manifest, container: Mapping[str, Any], address: str) -> dict[str, str]:
    """Return all variables of a container; a later entry of the same name wins.

    Raises:
        ConfigError: a ConfigMap, Secret or key does not exist.
    """
    namespace = pod["metadata"]["namespace"]
    result: dict[str, str] = {}
    if has_token(store, pod):
        result["KUBERNETES_SERVICE_HOST"] = API_HOST
        result["KUBERNETES_SERVICE_PORT"] = str(API_PORT)
        result[KUBE_SCHEME_VARIABLE] = "http"
    for source in container.get("envFrom") or ():
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            reference = source.get(field)
            if not reference:
                continue
            found = store.find(kind, namespace, reference["name"])
            if found is None and not reference.get("optional"):
                raise ContainerConfigError(f'{kind.lower()} "{reference["name"]}" not found')
            for key, data in contents_of(found).items() if found else ():
                result[(source.get("prefix") or "") + key] = data.decode("utf-8", "replace")
    for entry in container.get("env") or ():
        if entry.get("valueFrom"):
            value = _resolve_reference(store, pod, entry["valueFrom"], address)
            if value is not None:
                result[entry["name"]] = value
        else:
            # None is an empty string (operators of the platform rely on it)
            result[entry["name"]] = expand(entry.get("value") or "", result)
    return result


def _resolve_reference(store: Store, pod: Manifest, source: Mapping[str, Any], address: str) -> str | None:
    for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        reference = source.get(field)
        if not reference:
            continue
        namespace = pod["metadata"]["namespace"]
        found = store.find(kind, namespace, reference["name"])
        if found is None:
            if reference.get("optional"):
                return None
            raise ContainerConfigError(f'{kind.lower()} "{reference["name"]}" not found')
        contents = contents_of(found)
        if reference["key"] not in contents:
            if reference.get("optional"):
                return None
            raise ContainerConfigError(
                f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}"
            )
        return contents[reference["key"]].decode("utf-8", "replace")
    return _field(pod, str((source.get("fieldRef") or {}).get("fieldPath")), address)


def _field(pod: Manifest, path: str, address: str) -> str:
    metadata = pod["metadata"]
    if match := _KEYED.fullmatch(path):
        return str((metadata.get(match.group(1)) or {}).get(match.group(2), ""))
    fields = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": DOCKER_NODE,
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName") or "default",
        "status.podIP": address,
        "status.podIPs": address,
    }
    if path not in fields:
        raise ContainerConfigError(f"fieldRef {path!r} cannot be done on the docker cluster")
    return str(fields[path])
