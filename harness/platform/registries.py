"""Custom registries, as the application "New Registry" makes them known to the platform (build 13)."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from harness.common.polling import Polling
from harness.common.redaction import REDACTOR
from harness.errors import EnvironmentError_, UsageError
from harness.kube import NotFound
from harness.kube.pullsecrets import Login, logins_in
from harness.platform import platform_chart, source_registry
from harness.settings.values import registry as check_registry
from harness.wire.names import HARNESS_REGISTRY, SECRET_REGISTRY, SERVICES_NAMESPACE

if TYPE_CHECKING:
    from harness.extension import Container, ExtensionSource
    from harness.kube import Manifest
    from harness.platform.environment import Environment

_LABEL = {"kaapana-harness/registry": "custom"}
_URL = "kaapana-harness/registry-url"
_NAME = "kaapana-harness/registry-name"
_USERS = "harness-registry-users"
# a kubelet brings the files of a Secret up to date about once a minute, and at once when the pod changes
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
    environment: Environment = dataclasses.field(repr=False, compare=False)

    def __enter__(self) -> CustomRegistry:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the pull secret, and let the login open nothing any more. What is gone already is fine."""
        self.environment.platform_registry.forget(self.url)
        try:
            self.environment.cluster.api.delete("Secret", SERVICES_NAMESPACE, self.secret)
        except NotFound:
            return
        _admit(self.environment)


def secret_of(url: str) -> str:
    """The name of a custom registry's pull secret, as charts derive it from ``custom_registry_url`` (build 7.1)."""
    return f"{SECRET_REGISTRY}-{hashlib.sha256(url.encode()).hexdigest()[:4]}"


def add(environment: Environment, url: str, username: str, password: str, *, name: str = "") -> CustomRegistry:
    """Make a registry known to the platform.

    Args:
        url: the value of ``global.custom_registry_url``: without scheme.
        username, password: what nodes log in with.
        name: as the administrator calls it; by default the URL.

    Raises:
        UsageError: it is not a URL of a registry, or another custom registry has this user with another password.
        EnvironmentError_: the environment's registry does not take the login.
    """
    try:
        check_registry(url)
    except ValueError as error:
        raise UsageError(f"{url!r} cannot be the URL of a custom registry", fix=str(error)) from None
    login = Login(username, password)
    REDACTOR.add_login(*login)
    for other in _secrets(environment):
        where = other["metadata"]["annotations"][_URL]
        for known in logins_in(other).values():
            if where != url and known.username == username and known.password != password:
                raise UsageError(
                    f"the user {username!r} of {url} has another password for {where}",
                    fix="one registry stands in for all custom ones: give the two different users",
                )
    auth = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
    config = {"auths": {f"https://{url}": {"username": username, "password": password, "auth": auth}}}
    made = CustomRegistry(name or url, url, secret_of(url), environment)
    metadata = {
        "name": made.secret,
        "namespace": SERVICES_NAMESPACE,
        "labels": _LABEL,
        "annotations": {_URL: url, _NAME: made.name},
    }
    manifest: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode("ascii")},
    }
    environment.cluster.api.apply(manifest)
    try:
        _admit(environment, login)
    except BaseException:
        made.remove()
        raise
    return made


def find_all(environment: Environment) -> list[CustomRegistry]:
    """Return the registries that were added to a platform, sorted by their URLs."""
    found = []
    for secret in _secrets(environment):
        metadata = secret["metadata"]
        notes = metadata["annotations"]
        found.append(CustomRegistry(notes[_NAME], notes[_URL], metadata["name"], environment))
    return sorted(found, key=lambda registry: registry.url)


def hide_logins(environment: Environment) -> None:
    """Let no login of a custom registry show that another process has added to an environment."""
    for secret in _secrets(environment):
        for login in logins_in(secret).values():
            REDACTOR.add_login(*login)


def registry_of(environment: Environment, source: ExtensionSource, container: Container) -> str:
    """Return the registry of a container's image on a platform with the registries that were added to it."""
    return source_registry.of(source, container, environment.registry, _urls(environment))


def serve(environment: Environment, references: Iterable[str]) -> None:
    """Let the environment's registry stand in for the added registries that these references lie in."""
    references = list(references)
    for url in _urls(environment):
        if any(reference.startswith(f"{url}/") for reference in references):
            environment.platform_registry.serve(url)


def _secrets(environment: Environment) -> list[Manifest]:
    return environment.cluster.api.list("Secret", SERVICES_NAMESPACE, labels=_LABEL)


def _urls(environment: Environment) -> list[str]:
    """Return the added registries, the longest first: one may be below another."""
    return sorted((registry.url for registry in find_all(environment)), key=len, reverse=True)


def _admit(environment: Environment, login: Login | None = None) -> None:
    """Let the users of all added registries pull, and nobody else; return when one of them may."""
    if not environment.provider.owns_registry:
        # nodes have the user's own login there
        return
    api = environment.cluster.api
    users = [user for secret in _secrets(environment) for user in logins_in(secret).values()]
    files = platform_chart.registry_users(environment.credentials, users)
    encoded = {name: base64.b64encode(text.encode()).decode("ascii") for name, text in files.items()}
    api.patch("Secret", SERVICES_NAMESPACE, _USERS, {"data": encoded})
    stamp = {"metadata": {"annotations": {"kaapana-harness/users": hashlib.sha256(files["pull"].encode()).hexdigest()}}}
    for pod in api.list("Pod", SERVICES_NAMESPACE, labels={"app.kubernetes.io/name": HARNESS_REGISTRY[0]}):
        api.patch("Pod", SERVICES_NAMESPACE, pod["metadata"]["name"], stamp)
    polling = Polling(timeout_s=_TAKEN_S, pause_s=_POLL_S)
    while login is not None and not environment.platform_registry.admits(login):
        if not polling.again():
            raise EnvironmentError_(f"the environment's registry did not take a new login within {_TAKEN_S:.0f} s")
