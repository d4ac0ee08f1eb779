"""Pull secrets: find the login that a node uses for an image, or why none of a pod's secrets opens its registry.

The rules are those of the kubelet. The control plane of the docker cluster follows them; the host and Airflow explain
with them what another kubelet has done.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from harness.kube.client import KubeApi
from harness.kube.errors import NotFound
from harness.kube.manifest import Manifest
from harness.wire.images import DOCKER_HUB, host_of
from harness.wire.names import SECRET_REGISTRY
from harness.wire.pulls import PullRefusal, SecretVerdict

_CONFIG = ".dockerconfigjson"
_LEGACY = ".dockercfg"
ADVICE = (
    "name a pull secret of the pod's namespace that has a login for this registry: "
    f"{SECRET_REGISTRY} is for the platform's own, the secret of the application New Registry exists in the namespace "
    "services only"
)
"""What an author can do about a refused pull (build 13)."""


class Login(NamedTuple):
    """The login of a registry. Its password is not shown."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.username!r}, ...)"

    @property
    def basic(self) -> str:
        """The header ``Authorization``."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")


@dataclasses.dataclass(frozen=True)
class PullSecret:
    """A pull secret of a pod, from the point of view of one image.

    Attributes:
        name: of the Secret in the pod's namespace.
        exists: whether there is such a Secret.
        registries: those with a login in it, by its names.
        logins: those among them that fit the image, the most specific first.
    """

    name: str
    exists: bool = True
    registries: tuple[str, ...] = ()
    logins: tuple[Login, ...] = ()

    @property
    def verdict(self) -> SecretVerdict:
        """Why it was of no use, given that the registry refused the pull."""
        if not self.exists:
            return SecretVerdict.MISSING
        return SecretVerdict.REFUSED if self.logins else SecretVerdict.ELSEWHERE


def names_of(pod: Manifest) -> list[str]:
    """Return the pull secrets that a pod names; those of its service account were added when it was admitted."""
    return [str(entry.get("name", "")) for entry in pod["spec"].get("imagePullSecrets") or ()]


def examine(pod: Manifest, image: str, find: Callable[[str, str], Manifest | None]) -> list[PullSecret]:
    """Return all pull secrets of a pod, with the logins that fit an image.

    Args:
        find: the Secret of a namespace and a name, or ``None``.
    """
    namespace = pod["metadata"]["namespace"]
    found = []
    for name in names_of(pod):
        secret = find(namespace, name)
        if secret is None:
            found.append(PullSecret(name, exists=False))
            continue
        known = logins_in(secret)
        fitting = sorted((key for key in known if _fits(key, image)), reverse=True)
        found.append(PullSecret(name, True, tuple(map(_show, known)), tuple(known[key] for key in fitting)))
    return found


def refusal_of(image: str, secrets: Iterable[PullSecret]) -> PullRefusal:
    """Return the refusal of a pull that tried these secrets."""
    return PullRefusal(image, tuple((secret.name, secret.verdict, secret.registries) for secret in secrets))


def refusal(api: KubeApi, pod: Manifest, image: str) -> PullRefusal:
    """Return why none of a pod's secrets opened the registry of an image, seen through the API.

    Raises:
        ApiError: the secrets cannot be read.
    """

    def find(namespace: str, name: str) -> Manifest | None:
        try:
            return api.get("Secret", namespace, name)
        except NotFound:
            return None

    return refusal_of(image, examine(pod, image, find))


def logins_in(secret: Manifest) -> dict[str, Login]:
    """Return the logins of a Secret by its names of registries, without unreadable ones, as a kubelet does."""
    data = secret.get("data") or {}
    try:
        document = json.loads(base64.b64decode(data.get(_CONFIG) or data.get(_LEGACY) or ""))
        entries = (document.get("auths") or {}) if data.get(_CONFIG) else document
        return {str(key): login for key, entry in entries.items() if (login := _login(entry))}
    except (ValueError, AttributeError, RecursionError):
        return {}


def _login(entry: Any) -> Login | None:
    if not isinstance(entry, dict):
        return None
    try:
        username, colon, password = base64.b64decode(str(entry.get("auth") or "")).decode().partition(":")
        if not colon:
            username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
        login = Login(username, password)
        # JSON has halves of characters, which no header takes
        return login if (colon or username) and login.basic else None
    except ValueError:
        return None


def _show(key: str) -> str:
    return key.split("://", 1)[-1].rstrip("/")


def _fits(key: str, image: str) -> bool:
    """Return whether a registry fits: parts of the host may be patterns, the port is equal, the path is a prefix."""
    host = host_of(image) or DOCKER_HUB
    try:
        wanted, given = urlsplit(key if "://" in key else f"https://{key}"), urlsplit(f"https://{host}")
        ports = wanted.port, given.port
    except ValueError:
        return False
    path = wanted.path[3:] if wanted.path.startswith(("/v1/", "/v2/")) else wanted.path
    rest = image.partition("/")[2] if image.startswith(f"{host}/") else image
    patterns, parts = (wanted.hostname or "").split("."), (given.hostname or "").split(".")
    return (
        ports[0] == ports[1]
        and len(patterns) == len(parts)
        and all(fnmatchcase(part, pattern) for part, pattern in zip(parts, patterns, strict=True))
        and f"/{rest}".startswith(path.rstrip("/") or "/")
    )
