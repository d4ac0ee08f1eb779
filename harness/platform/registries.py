"""Custom registries, as the application "New Registry" makes them known to the platform (build 13)."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.common.redaction import REDACTOR
from harness.errors import PlatformError, UsageError
from harness.kube import NotFound
from harness.kube.pullsecrets import Login, logins_in
from harness.platform import platform_chart, source_registry
from harness.settings.values import registry as check_registry
from harness.wire.names import HARNESS_REGISTRY, SECRET_REGISTRY, SERVICES_NAMESPACE
from harness.wire.polling import Polling

if TYPE_CHECKING:
    from harness.extension import Container, ExtensionSource
    from harness.kube import KubeApi, Manifest
    from harness.platform.credentials import Credentials
    from harness.platform.registry import PlatformRegistry

_LABEL = {"kaapana-harness/registry": "custom"}
_URL = "kaapana-harness/registry-url"
_NAME = "kaapana-harness/registry-name"
_USERS = "harness-registry-users"
_STAMP = "kaapana-harness/users"
# a kubelet updates the files of a Secret about once a minute, and at once when the pod changes
_TAKEN_S = 120.0
_POLL_S = 0.1


@dataclasses.dataclass(frozen=True)
class CustomRegistry:
    """A registry that was added to a platform; as a context manager it is removed at the end of the block.

    Attributes:
        name: as the administrator calls it.
        url: ``host[:port]`` or with a path behind it, without scheme.
        secret: name of its pull secret, which exists in the namespace ``services`` only.
    """

    name: str
    url: str
    secret: str
    _all: CustomRegistries = dataclasses.field(repr=False, compare=False)

    def __enter__(self) -> CustomRegistry:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the pull secret and revoke the login, as far as they still exist."""
        self._all.remove(self)


def make_secret_name(url: str) -> str:
    """Return the name of a custom registry's pull secret, as charts derive it (build 7.1)."""
    return f"{SECRET_REGISTRY}-{hashlib.sha256(url.encode()).hexdigest()[:4]}"


class CustomRegistries:
    """The registries that were added to a platform.

    Args:
        api: of the platform's cluster.
        platform_registry: takes their place.
        credentials: of the platform.
        owned: the platform's registry has its own logins, see :class:`harness.cluster.providers.Provider`.
    """

    def __init__(
        self, api: KubeApi, platform_registry: PlatformRegistry, credentials: Credentials, *, owned: bool
    ) -> None:
        self._api = api
        self._platform_registry = platform_registry
        self._credentials = credentials
        self._owned = owned

    def add(self, url: str, username: str, password: str, *, name: str = "") -> CustomRegistry:
        """Make a registry known to the platform.

        Args:
            url: the value of ``global.custom_registry_url``: without scheme.
            username, password: what nodes log in with.
            name: as the administrator calls it; by default the URL.

        Raises:
            UsageError: it is not a URL of a registry, or another custom registry has this user with another password.
            PlatformError: the environment's registry does not take the login.
        """
        try:
            check_registry(url)
        except ValueError as error:
            raise UsageError(f"{url!r} cannot be the URL of a custom registry", fix=str(error)) from None
        login = Login(username, password)
        REDACTOR.add_given_login(*login)
        for other in self._secrets():
            where = other["metadata"]["annotations"][_URL]
            for known in logins_in(other).values():
                if where != url and known.username == username and known.password != password:
                    raise UsageError(
                        f"the user {username!r} of {url} has another password for {where}",
                        fix="one registry stands in for all custom ones: give the two different users",
                    )
        made = CustomRegistry(name or url, url, make_secret_name(url), self)
        self._api.apply(_pull_secret(made, login))
        try:
            self._admit(login)
        except BaseException:
            made.remove()
            raise
        return made

    def remove(self, registry: CustomRegistry) -> None:
        """See :meth:`CustomRegistry.remove`."""
        self._platform_registry.forget(registry.url)
        try:
            self._api.delete("Secret", SERVICES_NAMESPACE, registry.secret)
        except NotFound:
            return
        self._admit()

    def find_all(self) -> list[CustomRegistry]:
        """Return all of them, sorted by their URLs."""
        found = []
        for secret in self._secrets():
            metadata = secret["metadata"]
            notes = metadata["annotations"]
            found.append(CustomRegistry(notes[_NAME], notes[_URL], metadata["name"], self))
        return sorted(found, key=lambda registry: registry.url)

    def hide_logins(self) -> None:
        """Add the logins of other processes to the redacted credentials."""
        for secret in self._secrets():
            for login in logins_in(secret).values():
                REDACTOR.add_given_login(*login)

    def registry_of(self, source: ExtensionSource, container: Container) -> str:
        """Return the registry of a container's image on this platform."""
        return source_registry.find_registry(source, container, self._platform_registry.name, self._urls())

    def serve(self, references: Iterable[str]) -> None:
        """Serve these references from the platform's registry instead of their own registries."""
        references = list(references)
        for url in self._urls():
            if any(reference.startswith(f"{url}/") for reference in references):
                self._platform_registry.serve(url)

    def _secrets(self) -> list[Manifest]:
        return self._api.list("Secret", SERVICES_NAMESPACE, labels=_LABEL)

    def _urls(self) -> list[str]:
        """Return the URLs of the registries, the longest first: one may be below another."""
        return sorted((registry.url for registry in self.find_all()), key=len, reverse=True)

    def _admit(self, login: Login | None = None) -> None:
        """Allow pulls to the users of all of them, and to no others; return when one of them may."""
        if not self._owned:
            # nodes have the user's own login there
            return
        users = [user for secret in self._secrets() for user in logins_in(secret).values()]
        files = platform_chart.list_registry_users(self._credentials, users)
        encoded = {name: base64.b64encode(text.encode()).decode("ascii") for name, text in files.items()}
        self._api.patch("Secret", SERVICES_NAMESPACE, _USERS, {"data": encoded})
        stamp = {_STAMP: hashlib.sha256(files["pull"].encode()).hexdigest()}
        for pod in self._api.list("Pod", SERVICES_NAMESPACE, labels={"app.kubernetes.io/name": HARNESS_REGISTRY[0]}):
            self._api.patch("Pod", SERVICES_NAMESPACE, pod["metadata"]["name"], {"metadata": {"annotations": stamp}})
        polling = Polling(timeout_s=_TAKEN_S, pause_s=_POLL_S)
        while login is not None and not self._platform_registry.admits(login):
            if not polling.again():
                raise PlatformError(f"the environment's registry did not take a new login within {_TAKEN_S:.0f} s")


def _pull_secret(registry: CustomRegistry, login: Login) -> Manifest:
    auth = base64.b64encode(":".join(login).encode()).decode("ascii")
    entry = {"username": login.username, "password": login.password, "auth": auth}
    config = json.dumps({"auths": {f"https://{registry.url}": entry}})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": registry.secret,
            "namespace": SERVICES_NAMESPACE,
            "labels": _LABEL,
            "annotations": {_URL: registry.url, _NAME: registry.name},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(config.encode()).decode("ascii")},
    }
