"""From the image reference of a pod to an image of the engine, by the rules of a node that is not this machine.

What the engine happens to have built or pulled for somebody else does not count: an image is on the node because
it was provided or imported, because the environment's registry has it, or because the engine can pull it.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

from harness.cluster.docker.server.engine import Engine, EngineCallError
from harness.cluster.docker.server.http import Reply, fetch

_DOMAIN = r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?)(?::[0-9]+)?"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<domain>{_DOMAIN})/)??(?P<path>{_PATH}(?:/{_PATH})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_ACCEPT = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)
_REGISTRY_S = 10.0
_LISTED = 20


class PullError(Exception):
    """An image cannot be had; ``reason`` as the waiting reason of a container."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Images:
    """The images of the node."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # by reference; provided ones count as "in a registry" too, whatever the pull policy
        self.provided: dict[str, str] = {}
        self.imported: dict[str, str] = {}
        self.registry_address = ""
        self.registry_internal = ""

    @property
    def node(self) -> dict[str, str]:
        """Everything that is on the node, by reference."""
        return {**self.imported, **self.provided}

    async def resolve(self, reference: str, policy: str | None) -> str:
        """The engine's id of the image.

        Raises:
            PullError: reason ``InvalidImageName``, ``ErrImagePull`` or ``ErrImageNeverPull``.
        """
        match = _REFERENCE.fullmatch(reference)
        if not match:
            raise PullError(
                "InvalidImageName",
                f'Failed to apply default image tag "{reference}": couldn\'t parse image reference "{reference}":'
                " invalid reference format",
            )
        tag, digest = match["tag"], match["digest"]
        full = reference if tag or digest else f"{reference}:latest"
        policy = policy or ("Always" if not digest and tag in (None, "latest") else "IfNotPresent")
        if image := self.provided.get(full):
            return image
        if policy != "Always" and (image := self.imported.get(full)):
            return image
        if policy == "Never":
            raise PullError(
                "ErrImageNeverPull", f'Container image "{reference}" is not present with pull policy of Never'
            )
        if self.registry_address and full.startswith(f"{self.registry_address}/"):
            path = full[len(self.registry_address) + 1 :]
            cut = path.rindex("@") if digest else path.rindex(":")
            return await self._from_registry(reference, path[:cut], path[cut + 1 :])
        return await self._pull(full, reference)

    async def _from_registry(self, reference: str, repository: str, tag: str) -> str:
        reply = await self._ask(reference, f"/v2/{repository}/manifests/{tag}")
        if reply.status == 404:
            raise PullError("ErrImagePull", await self._missing(reference, repository, tag))
        if reply.status != 200:
            text = reply.body[:200].decode("utf-8", "replace")
            raise PullError("ErrImagePull", f'failed to pull "{reference}": the registry says {reply.status}: {text}')
        # the image may have been built by this very engine: then nothing has to be moved
        config = (reply.json().get("config") or {}).get("digest")
        if config and (image := await self._present(config)):
            return image
        return await self._pull(reference, reference)

    async def _missing(self, reference: str, repository: str, tag: str) -> str:
        """What an author has to know: what the registry has instead."""
        start = f'failed to pull "{reference}": not found'
        tags = await self._ask(reference, f"/v2/{repository}/tags/list")
        names = (tags.json().get("tags") or []) if tags.status == 200 else []
        if names:
            return f"{start}: no tag {tag}; tags of {repository}: {_listed(names)}"
        catalogue = await self._ask(reference, "/v2/_catalog?n=1000")
        names = (catalogue.json().get("repositories") or []) if catalogue.status == 200 else []
        return f"{start}: no repository {repository}; the registry has: {_listed(names) if names else 'nothing'}"

    async def _ask(self, reference: str, path: str) -> Reply:
        try:
            return await fetch("GET", self.registry_internal + path, headers={"Accept": _ACCEPT}, timeout_s=_REGISTRY_S)
        except OSError as error:
            raise PullError(
                "ErrImagePull", f'failed to pull "{reference}": the registry does not answer: {error}'
            ) from None

    async def _present(self, image: str) -> str | None:
        try:
            record: dict[str, Any] = await self._engine.call("GET", f"/images/{image}/json")
        except EngineCallError as problem:
            if problem.status == 404:
                return None
            raise
        return str(record["Id"])

    async def _pull(self, full: str, reference: str) -> str:
        """Let the engine pull; its text when it cannot."""
        try:
            chunks = self._engine.stream("POST", "/images/create", query={"fromImage": full})
            async with contextlib.aclosing(chunks):
                text = b"".join([chunk async for chunk in chunks])
            for line in text.splitlines():
                if line.strip() and (error := json.loads(line).get("error")):
                    raise PullError("ErrImagePull", f'failed to pull "{reference}": {error}')
        except EngineCallError as problem:
            raise PullError("ErrImagePull", f'failed to pull "{reference}": {problem.message}') from None
        image = await self._present(full)
        if image is None:
            raise PullError("ErrImagePull", f'failed to pull "{reference}": the engine pulled it and has it not')
        return image


def _listed(names: list[str]) -> str:
    names = sorted(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
