"""Helm releases as the platform's kube-helm makes them (build 10.3, 10.4), and their record in the cluster.

The record is what Helm 3 and 4 keep: a Secret of type ``helm.sh/release.v1`` in the namespace ``admin``. It
lets another process find and remove a release, and ``helm list`` shows it on a real cluster.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from harness.errors import HarnessError, InstallError, ManifestError
from harness.kube import ApiError, Conflict, KubeApi, Manifest, NotFound
from harness.platform.manifests import (
    HOOK_DELETE_POLICY,
    RESOURCE_POLICY,
    Rendered,
    arrange,
    describe,
    parse_documents,
    read_annotations,
)
from harness.wire.names import ADMIN_NAMESPACE

_SECRET_TYPE = "helm.sh/release.v1"
# Kubernetes refuses larger Secrets
_MAX_RECORD_BYTES = 1_000_000
# statuses of the API that say that an object cannot be, not that the API cannot
_OF_THE_OBJECT = frozenset({400, 403, 404, 409, 413, 415, 422})


@dataclasses.dataclass(frozen=True)
class HelmRelease:
    """One release.

    Attributes:
        status: ``pending-install``, ``deployed``, ``failed`` or ``uninstalling``.
        values: those of the chart's templates.
        note: free text that the harness keeps with the release (Helm's description).
    """

    name: str
    chart_name: str
    chart_version: str
    status: str
    rendered: Rendered
    values: Mapping[str, Any]
    note: str = ""

    def with_status(self, status: str) -> HelmRelease:
        """Return the same release in another state."""
        return dataclasses.replace(self, status=status)


def find(api: KubeApi, name: str) -> HelmRelease | None:
    """Return the release of this name, in any state, or ``None``."""
    try:
        secret = api.get("Secret", ADMIN_NAMESPACE, _secret_name(name))
    except NotFound:
        return None
    return _decode(secret)


def find_all(api: KubeApi) -> list[HelmRelease]:
    """Return all releases, by name."""
    secrets = api.list("Secret", ADMIN_NAMESPACE, labels={"owner": "helm"})
    return sorted((_decode(secret) for secret in secrets), key=lambda release: release.name)


def record(api: KubeApi, release: HelmRelease) -> None:
    """Write the release's record."""
    api.apply(_encode(release))


def install(api: KubeApi, release: HelmRelease, *, on_hook: Callable[[Manifest], None] | None = None) -> HelmRelease:
    """Apply a release's objects in Helm's order; success means accepted by the API, nothing more.

    Raises:
        InstallError: an object was refused, it is named; the release stays as ``failed``.
    """
    record(api, release.with_status("pending-install"))
    try:
        for hook in release.rendered.hooks_of("pre-install"):
            _run_hook(api, release, hook, on_hook)
        for manifest in release.rendered.objects:
            _apply(api, release, manifest)
        for hook in release.rendered.hooks_of("post-install"):
            _run_hook(api, release, hook, on_hook)
    except HarnessError:
        record(api, release.with_status("failed"))
        raise
    done = release.with_status("deployed")
    record(api, done)
    return done


def uninstall(
    api: KubeApi, release: HelmRelease, *, hooks: bool = True, on_hook: Callable[[Manifest], None] | None = None
) -> None:
    """Run the pre-delete hooks, then delete the objects and the record.

    Args:
        hooks: False is the platform's "Force Uninstall": the objects go, the DAG files stay.
        on_hook: waits for a hook that was created; raises when it failed.

    Raises:
        InstallError: a hook failed; as on the platform the release stays ``uninstalling`` and its files stay.
    """
    record(api, release.with_status("uninstalling"))
    if hooks:
        for hook in release.rendered.hooks_of("pre-delete"):
            _run_hook(api, release, hook, on_hook)
    for manifest in reversed(release.rendered.objects):
        if read_annotations(manifest).get(RESOURCE_POLICY) != "keep":
            _delete(api, manifest)
    if hooks:
        for hook in release.rendered.hooks_of("post-delete"):
            _run_hook(api, release, hook, on_hook)
    _delete(api, {"kind": "Secret", "metadata": {"namespace": ADMIN_NAMESPACE, "name": _secret_name(release.name)}})


def _apply(api: KubeApi, release: HelmRelease, manifest: Manifest) -> None:
    try:
        api.apply(_place(manifest))
    except ApiError as error:
        raise _refusal(release, describe(manifest), error) from None


def _refusal(release: HelmRelease, what: str, error: ApiError) -> InstallError:
    """Return the error for a refused object: wrong input, unless the cluster itself is at fault."""
    kind = ManifestError if error.status in _OF_THE_OBJECT else InstallError
    return kind(
        f"the cluster refuses {what} of {release.chart_name}: {' '.join(error.message.split())}",
        last_seen=str(error),
        fix="fix the chart's template",
    )


def _place(manifest: Manifest) -> Manifest:
    """Return an object with a namespace, by default Helm's own, ``admin`` (build 10.3)."""
    metadata = dict(manifest.get("metadata") or {})
    metadata.setdefault("namespace", ADMIN_NAMESPACE)
    return {**manifest, "metadata": metadata}


def _run_hook(api: KubeApi, release: HelmRelease, hook: Manifest, wait: Callable[[Manifest], None] | None) -> None:
    hook = _place(hook)
    policies = [policy.strip() for policy in read_annotations(hook).get(HOOK_DELETE_POLICY, "").split(",")]
    if policies == [""] or "before-hook-creation" in policies:
        _delete(api, hook)
    try:
        api.create(hook)
    except Conflict:
        # left behind by an attempt that was interrupted
        _delete(api, hook)
        _apply(api, release, hook)
    except ApiError as error:
        raise _refusal(release, f"the hook {describe(hook)}", error) from None
    try:
        if wait:
            wait(hook)
    except HarnessError:
        if "hook-failed" in policies:
            _delete(api, hook)
        raise
    if "hook-succeeded" in policies:
        _delete(api, hook)


def _delete(api: KubeApi, manifest: Manifest) -> None:
    metadata = manifest["metadata"]
    with contextlib.suppress(NotFound):
        api.delete(
            manifest["kind"],
            metadata.get("namespace", ADMIN_NAMESPACE),
            metadata["name"],
            api_version=manifest.get("apiVersion", ""),
        )


def _secret_name(release: str) -> str:
    return f"sh.helm.release.v1.{release}.v1"


def _encode(release: HelmRelease) -> Manifest:
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    document = {
        "name": release.name,
        "info": {
            "first_deployed": now,
            "last_deployed": now,
            "deleted": "",
            "description": release.note or "Install complete",
            "status": release.status,
        },
        "chart": {
            "metadata": {"name": release.chart_name, "version": release.chart_version, "apiVersion": "v2"},
            "templates": [],
            "values": {},
        },
        "config": dict(release.values),
        "manifest": yaml.safe_dump_all(release.rendered.objects, sort_keys=False),
        "hooks": [
            {
                "name": hook["metadata"]["name"],
                "kind": hook["kind"],
                "path": "templates/hook.yaml",
                "manifest": yaml.safe_dump(hook, sort_keys=False),
                "events": [event.strip() for event in read_annotations(hook)["helm.sh/hook"].split(",")],
                "last_run": {"started_at": "", "completed_at": "", "phase": ""},
            }
            for hook in release.rendered.hooks
        ],
        "version": 1,
        "namespace": ADMIN_NAMESPACE,
    }
    packed = base64.b64encode(gzip.compress(json.dumps(document).encode(), mtime=0))
    if len(packed) > _MAX_RECORD_BYTES:
        raise InstallError(
            f"the release {release.name} is too large for its record ({len(packed)} bytes; Kubernetes allows 1 MiB)"
        )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": _secret_name(release.name),
            "namespace": ADMIN_NAMESPACE,
            "labels": {"owner": "helm", "name": release.name, "status": release.status, "version": "1"},
        },
        "type": _SECRET_TYPE,
        "data": {"release": base64.b64encode(packed).decode()},
    }


def _decode(secret: Manifest) -> HelmRelease:
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    document = json.loads(gzip.decompress(packed))
    hooks = [hook for entry in document.get("hooks") or [] for hook in parse_documents(entry["manifest"])]
    metadata = document["chart"]["metadata"]
    return HelmRelease(
        name=document["name"],
        chart_name=metadata["name"],
        chart_version=metadata["version"],
        status=document["info"]["status"],
        rendered=arrange([*parse_documents(document["manifest"]), *hooks]),
        values=document.get("config") or {},
        note=document["info"].get("description", ""),
    )
