"""From the image reference of a pod to an image of the engine, by the rules of a node that is not this machine.

Other images that the engine built or pulled do not count: an image is on the node because
it was provided or imported, because the environment's registry has it, or because the engine can pull it.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.incluster.controlplane.engine import Engine, EngineCallError
from harness.incluster.controlplane.http import Reply
from harness.incluster.controlplane.registry import Registry
from harness.kube.node_messages import find_pull_problem
from harness.kube.pullsecrets import Login, PullSecret, refusal_of
from harness.wire import reasons
from harness.wire.images import match_reference
from harness.wire.pulls import PullProblem


class PullError(Exception):
    """An image cannot be obtained; ``reason`` as the waiting reason of a container."""

    def __init__(self, reason: str, message: str, problem: PullProblem = PullProblem.OTHER) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.problem = problem


class Images:
    """The images of the node."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # by reference; provided ones also count as "in a registry", for every pull policy
        self.provided: dict[str, str] = {}
        self.imported: dict[str, str] = {}
        self._commands: dict[str, Sequence[str]] = {}
        self.registry = Registry()

    @property
    def node(self) -> dict[str, str]:
        """Everything that is on the node, by reference."""
        return {**self.imported, **self.provided}

    def provide(self, images: Mapping[str, str], commands: Mapping[str, Sequence[str]]) -> None:
        """Make images of the engine available on the node.

        Args:
            images: reference to the engine's id.
            commands: what takes the place of an image's own command under a reference.
        """
        self.provided.update(images)
        for reference in images:
            self._commands[reference] = commands.get(reference, ())

    def command_of(self, reference: str) -> Sequence[str]:
        """Return the command that replaces that of an image, by the pod's reference; empty for the image's own."""
        return self._commands.get(_with_tag(reference), ())

    async def resolve(self, reference: str, policy: str | None, secrets: Sequence[PullSecret] = ()) -> str:
        """Return the engine's id of the image.

        Args:
            reference: as the pod has it.
            policy: the pod's pull policy.
            secrets: the pod's pull secrets; images on the node need none.

        Raises:
            PullError: reason ``InvalidImageName``, ``ErrImagePull`` or ``ErrImageNeverPull``.
        """
        match = match_reference(reference)
        if not match:
            raise PullError(
                reasons.IMAGE_NAME,
                f'Failed to apply default image tag "{reference}": couldn\'t parse image reference "{reference}":'
                " invalid reference format",
            )
        tag, digest = match["tag"], match["digest"]
        full = _with_tag(reference)
        policy = policy or ("Always" if not digest and tag in (None, "latest") else "IfNotPresent")
        if image := self.provided.get(full):
            return image
        if policy != "Always" and (image := self.imported.get(full)):
            return image
        if policy == "Never":
            raise PullError(
                reasons.IMAGE_NEVER_PULL, f'Container image "{reference}" is not present with pull policy of Never'
            )
        pull = _Pull(reference, secrets)
        served = self.registry.find(full)
        if served is None:
            return await self._pull(full, pull)
        if served.login:
            pull.logins.append(served.login)
        path = served.place(full)
        cut = path.rindex("@") if digest else path.rindex(":")
        return await self._from_registry(pull, path[:cut], path[cut + 1 :])

    async def _from_registry(self, pull: _Pull, repository: str, tag: str) -> str:
        reply = await self._ask(pull, f"/v2/{repository}/manifests/{tag}")
        if reply.status == 404:
            raise pull.error("not found")
        if reply.status == 401:
            raise pull.unauthorized_error()
        if reply.status != 200:
            text = reply.body[:200].decode("utf-8", "replace")
            raise pull.error(f"the registry says {reply.status}: {text}")
        # the image may have been built by this very engine: then nothing has to be moved. Its id is the digest of the
        # configuration, or with a containerd store that of the manifest
        config = (reply.json().get("config") or {}).get("digest")
        for known in (config, reply.headers.get("docker-content-digest")):
            if known and (image := await self._present(known)):
                return image
        mark = "@" if tag.startswith("sha256:") else ":"
        return await self._pull(f"{self.registry.address}/{repository}{mark}{tag}", pull)

    async def _ask(self, pull: _Pull, path: str) -> Reply:
        try:
            return await self.registry.ask(path, pull.logins)
        except OSError as error:
            raise pull.error(f"the registry does not answer: {error}", PullProblem.UNREACHED) from None

    async def _present(self, image: str) -> str | None:
        try:
            record: dict[str, Any] = await self._engine.call("GET", f"/images/{image}/json")
        except EngineCallError as problem:
            if problem.status == 404:
                return None
            raise
        return str(record["Id"])

    async def _pull(self, full: str, pull: _Pull) -> str:
        """Pull an image with each login that fits; return the engine's message when it cannot."""
        problem = ""
        tried: Sequence[Login | None] = pull.logins or [None]
        for login in tried:
            problem = await self._try(full, login)
            if not problem:
                break
        if problem:
            # an engine that is refused says it in many ways, and never which login it had
            kind = find_pull_problem(problem)
            unauthorized = kind is PullProblem.UNAUTHORIZED
            raise pull.unauthorized_error(problem) if unauthorized else pull.error(problem, kind)
        image = await self._present(full)
        if image is None:
            raise pull.error("the engine pulled it but does not have it")
        return image

    async def _try(self, full: str, login: Login | None) -> str:
        """Pull by the engine; return its message if it fails."""
        headers = {"X-Registry-Auth": _for_engine(login)} if login else {}
        try:
            chunks = self._engine.stream("POST", "/images/create", query={"fromImage": full}, headers=headers)
            async with contextlib.aclosing(chunks):
                text = b"".join([chunk async for chunk in chunks])
        except EngineCallError as problem:
            return problem.message
        for line in text.splitlines():
            if line.strip() and (error := json.loads(line).get("error")):
                return str(error)
        return ""


class _Pull:
    """One attempt to get an image, and the error of one that failed."""

    def __init__(self, reference: str, secrets: Sequence[PullSecret]) -> None:
        self.logins = [login for secret in secrets for login in secret.logins]
        self._reference = reference
        self._refusal = refusal_of(reference, secrets)

    def error(self, text: str, problem: PullProblem = PullProblem.OTHER) -> PullError:
        return PullError(reasons.IMAGE_PULL, f'failed to pull "{self._reference}": {text}', problem)

    def unauthorized_error(self, text: str = "") -> PullError:
        """Explain that the registry needs another login.

        Args:
            text: of the engine, if it was that which asked.
        """
        host = self._refusal.host
        why = f"{host} refuses the login" if self.logins else f"no login for {host}"
        tried = f"pull secrets of the pod: {self._refusal.verdicts or 'none'}"
        message = f"unauthorized: {why}; {tried}" + (f"; {text}" if text else "")
        return self.error(message, PullProblem.UNAUTHORIZED)


def _with_tag(reference: str) -> str:
    match = match_reference(reference)
    return f"{reference}:latest" if match and not (match["tag"] or match["digest"]) else reference


def _for_engine(login: Login) -> str:
    document = json.dumps({"username": login.username, "password": login.password})
    return base64.urlsafe_b64encode(document.encode()).decode("ascii")
