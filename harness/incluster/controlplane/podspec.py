"""The fields of a pod that a Docker engine supports: every other field is refused by name, none is dropped.

A field is either translated (``translate``, ``volumes``, ``probes``, ``pod``), or has no effect on a cluster of
one node without other tenants (``_VOID``), or refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Set
from typing import Any

from harness.incluster.controlplane import podsecurity
from harness.incluster.controlplane.errors import UntranslatableError
from harness.incluster.controlplane.volumespec import check_absolute, check_relative, check_volume
from harness.kube.quantities import parse, round_up
from harness.wire.naming import DNS_LABEL, DNS_SUBDOMAIN, ENV_NAME

Spec = Mapping[str, Any]

# the engine's own lower bound (Docker: 6 MB)
MIN_MEMORY = 6 * 1024 * 1024

_POD = {
    "containers", "initContainers", "volumes", "restartPolicy", "securityContext", "hostname", "hostAliases",
    "activeDeadlineSeconds", "terminationGracePeriodSeconds", "serviceAccountName", "serviceAccount",
    "nodeSelector", "nodeName", "affinity", "imagePullSecrets", "automountServiceAccountToken",
}  # fmt: skip
_POD_VOID = {
    "priorityClassName", "priority", "preemptionPolicy", "schedulerName", "tolerations",
    "enableServiceLinks", "topologySpreadConstraints", "dnsPolicy",
}  # fmt: skip
_CONTAINER = {
    "name", "image", "imagePullPolicy", "command", "args", "workingDir", "env", "envFrom", "volumeMounts",
    "resources", "securityContext", "readinessProbe", "livenessProbe", "startupProbe", "ports",
}  # fmt: skip
_CONTAINER_VOID = {"terminationMessagePolicy", "stdin", "stdinOnce"}
_PROBE = {
    "httpGet", "tcpSocket", "exec", "initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold",
    "failureThreshold",
}  # fmt: skip
_FALSE_ONLY = {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "privileged", "tty"}


def check_pod_spec(spec: Spec) -> None:
    """Check the ``spec`` of a pod or of a pod template.

    Raises:
        UntranslatableError: the first field that is wrong or cannot be done, with its path below ``spec``.
    """
    _refuse_unknown(spec, _POD | _POD_VOID, "")
    if not spec.get("containers"):
        raise UntranslatableError("containers", "Required value")
    if spec.get("restartPolicy") not in (None, "Always", "OnFailure", "Never"):
        raise UntranslatableError("restartPolicy", f"Unsupported value: {spec['restartPolicy']!r}")
    if not isinstance(spec.get("hostname"), str | None) or not DNS_LABEL.fullmatch(spec.get("hostname") or "a"):
        raise UntranslatableError("hostname", f"Invalid value: {spec['hostname']!r}: a lowercase RFC 1123 label")
    _security(spec, podsecurity.POD_FIELDS, "")
    _host_aliases(spec)
    _affinity(spec.get("affinity") or {})
    names: set[str] = set()
    for number, volume in enumerate(spec.get("volumes") or ()):
        check_volume(volume, f"volumes[{number}]")
        names.add(volume["name"])
    seen: set[str] = set()
    for group in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(group) or ()):
            where = f"{group}[{number}]"
            _container(container, where, names)
            if container["name"] in seen:
                raise UntranslatableError(f"{where}.name", f"Duplicate value: {container['name']!r}")
            seen.add(container["name"])
            if group == "initContainers":
                for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
                    if container.get(probe):
                        raise UntranslatableError(f"{where}.{probe}", "Forbidden: may not be set for init containers")


def _refuse_unknown(given: Spec, known: Set[str], where: str) -> None:
    for field, value in given.items():
        if field in known or value is None:
            continue
        if field in _FALSE_ONLY and value is False:
            continue
        raise UntranslatableError(where + field, f"cannot be done on the docker cluster (value {value!r})")


def _security(holder: Spec, known: frozenset[str], where: str) -> None:
    context = holder.get("securityContext") or {}
    if not isinstance(context, Mapping):
        raise UntranslatableError(f"{where}securityContext", f"must be an object, not {context!r}")
    _refuse_unknown(context, known, f"{where}securityContext.")
    podsecurity.check_security_context(context, f"{where}securityContext.")


def _host_aliases(spec: Spec) -> None:
    for number, entry in enumerate(spec.get("hostAliases") or ()):
        at = f"hostAliases[{number}]"
        try:
            # the engine has special words here, such as one for the address of its host
            ipaddress.ip_address(str(entry.get("ip")))
        except ValueError:
            raise UntranslatableError(f"{at}.ip", f"must be valid IP address: {entry.get('ip')!r}") from None
        for name in entry.get("hostnames") or ():
            if not DNS_SUBDOMAIN.fullmatch(str(name)):
                raise UntranslatableError(f"{at}.hostnames", f"Invalid value: {name!r}: a lowercase RFC 1123 subdomain")


def _affinity(affinity: Spec) -> None:
    for group, rules in affinity.items():
        for rule in rules or {}:
            # preferences have no effect on one node; requirements would have to be evaluated
            if not rule.startswith("preferred"):
                raise UntranslatableError(f"affinity.{group}.{rule}", "cannot be done on the docker cluster")


def _container(container: Spec, where: str, volumes: set[str]) -> None:
    _refuse_unknown(container, _CONTAINER | _CONTAINER_VOID | {"terminationMessagePath"}, f"{where}.")
    name = str(container.get("name", ""))
    if not DNS_LABEL.fullmatch(name):
        raise UntranslatableError(f"{where}.name", f"Invalid value: {name!r}: a lowercase RFC 1123 label")
    if not container.get("image"):
        raise UntranslatableError(f"{where}.image", "Required value")
    if container.get("imagePullPolicy") not in (None, "", "Always", "IfNotPresent", "Never"):
        raise UntranslatableError(f"{where}.imagePullPolicy", f"Unsupported value: {container['imagePullPolicy']!r}")
    if container.get("terminationMessagePath") not in (None, "/dev/termination-log"):
        raise UntranslatableError(f"{where}.terminationMessagePath", "cannot be done on the docker cluster")
    for field in ("command", "args"):
        for number, word in enumerate(container.get(field) or ()):
            if not isinstance(word, str):
                raise UntranslatableError(f"{where}.{field}[{number}]", f"must be a string, not {word!r}")
    _environment(container, where)
    for number, mount in enumerate(container.get("volumeMounts") or ()):
        _mount(mount, f"{where}.volumeMounts[{number}]", volumes)
    for number, port in enumerate(container.get("ports") or ()):
        if port.get("hostPort"):
            raise UntranslatableError(f"{where}.ports[{number}].hostPort", "cannot be done: no fixed ports here")
    _resources(container.get("resources") or {}, f"{where}.resources")
    _security(container, podsecurity.CONTAINER_FIELDS, f"{where}.")
    for field in ("readinessProbe", "livenessProbe", "startupProbe"):
        probe = container.get(field)
        if probe:
            _refuse_unknown(probe, _PROBE, f"{where}.{field}.")
            if not any(probe.get(kind) for kind in ("httpGet", "tcpSocket", "exec")):
                raise UntranslatableError(f"{where}.{field}", "Required value: must specify a handler type")
            for kind in ("httpGet", "tcpSocket"):
                if (probe.get(kind) or {}).get("host"):
                    # it is the control plane that asks, which reaches more than the pod does
                    raise UntranslatableError(f"{where}.{field}.{kind}.host", "Forbidden: a pod is asked itself")


def _environment(container: Spec, where: str) -> None:
    for number, entry in enumerate(container.get("env") or ()):
        at = f"{where}.env[{number}]"
        if not ENV_NAME.fullmatch(str(entry.get("name", ""))):
            raise UntranslatableError(f"{at}.name", f"Invalid value: {entry.get('name')!r}")
        value = entry.get("value")
        if value is not None and not isinstance(value, str):
            raise UntranslatableError(f"{at}.value", f"must be a string, not {value!r} (variable {entry['name']})")
        for source in entry.get("valueFrom") or {}:
            if source not in {"secretKeyRef", "configMapKeyRef", "fieldRef"}:
                raise UntranslatableError(f"{at}.valueFrom.{source}", "cannot be done on the docker cluster")


def _mount(mount: Spec, where: str, volumes: set[str]) -> None:
    _refuse_unknown(mount, {"name", "mountPath", "subPath", "readOnly"}, f"{where}.")
    if mount.get("name") not in volumes:
        raise UntranslatableError(f"{where}.name", f"Not found: {mount.get('name')!r}")
    check_absolute(mount.get("mountPath"), f"{where}.mountPath")
    if ":" in mount["mountPath"]:
        raise UntranslatableError(f"{where}.mountPath", "must not contain ':'")
    if mount.get("subPath"):
        check_relative(mount["subPath"], f"{where}.subPath")


def _resources(resources: Spec, where: str) -> None:
    _refuse_unknown(resources, {"limits", "requests"}, f"{where}.")
    for group in ("limits", "requests"):
        for name, quantity in (resources.get(group) or {}).items():
            at = f"{where}.{group}.{name}"
            if quantity is None:
                continue
            try:
                value = parse(quantity)
            except ValueError as error:
                raise UntranslatableError(at, f"{quantity!r}: {error}") from None
            if group == "requests" or name == "cpu" or "/" in name:
                continue
            if name != "memory":
                raise UntranslatableError(at, "cannot be enforced on the docker cluster")
            if value and round_up(quantity) < MIN_MEMORY:
                raise UntranslatableError(at, f"{quantity}: a Docker engine cannot limit memory below 6Mi")
