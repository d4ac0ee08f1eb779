"""What happens to an object before it is stored: validation and defaults, as the API server does them."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

from harness.incluster.controlplane import schemas
from harness.incluster.controlplane.accounts import account_of
from harness.incluster.controlplane.errors import StatusError, UntranslatableError, bad_request, invalid, not_found
from harness.incluster.controlplane.networks import OWN_ANNOTATIONS, OWN_ONLY, check_own_annotations
from harness.incluster.controlplane.podsecurity import check_profiles
from harness.incluster.controlplane.podspec import check_pod_spec
from harness.incluster.controlplane.store import Store
from harness.incluster.controlplane.volumespec import check_claim, check_key, check_persistent_volume
from harness.kube import Manifest
from harness.kube.kinds import Kind
from harness.wire.naming import DNS_SUBDOMAIN

_RBAC_NAME = re.compile(r"[^/%]+")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
# kinds with names that become one label of a DNS name
_SHORT_NAMES = {"Namespace", "Service"}
# clients must not set these; an object that is already being deleted would never go
_OF_THE_SERVER = ("deletionTimestamp", "deletionGracePeriodSeconds", "uid", "creationTimestamp", "generation")
_CONFIG_BYTES = 1024 * 1024
# five letters and digits that cannot form words, as the platform's own suffixes
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def suffix() -> str:
    """Return a random end of a generated name."""
    return "".join(secrets.choice(_SUFFIX) for _ in range(5))


def admit(store: Store, kind: Kind, manifest: Manifest, namespace: str | None) -> None:
    """Complete and check an object before its creation.

    Raises:
        StatusError: 400, 403, 404 or 422.
    """
    check_shape(kind, manifest)
    metadata = manifest["metadata"]
    for field in _OF_THE_SERVER:
        metadata.pop(field, None)
    given = metadata.get("namespace")
    if kind.namespaced:
        if given and namespace and given != namespace:
            raise bad_request(
                f"the namespace of the provided object does not match the namespace sent on the request"
                f" ({given!r}, {namespace!r})"
            )
        metadata["namespace"] = namespace or given or "default"
    else:
        metadata.pop("namespace", None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"] + suffix()
    check(store, kind, manifest)
    if kind.namespaced:
        home = store.find("Namespace", None, metadata["namespace"])
        if home is None:
            raise not_found("namespaces", metadata["namespace"])
        if home["metadata"].get("deletionTimestamp"):
            raise StatusError(
                403,
                "Forbidden",
                f'{kind.plural} "{metadata["name"]}" is forbidden: unable to create new content in namespace'
                f" {metadata['namespace']} because it is being terminated",
            )
    if kind.name == "Pod" and store.find("ServiceAccount", *account_of(manifest)) is None:
        account = account_of(manifest)
        raise StatusError(
            403,
            "Forbidden",
            f'pods "{metadata["name"]}" is forbidden: error looking up service account'
            f' {account.namespace}/{account.name}: serviceaccount "{account.name}" not found',
        )


def check_shape(kind: Kind, manifest: Manifest) -> None:
    """Check the types of an object's fields.

    Raises:
        StatusError: 400 or 422, names the field.
    """
    metadata = manifest.get("metadata")
    try:
        schemas.check_object(kind.name, kind.api_version, manifest)
    except UntranslatableError as problem:
        name = metadata.get("name") if isinstance(metadata, dict) else ""
        raise invalid(kind.name, str(name or ""), str(problem)) from None


def check_for_account(kind: Kind, given: Any) -> None:
    """Check a request of a service account (not of the owner) to create or change an object.

    Raises:
        StatusError: 422, it has an annotation by which the platform's own objects are distinguished from others.
    """
    if key := next((key for key in _keys(given) if key in OWN_ANNOTATIONS), None):
        name = (given.get("metadata") or {}).get("name") if isinstance(given, dict) else ""
        raise invalid(kind.name, str(name), f"metadata.annotations[{key}]: Forbidden: {OWN_ONLY}")


def _keys(value: Any) -> Iterator[str]:
    """Yield all keys in a document, at any depth."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def check(store: Store, kind: Kind, manifest: Manifest) -> None:
    """Complete and check an object before it is created or changed."""
    check_shape(kind, manifest)
    for part in ("metadata", "spec"):
        _drop_nulls(manifest.get(part))
    metadata = manifest["metadata"]
    name = metadata.get("name")
    if not name:
        raise invalid(kind.name, "", "metadata.name: Required value: name or generateName is required")
    try:
        _metadata(kind, metadata)
        check_own_annotations(metadata.get("namespace"), metadata.get("annotations") or {}, "metadata")
        _CHECKS.get(kind.name, _fill_nothing)(store, manifest)
    except UntranslatableError as problem:
        raise invalid(kind.name, str(name), str(problem)) from None
    except (AttributeError, TypeError, KeyError, ValueError) as problem:
        # a text in place of an object, an undecodable text etc.
        raise bad_request(f"{kind.name} in version {kind.api_version!r} cannot be handled: {problem}") from None


def _drop_nulls(value: Any) -> None:
    """Remove fields that are null: they count as missing, and get defaults."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for field in [field for field, inner in value.items() if inner is None]:
                del value[field]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _metadata(kind: Kind, metadata: dict[str, Any]) -> None:
    name = str(metadata["name"])
    longest = 63 if kind.name in _SHORT_NAMES else 253
    rbac = kind.api_version.startswith("rbac.")
    if not (_RBAC_NAME if rbac else DNS_SUBDOMAIN).fullmatch(name) or len(name) > longest:
        raise UntranslatableError(
            "metadata.name",
            f"Invalid value: {name!r}: a lowercase RFC 1123 subdomain of at most {longest} characters must consist"
            " of lower case alphanumeric characters, '-' or '.'",
        )
    for group in ("labels", "annotations"):
        for key, value in (metadata.get(group) or {}).items():
            at = f"metadata.{group}"
            if not _LABEL_KEY.fullmatch(str(key)):
                raise UntranslatableError(at, f"Invalid value: {key!r}: not a qualified name")
            if not isinstance(value, str):
                raise UntranslatableError(f"{at}[{key}]", f"must be a string, not {value!r}")
            if group == "labels" and (len(value) > 63 or not _LABEL_VALUE.fullmatch(value)):
                raise UntranslatableError(
                    at,
                    f"Invalid value: {value!r}: a valid label must be an empty string or consist of at most 63"
                    " alphanumeric characters, '-', '_' or '.', and start and end with an alphanumeric character",
                )


def _fill_nothing(store: Store, manifest: Manifest) -> None:
    del store, manifest


def _pod(store: Store, manifest: Manifest) -> None:
    spec = manifest.get("spec") or {}
    check_profiles(manifest["metadata"].get("annotations") or {})
    try:
        check_pod_spec(spec)
    except UntranslatableError as problem:
        raise problem.at("spec") from None
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("serviceAccountName", spec.get("serviceAccount") or "default")
    _pull_secrets(store, manifest["metadata"].get("namespace") or "default", spec)
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        _limits(store, manifest["metadata"].get("namespace") or "default", container)
    manifest.setdefault("status", {"phase": "Pending"})


def _pull_secrets(store: Store, namespace: str, spec: dict[str, Any]) -> None:
    """Give a pod without pull secrets those of its service account."""
    account = store.find("ServiceAccount", namespace, spec["serviceAccountName"])
    if account is not None and account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = list(account["imagePullSecrets"])


def _limits(store: Store, namespace: str, container: dict[str, Any]) -> None:
    """Apply the defaults of the namespace's LimitRanges (services 16: 50Mi of memory by default)."""
    resources = container.setdefault("resources", {}) or {}
    container["resources"] = resources
    for limit_range in store.list("LimitRange", namespace):
        for limit in limit_range.get("spec", {}).get("limits") or ():
            if limit.get("type") != "Container":
                continue
            for group, defaults in (("limits", "default"), ("requests", "defaultRequest")):
                for name, quantity in (limit.get(defaults) or {}).items():
                    values = resources.setdefault(group, {})
                    if values.get(name) is None:
                        values[name] = quantity


def _template(store: Store, manifest: Manifest) -> dict[str, Any]:
    del store
    spec = manifest.get("spec") or {}
    template = spec.get("template")
    if not template:
        raise UntranslatableError("spec.template", "Required value")
    try:
        annotations = (template.get("metadata") or {}).get("annotations") or {}
        check_profiles(annotations)
        check_own_annotations(manifest["metadata"].get("namespace"), annotations, "metadata")
        try:
            check_pod_spec(template.get("spec") or {})
        except UntranslatableError as problem:
            raise problem.at("spec") from None
    except UntranslatableError as problem:
        raise problem.at("spec.template") from None
    result: dict[str, Any] = spec
    return result


def _deployment(store: Store, manifest: Manifest) -> None:
    spec = _template(store, manifest)
    if spec["template"]["spec"].get("restartPolicy") not in (None, "Always"):
        raise UntranslatableError("spec.template.spec.restartPolicy", 'Unsupported value: only "Always"')
    selector = spec.get("selector") or {}
    if selector.get("matchExpressions"):
        raise UntranslatableError("spec.selector.matchExpressions", "cannot be done on the docker cluster")
    wanted = selector.get("matchLabels") or {}
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if not wanted or any(labels.get(key) != value for key, value in wanted.items()):
        raise UntranslatableError("spec.template.metadata.labels", "`selector` does not match template `labels`")
    spec.setdefault("replicas", 1)


def _job(store: Store, manifest: Manifest) -> None:
    spec = _template(store, manifest)
    if spec["template"]["spec"].get("restartPolicy") not in ("Never", "OnFailure"):
        raise UntranslatableError(
            "spec.template.spec.restartPolicy", 'Required value: valid values: "OnFailure", "Never"'
        )
    known = {
        "template", "backoffLimit", "completions", "parallelism", "activeDeadlineSeconds", "suspend",
        "ttlSecondsAfterFinished", "selector", "manualSelector", "completionMode", "podReplacementPolicy",
    }  # fmt: skip
    for field, value in spec.items():
        if field not in known and value is not None:
            raise UntranslatableError(f"spec.{field}", "cannot be done on the docker cluster")
    if spec.get("suspend") or spec.get("completionMode") not in (None, "NonIndexed"):
        field = "suspend" if spec.get("suspend") else "completionMode"
        raise UntranslatableError(f"spec.{field}", "cannot be done on the docker cluster")
    for field, default in (("backoffLimit", 6), ("completions", 1), ("parallelism", 1)):
        if spec.get(field) is None:
            spec[field] = default


def _service(store: Store, manifest: Manifest) -> None:
    del store
    spec = manifest.setdefault("spec", {})
    kind = spec.setdefault("type", "ClusterIP")
    if kind not in ("ClusterIP", "NodePort", "ExternalName"):
        raise UntranslatableError("spec.type", f"{kind!r} cannot be done on the docker cluster")
    if kind == "ExternalName":
        if not spec.get("externalName"):
            raise UntranslatableError("spec.externalName", "Required value")
        return
    for number, port in enumerate(spec.get("ports") or ()):
        at = f"spec.ports[{number}]"
        if port.get("protocol", "TCP") not in ("TCP", "UDP", "SCTP"):
            raise UntranslatableError(f"{at}.protocol", f"Unsupported value: {port['protocol']!r}")
        target = port.get("targetPort")
        if isinstance(target, int) and target != port.get("port"):
            raise UntranslatableError(
                f"{at}.targetPort",
                f"{target} differs from port {port.get('port')}: on the docker cluster a Service is a name of the"
                " container, so both must be the same",
            )


def _persistent_volume(store: Store, manifest: Manifest) -> None:
    del store
    check_persistent_volume(manifest)


def _claim(store: Store, manifest: Manifest) -> None:
    del store
    check_claim(manifest)


def _config(store: Store, manifest: Manifest) -> None:
    del store
    for field in ("data", "stringData", "binaryData"):
        for key, value in (manifest.get(field) or {}).items():
            check_key(key, f"{field}[{key}]")
            if not isinstance(value, str):
                raise UntranslatableError(f"{field}[{key}]", f"must be a string, not {type(value).__name__}")
    _check_base64(manifest, "binaryData")
    if len(json.dumps(manifest.get("data") or {})) > _CONFIG_BYTES:
        raise UntranslatableError("data", f"Too long: must have at most {_CONFIG_BYTES} bytes")


def _check_base64(manifest: Manifest, field: str) -> None:
    for key, value in (manifest.get(field) or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except ValueError:
            # other characters than ASCII have no separate error
            raise UntranslatableError(f"{field}[{key}]", "illegal base64 data") from None


def _secret(store: Store, manifest: Manifest) -> None:
    _config(store, manifest)
    # the write-only field of a Secret, given in clear text
    for key, value in (manifest.pop("stringData", None) or {}).items():
        manifest.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
    _check_base64(manifest, "data")
    manifest.setdefault("type", "Opaque")


_CHECKS = {
    "Pod": _pod,
    "Deployment": _deployment,
    "Job": _job,
    "Service": _service,
    "ConfigMap": _config,
    "Secret": _secret,
    "PersistentVolume": _persistent_volume,
    "PersistentVolumeClaim": _claim,
}
