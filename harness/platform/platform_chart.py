"""The platform's chart: render it for one environment, and apply it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.common.progress import OnProgress
from harness.errors import PlatformError
from harness.kube import ApiError, Manifest
from harness.platform import helm
from harness.platform.manifests import arrange, describe
from harness.wire import names

if TYPE_CHECKING:
    from harness.cluster import Cluster
    from harness.cluster.providers import Provider
    from harness.kube.pullsecrets import Login
    from harness.platform.credentials import Credentials
    from harness.profiles import Profile

CHART = Path(__file__).parent / "chart"
IMAGES = ("registry", "minio", "services", "airflow")
"""Names of the images of the harness that the platform runs with."""
_REGISTRY = "Deployment {1}/{0}".format(*names.HARNESS_REGISTRY)
_STARTS = ("airflow", "airflow-database", "harness-services", "harness-registry", "minio")
# placeholder for the registry's address in rendered objects until it is known; a legal host, never resolved
_PENDING_REGISTRY = "registry.kaapana-harness.invalid:5000"
# of bcrypt, the fewest there are
_ROUNDS = 4


def make_values(
    cluster: Cluster,
    profile: Profile,
    credentials: Credentials,
    tags: Mapping[str, str],
    *,
    kind: Provider,
    registry: str = "",
    version: str = "",
    gpu: bool = False,
) -> dict[str, Any]:
    """Return the chart's values, without the registry's address.

    Args:
        tags: of the engine's images, by their names.
        kind: of the cluster.
        registry: ``DEFAULT_REGISTRY`` where it is not the environment's own.
        version: ``KAAPANA_BUILD_VERSION`` where it is not that of the profile.
        gpu: whether the platform has GPU support.
    """
    return {
        "volume_node": cluster.volume_node,
        "gpu_support": gpu,
        "owns_cluster": kind.owns_cluster,
        "owns_registry": kind.owns_registry,
        "global": {
            "registry_url": registry or _PENDING_REGISTRY,
            "kaapana_build_version": version or profile.version,
        },
        "environment": cluster.environment_id,
        "profile": profile.as_json(),
        "images": {name: tags.get(name, "") for name in IMAGES},
        "credentials": credentials.as_mapping(),
        "token_digest": credentials.token_digest,
        "dags_token": credentials.dags_token,
        "registry_users": list_registry_users(credentials),
    }


def list_registry_users(credentials: Credentials, more: Iterable[Login] = ()) -> dict[str, str]:
    """Return the users of the two registries, by their names: files with bcrypt hashes.

    Args:
        more: further logins that may pull.
    """
    return {"pull": _htpasswd([credentials.pull, *more]), "push": _htpasswd([credentials.push])}


def _htpasswd(logins: Iterable[Login]) -> str:
    """Return the file by which the registry knows its users.

    Every request is checked against its hashes: random secrets of this length need no slow ones.
    """
    import bcrypt

    lines = [
        f"{login.username}:{bcrypt.hashpw(login.password.encode(), bcrypt.gensalt(rounds=_ROUNDS)).decode('ascii')}\n"
        for login in logins
    ]
    return "".join(lines)


def prepare() -> None:
    """Start Helm's library, which takes half a second; what is wrong with it is for the first render to say."""
    with contextlib.suppress(helm.HelmError):
        helm.find().show_chart(CHART)


def _render(values: Mapping[str, Any]) -> tuple[Manifest, ...]:
    rendered = helm.find().render(CHART, values, release="kaapana-harness", namespace=names.ADMIN_NAMESPACE)
    return arrange(rendered).objects


def apply(cluster: Cluster, values: dict[str, Any], until_images: Callable[[], object], say: OnProgress) -> list[str]:
    """Apply everything: the registry with what needs no address of it, then, once that is known, the rest.

    Args:
        cluster: its nodes may still be getting ready.
        values: see :func:`make_values`.
        until_images: returns when the nodes have the images.
        say: receives a line when it begins.

    Returns:
        The names of the deployments.

    Raises:
        PlatformError: the cluster refuses an object, or its nodes do not get ready.
    """
    say("applying the platform")
    objects = sorted(_render(values), key=_urgency)
    applied = set()
    for manifest in objects:
        if manifest["kind"] != "Deployment" and not _names_registry(manifest):
            _apply(cluster, manifest)
            applied.add(describe(manifest))
    # a pod that comes with its node is refused its claims, and asks again a quarter of a minute later
    cluster.wait_until_usable(names=False)
    until_images()
    if values["global"]["registry_url"] == _PENDING_REGISTRY:
        # alone, because all others wait for its address; a shared cluster has one of the user's
        for manifest in objects:
            if describe(manifest) == _REGISTRY:
                _apply(cluster, manifest)
                applied.add(_REGISTRY)
        values = {**values, "global": {**values["global"], "registry_url": cluster.registry}}
        objects = sorted(_render(values), key=_urgency)
    for manifest in objects:
        if describe(manifest) not in applied:
            _apply(cluster, manifest)
    return [manifest["metadata"]["name"] for manifest in objects if manifest["kind"] == "Deployment"]


def _names_registry(manifest: Manifest) -> bool:
    """Return whether the registry's address is, or will be, in an object; pull secrets hold it in base64."""
    return _PENDING_REGISTRY in json.dumps(manifest) or manifest.get("type") == "kubernetes.io/dockerconfigjson"


def _urgency(manifest: Manifest) -> int:
    """Return a sort key: Helm's order, but workloads start by what others wait for and what takes longest.

    A volume that Kubernetes hears of later than of its claim is bound a quarter of a minute later.
    """
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    if kind == "Deployment" and name in _STARTS:
        return _STARTS.index(name)
    return {"PersistentVolume": -3, "PersistentVolumeClaim": -1}.get(kind, -2)


def _apply(cluster: Cluster, manifest: Manifest) -> None:
    try:
        cluster.api.apply(manifest)
    except ApiError as error:
        raise PlatformError(f"{describe(manifest)} of the platform cannot be applied", last_seen=str(error)) from None
