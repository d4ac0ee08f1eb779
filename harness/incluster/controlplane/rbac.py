"""What a service account may do: the roles that are bound to it, judged as Kubernetes does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from harness.incluster.controlplane.accounts import DEFAULT, Account, account_of
from harness.incluster.controlplane.errors import StatusError
from harness.incluster.controlplane.store import Store
from harness.kube import Manifest
from harness.kube.kinds import KINDS, Kind

GROUP: Final = "rbac.authorization.k8s.io"
Rule = Mapping[str, Any]
_LOOK: Final = ["get", "list", "watch"]
_CHANGE: Final = ["create", "update", "patch", "delete", "deletecollection"]
_OPEN: Final = [
    kind for kind in KINDS if kind.namespaced and not kind.api_version.startswith(GROUP) and kind.name != "Secret"
]
_WRITABLE: Final = [kind for kind in _OPEN if kind.name not in ("LimitRange", "ResourceQuota", "Event")]


def _rules(kinds: Iterable[Kind], verbs: list[str]) -> list[Rule]:
    return [
        {"apiGroups": [group_of(kind)], "resources": [kind.plural, f"{kind.plural}/log"], "verbs": verbs}
        for kind in kinds
    ]


def group_of(kind: Kind) -> str:
    """Return the API group of a kind, empty for the core group."""
    return kind.api_version.rpartition("/")[0]


_SECRETS: Final[list[Rule]] = [{"apiGroups": [""], "resources": ["secrets"], "verbs": [*_LOOK, *_CHANGE]}]
_ROLES: Final[list[Rule]] = [
    {"apiGroups": [GROUP], "resources": ["roles", "rolebindings"], "verbs": [*_LOOK, *_CHANGE]}
]
# every Kubernetes has these four
_BUILT_IN: Final[dict[str, list[Rule]]] = {
    "cluster-admin": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    "view": _rules(_OPEN, _LOOK),
    "edit": [*_rules(_OPEN, _LOOK), *_rules(_WRITABLE, _CHANGE), *_SECRETS],
    "admin": [*_rules(_OPEN, _LOOK), *_rules(_WRITABLE, _CHANGE), *_SECRETS, *_ROLES],
}


class AccessRequest(NamedTuple):
    """A request to authorise.

    Attributes:
        verb: e.g. ``get`` or ``deletecollection``.
        group: API group, empty for the core group.
        resource: plural, with ``/log`` or ``/status`` for a part of an object.
        namespace: empty for objects of the cluster, and for all namespaces.
        name: of the object, empty for a collection.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


class Rbac:
    """Judges by the roles and bindings in the store.

    Args:
        store: all objects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def check(self, account: Account, request: AccessRequest) -> None:
        """Check that an account may make a request.

        Raises:
            StatusError: 403, in the words of Kubernetes.
        """
        if self.allows(account, request):
            return
        where = f' in the namespace "{request.namespace}"' if request.namespace else " at the cluster scope"
        what = f'{request.resource} "{request.name}"' if request.name else request.resource
        raise StatusError(
            403,
            "Forbidden",
            f'{what} is forbidden: User "{account.user}" cannot {request.verb} resource "{request.resource}" in API'
            f' group "{request.group}"{where}',
        )

    def allows(self, account: Account, request: AccessRequest) -> bool:
        """Return whether a rule of the account's roles covers a request."""
        return any(_covers(rule, request) for rule in self._rules_of(account, request.namespace))

    def has_any(self, account: Account) -> bool:
        """Return whether anything at all is granted to an account."""
        return any(_is_subject(account, binding) for binding in self._bindings(None))

    def check_grant(self, account: Account, kind: Kind, manifest: Manifest, namespace: str, *, is_whole: bool) -> None:
        """Check a new or changed role or binding: accounts can only grant rights that they have.

        Args:
            is_whole: it is all of the object and not a change of one, which needs the right to grant everything.

        Raises:
            StatusError: 403, names the first right that is missing.
        """
        if group_of(kind) != GROUP:
            return
        if kind.name in ("Role", "ClusterRole"):
            granted, verb = manifest.get("rules") or [], "escalate"
            if manifest.get("aggregationRule"):
                # the rules come from other roles, also later ones
                granted = [*granted, *_BUILT_IN["cluster-admin"]]
        else:
            granted, verb = self._role(manifest.get("roleRef") or {}, namespace), "bind"
        plural = "roles" if kind.name == "Role" else "clusterroles"
        if self.allows(account, AccessRequest(verb, GROUP, plural, namespace)):
            return
        if not is_whole:
            granted = [*granted, *_BUILT_IN["cluster-admin"]]
        for right in _rights(granted, namespace):
            if not self.allows(account, right):
                raise StatusError(
                    403,
                    "Forbidden",
                    f'{kind.plural} is forbidden: user "{account.user}" is attempting to grant RBAC permissions not'
                    f" currently held: {right.verb} {right.resource} in API group {right.group!r}",
                )

    def _rules_of(self, account: Account, namespace: str) -> Iterator[Rule]:
        for binding in self._bindings(namespace):
            if _is_subject(account, binding):
                yield from self._role(binding.get("roleRef") or {}, binding["metadata"].get("namespace") or "")

    def _bindings(self, namespace: str | None) -> Iterator[Manifest]:
        """Yield bindings of the whole cluster, and of a namespace (empty: none, ``None``: all)."""
        yield from self._store.list("ClusterRoleBinding")
        if namespace != "":
            yield from self._store.list("RoleBinding", namespace)

    def _role(self, reference: Mapping[str, Any], namespace: str) -> list[Rule]:
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        if kind == "Role":
            found = self._store.find("Role", namespace, name) if namespace else None
            return _list_field(found, "rules")
        if kind != "ClusterRole":
            return []
        if name in _BUILT_IN:
            return _BUILT_IN[name]
        return _list_field(self._store.find("ClusterRole", None, name), "rules")


def has_token(store: Store, pod: Manifest) -> bool:
    """Return whether the containers of a pod get the token of their service account.

    That of ``default`` only if it has a right: without one it may do nothing (services 16).
    """
    account = account_of(pod)
    found = store.find("ServiceAccount", *account) or {}
    for holder in (pod["spec"], found):
        if holder.get("automountServiceAccountToken") is not None:
            if not holder["automountServiceAccountToken"]:
                return False
            break
    return account.name != DEFAULT or Rbac(store).has_any(account)


def _list_field(manifest: Manifest | None, field: str) -> list[Any]:
    value = (manifest or {}).get(field)
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _is_subject(account: Account, binding: Manifest) -> bool:
    for subject in _list_field(binding, "subjects"):
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "ServiceAccount" and (subject.get("namespace"), name) == account:
            return True
        if (kind == "User" and name == account.user) or (kind == "Group" and name in account.groups):
            return True
    return False


def _covers(rule: Rule, request: AccessRequest) -> bool:
    part = request.resource.partition("/")[2]
    wanted = {"*", request.resource} | ({f"*/{part}"} if part else set())
    names = rule.get("resourceNames") or []
    return (
        bool({"*", request.verb} & _texts(rule, "verbs"))
        and bool({"*", request.group} & _texts(rule, "apiGroups"))
        and bool(wanted & _texts(rule, "resources"))
        and (not names or request.name in names)
    )


def _texts(rule: Rule, field: str) -> set[str]:
    value = rule.get(field)
    return {entry for entry in value if isinstance(entry, str)} if isinstance(value, list) else set()


def _rights(rules: Iterable[Rule], namespace: str) -> Iterator[AccessRequest]:
    """Yield every single right of some rules; a star is only covered by a star."""
    for rule in rules:
        for verb in sorted(_texts(rule, "verbs")):
            for group in sorted(_texts(rule, "apiGroups")):
                for resource in sorted(_texts(rule, "resources")):
                    for name in rule.get("resourceNames") or [""]:
                        yield AccessRequest(verb, group, resource, namespace, str(name))
