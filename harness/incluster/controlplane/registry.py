"""The environment's registry as a node asks it: with the logins of a pod, and under every name that it serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.incluster.controlplane.http import Reply, fetch
from harness.kube.pullsecrets import Login
from harness.wire.images import MANIFEST_TYPES

_REGISTRY_S = 10.0


class ServedName(NamedTuple):
    """A registry name with images in this registry.

    Attributes:
        prefix: of its host's repositories here; empty for the registry's own name.
        login: for pods without one; ``None``: they need one.
    """

    prefix: str
    login: Login | None = None

    def place(self, reference: str) -> str:
        """Return the reference as this registry knows it, without a host."""
        _, _, rest = reference.partition("/")
        return f"{self.prefix}/{rest}" if self.prefix else rest


class Registry:
    """Where the images of some names really are.

    Attributes:
        address: ``host:port`` in references, by which the engine also reaches it; empty until it exists.
        internal: URL of its API, for this process.
        served: further names, ``host[:port]`` or with a path behind it.
    """

    def __init__(self) -> None:
        self.address = ""
        self.internal = ""
        self.served: dict[str, ServedName] = {}

    def find(self, reference: str) -> ServedName | None:
        """Return the name under which this registry has an image; ``None`` for an image of another registry."""
        if not self.address:
            return None
        if reference.startswith(f"{self.address}/"):
            return ServedName("")
        return next((entry for name, entry in self.served.items() if reference.startswith(f"{name}/")), None)

    async def ask(self, path: str, logins: Sequence[Login]) -> Reply:
        """Return the answer to the first accepted login, or to the last one; without logins ask anonymously.

        Raises:
            OSError: no answer.
        """
        reply = None
        tried: Sequence[Login | None] = logins or [None]
        for login in tried:
            headers = {"Accept": ", ".join(MANIFEST_TYPES), **({"Authorization": login.basic} if login else {})}
            reply = await fetch("GET", self.internal + path, headers=headers, timeout_s=_REGISTRY_S)
            if reply.status != 401:
                break
        assert reply is not None
        return reply
