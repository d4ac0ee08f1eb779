"""Service accounts: their tokens, and the account of a token."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final, NamedTuple

from harness.incluster.controlplane.errors import StatusError
from harness.incluster.controlplane.store import Store
from harness.kube import Manifest

_MARK: Final = "kh-account"
DEFAULT: Final = "default"


class Account(NamedTuple):
    """A service account by its name."""

    namespace: str
    name: str

    @property
    def user(self) -> str:
        """Its name as a user."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def groups(self) -> frozenset[str]:
        """The groups that it is in by being a service account."""
        return frozenset({"system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{self.namespace}"})


def account_of(pod: Manifest) -> Account:
    """Return the service account of an admitted pod."""
    return Account(pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName") or DEFAULT)


class Accounts:
    """Makes and recognises tokens, which are valid as long as their account exists.

    Args:
        store: all objects.
        secret: known to this control plane only.
    """

    def __init__(self, store: Store, secret: str) -> None:
        self._store = store
        self._secret = secret.encode()

    def find(self, account: Account) -> Manifest:
        """Return the object of an account.

        Raises:
            StatusError: 403, it does not exist.
        """
        found = self._store.find("ServiceAccount", account.namespace, account.name)
        if found is None:
            raise StatusError(
                403,
                "Forbidden",
                f"error looking up service account {account.namespace}/{account.name}: serviceaccount"
                f' "{account.name}" not found',
            )
        return found

    def token(self, account: Account) -> str:
        """Return the token of an account.

        Raises:
            StatusError: 403, the account does not exist.
        """
        return ".".join((_MARK, account.namespace, account.name, self._signature(self.find(account))))

    def find_by_token(self, token: str) -> Account | None:
        """Return the account of a token; ``None`` if it has none."""
        mark, _, rest = token.partition(".")
        namespace, _, rest = rest.partition(".")
        # the name of an account may have dots
        name, _, signature = rest.rpartition(".")
        found = self._store.find("ServiceAccount", namespace, name) if mark == _MARK else None
        if found is None or not hmac.compare_digest(signature.encode(), self._signature(found).encode()):
            return None
        return Account(namespace, name)

    def _signature(self, account: Manifest) -> str:
        metadata: dict[str, Any] = account["metadata"]
        # an account that is made again under its name is another one
        what = "/".join((metadata["namespace"], metadata["name"], metadata["uid"]))
        return hmac.new(self._secret, what.encode(), hashlib.sha256).hexdigest()
