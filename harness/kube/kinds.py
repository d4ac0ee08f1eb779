"""The kinds of objects that a chart may contain, and the path of each in the REST API of Kubernetes 1.33.

The table is shared by the client and by the control plane of the docker cluster.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of object.

    Attributes:
        name: e.g. ``ConfigMap``.
        api_version: e.g. ``v1`` or ``apps/v1``.
        plural: its segment in a path, e.g. ``configmaps``.
        namespaced: whether its objects belong to a namespace.
    """

    name: str
    api_version: str
    plural: str
    namespaced: bool = True

    @property
    def base_path(self) -> str:
        """``/api/v1`` for the core group, otherwise ``/apis/<group>/<version>``."""
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Return the path of one object, or of the collection; without a namespace that of all namespaces."""
        parts = [self.base_path]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        return "/".join(parts)


_RBAC = "rbac.authorization.k8s.io/v1"

KINDS: tuple[Kind, ...] = (
    Kind("Namespace", "v1", "namespaces", namespaced=False),
    Kind("Node", "v1", "nodes", namespaced=False),
    Kind("PersistentVolume", "v1", "persistentvolumes", namespaced=False),
    Kind("Pod", "v1", "pods"),
    Kind("Service", "v1", "services"),
    Kind("ConfigMap", "v1", "configmaps"),
    Kind("Secret", "v1", "secrets"),
    Kind("ServiceAccount", "v1", "serviceaccounts"),
    Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
    Kind("LimitRange", "v1", "limitranges"),
    Kind("ResourceQuota", "v1", "resourcequotas"),
    Kind("Event", "v1", "events"),
    Kind("Deployment", "apps/v1", "deployments"),
    Kind("Job", "batch/v1", "jobs"),
    Kind("Ingress", "networking.k8s.io/v1", "ingresses"),
    Kind("IngressClass", "networking.k8s.io/v1", "ingressclasses", namespaced=False),
    Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    Kind("StorageClass", "storage.k8s.io/v1", "storageclasses", namespaced=False),
    Kind("PriorityClass", "scheduling.k8s.io/v1", "priorityclasses", namespaced=False),
    Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
    Kind("Role", _RBAC, "roles"),
    Kind("RoleBinding", _RBAC, "rolebindings"),
    Kind("ClusterRole", _RBAC, "clusterroles", namespaced=False),
    Kind("ClusterRoleBinding", _RBAC, "clusterrolebindings", namespaced=False),
    Kind(
        "ValidatingAdmissionPolicy",
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicies",
        namespaced=False,
    ),
    Kind(
        "ValidatingAdmissionPolicyBinding",
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
        namespaced=False,
    ),
)

BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS}
BY_PATH: dict[tuple[str, str], Kind] = {(kind.base_path, kind.plural): kind for kind in KINDS}


def kind_named(name: str) -> Kind:
    """Return the kind of this name.

    Raises:
        ValueError: the table does not have it.
    """
    try:
        return BY_NAME[name]
    except KeyError:
        raise ValueError(f"unknown kind {name!r}; known: {', '.join(sorted(BY_NAME))}") from None
