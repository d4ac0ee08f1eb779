"""The rights that an environment on a shared cluster needs: for the preflight, and as objects that an admin applies.

Two roles. The first is for the whole cluster and small: namespaces, and binding the second role. The second is what
may be done in a namespace of an environment; the harness binds it to itself and to the platform's own account there.
An admission policy confines both to namespaces whose names begin with ``kh-``, which roles alone cannot do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from harness.kube import Manifest

CLUSTER_ROLE = "kaapana-harness"
NAMESPACE_ROLE = "kaapana-harness-namespace"
ACCOUNT = ("kaapana-harness", "kaapana-harness")
"""Namespace and name of the service account that is made when no user is named."""
_PREFIX = "kh-"
_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io/v1"
_READ = ("get", "list", "watch")
_ALL = (*_READ, "create", "patch", "update", "delete", "deletecollection")


@dataclasses.dataclass(frozen=True)
class Right:
    """One verb on one resource.

    Attributes:
        verb: e.g. ``create``.
        group: API group, empty for the core.
        resource: with its subresource, e.g. ``pods/log``.
        name: of the one object that it is about; empty: all.
    """

    verb: str
    group: str
    resource: str
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {what} {self.name}".rstrip()


@dataclasses.dataclass(frozen=True)
class PolicyRule:
    """A line of a role."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    name: str = ""

    def rights(self) -> Iterator[Right]:
        """Yield the rights in it, one by one."""
        for resource in self.resources:
            for verb in self.verbs:
                yield Right(verb, self.group, resource, self.name)

    def as_json(self) -> Manifest:
        """Return the rule of a role."""
        names = {"resourceNames": [self.name]} if self.name else {}
        return {"apiGroups": [self.group], "resources": [*self.resources], "verbs": [*self.verbs], **names}


IN_CLUSTER: tuple[PolicyRule, ...] = (
    PolicyRule("", ("namespaces",), (*_READ, "create", "patch", "delete")),
    # to read capacity, and whether volumes are gone after a removal
    PolicyRule("", ("nodes", "persistentvolumes"), ("get", "list")),
    PolicyRule("storage.k8s.io", ("storageclasses",), ("get", "list")),
    PolicyRule(_RBAC, ("rolebindings",), ("get", "create", "patch")),
    PolicyRule(_RBAC, ("clusterroles",), ("get", "bind"), NAMESPACE_ROLE),
)
IN_NAMESPACE: tuple[PolicyRule, ...] = (
    PolicyRule(
        "",
        ("pods", "services", "configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims", "limitranges"),
        _ALL,
    ),
    PolicyRule("", ("pods/log", "events"), _READ),
    # get: by WebSocket, as the harness does; create: as older clients of kubectl do
    PolicyRule("", ("pods/portforward", "pods/exec"), ("get", "create")),
    PolicyRule("apps", ("deployments", "statefulsets", "daemonsets"), _ALL),
    PolicyRule("apps", ("replicasets",), _READ),
    PolicyRule("batch", ("jobs", "cronjobs"), _ALL),
    PolicyRule("networking.k8s.io", ("networkpolicies", "ingresses"), _ALL),
    PolicyRule("policy", ("poddisruptionbudgets",), _ALL),
)


def find_lacking(rules: Sequence[Manifest]) -> list[Right]:
    """Return the rights of :data:`IN_NAMESPACE` that the rules of a role do not give."""

    def is_granted(right: Right) -> bool:
        return any(
            _has(rule.get("apiGroups"), right.group)
            and _has(rule.get("resources"), right.resource)
            and _has(rule.get("verbs"), right.verb)
            and not rule.get("resourceNames")
            for rule in rules
        )

    return [right for rule in IN_NAMESPACE for right in rule.rights() if not is_granted(right)]


def make_binding(namespace: str, user: str, account: Manifest) -> Manifest:
    """Return the binding by which the harness and the platform's account may work in a namespace of an environment.

    Args:
        namespace: its name as the platform has it.
        user: the harness's name on the cluster.
        account: the subject that is the platform's service account.
    """
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": NAMESPACE_ROLE, "namespace": namespace},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": NAMESPACE_ROLE},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}, account],
    }


def make_manifests(*, user: str = "", group: str = "") -> list[Manifest]:
    """Return the objects that an admin of the cluster applies once.

    Args:
        user: who gets the rights, by their name on the cluster; or
        group: a group of users. With neither, a service account is made for the harness.
    """
    namespace, account = ACCOUNT
    found: list[Manifest] = []
    if user:
        subject = {"apiGroup": _RBAC, "kind": "User", "name": user}
        condition = f"request.userInfo.username == {_quote(user)}"
    elif group:
        subject = {"apiGroup": _RBAC, "kind": "Group", "name": group}
        condition = f"{_quote(group)} in request.userInfo.groups"
    else:
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        condition = f"request.userInfo.username == {_quote(f'system:serviceaccount:{namespace}:{account}')}"
        found += [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": namespace}},
        ]
    return [
        *found,
        _role(CLUSTER_ROLE, IN_CLUSTER),
        _role(NAMESPACE_ROLE, IN_NAMESPACE),
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": CLUSTER_ROLE},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": CLUSTER_ROLE},
            "subjects": [subject],
        },
        *_policy(condition),
    ]


def _role(name: str, rules: Sequence[PolicyRule]) -> Manifest:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [rule.as_json() for rule in rules],
    }


def _policy(condition: str) -> list[Manifest]:
    """Return the policy that confines names: without it the holder could bind itself into any namespace."""
    rules = [
        {"apiGroups": [group], "apiVersions": ["v1"], "operations": [*operations], "resources": [resource]}
        for group, resource, operations in (
            ("", "namespaces", ("CREATE", "UPDATE", "DELETE")),
            (_RBAC, "rolebindings", ("CREATE", "UPDATE")),
        )
    ]
    name = "request.resource.resource == 'namespaces' ? request.name : request.namespace"
    return [
        {
            "apiVersion": _ADMISSION,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": CLUSTER_ROLE},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": rules},
                "matchConditions": [{"name": "is-the-harness", "expression": condition}],
                "validations": [
                    {
                        "expression": f"({name}).startsWith('{_PREFIX}')",
                        "message": f"kaapana-harness may only touch namespaces whose names begin with {_PREFIX}",
                    }
                ],
            },
        },
        {
            "apiVersion": _ADMISSION,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": CLUSTER_ROLE},
            "spec": {"policyName": CLUSTER_ROLE, "validationActions": ["Deny"]},
        },
    ]


def _has(is_granted: Any, wanted: str) -> bool:
    return wanted in (is_granted or ()) or "*" in (is_granted or ())


def _quote(text: str) -> str:
    """Return a string of the Common Expression Language."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
