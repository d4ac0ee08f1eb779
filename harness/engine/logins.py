"""This user's logins to registries: what ``docker login`` has left in docker's configuration or in a credential helper.

A helper that is missing or fails has no login to give, as for ``docker`` itself: most images need none. If a registry
wants one, its refusal is reported with the helper's failure.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from harness.common.redaction import REDACTOR
from harness.common.references import is_public, login_host
from harness.doctor.address import UnreadableError, read_configuration
from harness.engine.connection import NO_LOGINS

if TYPE_CHECKING:
    from docker.auth import AuthConfig

_PROGRAM: Final = "docker-credential-"

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class StoredLogin:
    """What ``docker login`` has left for a registry: name and password, or an identity token."""

    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    identity_token: str = dataclasses.field(default="", repr=False)

    def for_engine(self, host: str) -> dict[str, str]:
        """Return the login to a registry in the form of the engine's API."""
        # containerd's store gives a login to this server only
        server = {"serveraddress": _name_server(host)}
        if self.identity_token:
            return {"identitytoken": self.identity_token, **server}
        return {"username": self.username, "password": self.password, **server}


class FoundLogin(NamedTuple):
    """A login, or none; ``failure``: why docker's configuration or helper could not be asked, empty where it was."""

    login: StoredLogin | None = None
    failure: str = ""


class FoundLogins(NamedTuple):
    """All logins by their hosts, for a request that may need any; ``failure`` as in :class:`FoundLogin`."""

    logins: Mapping[str, StoredLogin]
    failure: str = ""

    def for_engine(self) -> dict[str, dict[str, str]]:
        """Return the logins in the form of the engine's API."""
        return {_name_server(host): login.for_engine(host) for host, login in self.logins.items()}


def find_login(host: str) -> FoundLogin:
    """Return this user's login to a registry; its secret shows in no text of the harness. Never raises.

    Args:
        host: as in references, ``registry.site:5000``.
    """
    return FoundLogin(*_attempt(lambda: _resolve(_load_configuration(), login_host(host)), None))


def find_all_logins() -> FoundLogins:
    """Return all logins of this user, see :func:`find_login`. Never raises."""
    from docker.auth import AuthConfig

    configuration, unread = _attempt(_load_configuration, AuthConfig({}))
    found = {host: login for host, entry in configuration.auths.items() if (login := _make_login(entry))}
    none: list[str] = []
    stored, unlisted = _attempt(lambda: _list_stored(configuration), none)
    helped, unnamed = _attempt(lambda: list(configuration.cred_helpers), none)
    failures = [unread, unlisted, unnamed]
    for host in dict.fromkeys([*stored, *helped]):
        login, failure = _attempt(functools.partial(_resolve, configuration, host), None)
        failures.append(failure)
        if login:
            found[host] = login
    return FoundLogins(found, next(filter(None, failures), ""))


def read_credentials(host: str) -> tuple[str, str] | None:
    """Return name and password of this user for a registry, or ``None``; see :func:`find_login`."""
    found = find_login(host).login
    return (found.username, found.password) if found and not found.identity_token else None


def explain(refusal: str, failure: str) -> str:
    """Return the words of a refusal with the failure that left the request without a login, if there was one."""
    return f"{refusal} (asked without a login: {failure})" if failure else refusal


def _attempt(ask: Callable[[], _T], otherwise: _T) -> tuple[_T, str]:
    """Call ``ask``; return its result and an empty string, or ``otherwise`` and the reason of the failure."""
    from docker.credentials.errors import StoreError
    from docker.errors import DockerException

    # docker-py validates little of docker's configuration
    try:
        return ask(), ""
    except (DockerException, StoreError, OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, StoreError) else error
        words = " ".join(str(cause).split())
        return otherwise, words if isinstance(
            cause, StoreError | UnreadableError
        ) else f"{type(cause).__name__}: {words}"


def _load_configuration() -> AuthConfig:
    from docker.auth import load_config

    return load_config(config_dict=read_configuration(os.environ) or dict(NO_LOGINS))


def _resolve(configuration: AuthConfig, host: str) -> StoredLogin | None:
    if helper := configuration.get_credential_store(host):
        _require_program(helper)
    return _make_login(configuration.resolve_authconfig(host) or {})


def _list_stored(configuration: AuthConfig) -> list[str]:
    """Return the hosts whose logins the default helper has."""
    from docker.credentials import Store

    if not configuration.creds_store:
        return []
    _require_program(configuration.creds_store)
    return list(Store(configuration.creds_store).list())  # type: ignore[no-untyped-call]


def _require_program(helper: str) -> None:
    """Raise if a helper is not installed; docker-py would also print a warning."""
    from docker.credentials.errors import StoreError

    if shutil.which(_PROGRAM + helper) is None:
        raise StoreError(f"{_PROGRAM}{helper} is not on PATH")


def _make_login(entry: Mapping[str, Any]) -> StoredLogin | None:
    known = {str(key).lower(): str(value) for key, value in entry.items() if value}
    if token := known.get("identitytoken"):
        REDACTOR.add_given(token)
        return StoredLogin(identity_token=token)
    if "username" not in known or "password" not in known:
        return None
    REDACTOR.add_given_login(known["username"], known["password"])
    return StoredLogin(known["username"], known["password"])


def _name_server(host: str) -> str:
    from docker.auth import INDEX_URL

    return INDEX_URL if is_public(host) else host
