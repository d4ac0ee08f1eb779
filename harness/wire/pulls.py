"""A pull that failed: recorded beside the pod, explained to the author on the host."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from typing import Any, Final

from harness.wire.images import DOCKER_HUB, host_of

ANNOTATION: Final = "kaapana-harness/pull-problems"
"""On a pod of the docker cluster: why the images of its containers could not be pulled, a JSON object by container."""


class PullProblem(str, enum.Enum):
    """Why an image could not be pulled, as far as it decides what an author can do."""

    UNAUTHORIZED = "unauthorized"
    UNREACHED = "unreached"
    OTHER = "other"


def annotate_problems(problems: Mapping[str, PullProblem]) -> dict[str, str]:
    """Return the annotations of a pod with these problems, by container."""
    return {ANNOTATION: json.dumps({name: problem.value for name, problem in problems.items()})} if problems else {}


def read_problem(annotations: Mapping[str, str], container: str) -> PullProblem | None:
    """Return the problem that a pod's annotations have for a container; ``None`` on nodes that publish none."""
    try:
        return PullProblem(json.loads(annotations[ANNOTATION])[container])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


class SecretVerdict(str, enum.Enum):
    """The problem of a pull secret, for an image whose registry refused the pull."""

    MISSING = "missing"
    ELSEWHERE = "elsewhere"
    REFUSED = "refused"


@dataclasses.dataclass(frozen=True)
class PullRefusal:
    """A pull that the registry refused, with the problem of each secret of the pod.

    Attributes:
        image: the reference.
        secrets: name, verdict, and for :attr:`Verdict.ELSEWHERE` the registries that the secret is for.
    """

    image: str
    secrets: tuple[tuple[str, SecretVerdict, tuple[str, ...]], ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PullRefusal:
        """Return the opposite of :meth:`as_json`."""
        secrets = tuple((str(name), SecretVerdict(verdict), tuple(where)) for name, verdict, where in value["secrets"])
        return cls(str(value["image"]), secrets)

    def as_json(self) -> dict[str, Any]:
        """Return the refusal as JSON, for a task's record."""
        return {"image": self.image, "secrets": [[name, str(v.value), list(r)] for name, v, r in self.secrets]}

    @property
    def host(self) -> str:
        """Host of the registry."""
        return host_of(self.image) or DOCKER_HUB

    @property
    def verdicts(self) -> str:
        """All secrets with their verdicts, in one line."""
        words = {SecretVerdict.MISSING: "does not exist", SecretVerdict.REFUSED: "its login is refused"}
        return ", ".join(
            f"{name} ({words.get(verdict) or _describe_logins(registries)})"
            for name, verdict, registries in self.secrets
        )

    @property
    def summary(self) -> str:
        """The first line for an author: the image, and the secret that is wrong, missing or for another registry."""
        start = f"image {self.image} cannot be pulled: unauthorized"
        if not self.secrets:
            return f"{start}: {self.host} needs a login, and the pod names no pull secret"
        parts = []
        # a login that was refused is nearer to the cause than a secret for another registry
        for name, verdict, registries in sorted(self.secrets, key=lambda entry: entry[1] is not SecretVerdict.REFUSED):
            if verdict is SecretVerdict.REFUSED:
                parts.append(f"{self.host} refuses the login of pull secret {name}")
            elif verdict is SecretVerdict.MISSING:
                parts.append(f"pull secret {name} does not exist")
            else:
                parts.append(f"pull secret {name} {_describe_logins(registries)}, not for {self.host}")
        return f"{start}: {'; '.join(parts)}"


def _describe_logins(registries: tuple[str, ...]) -> str:
    return f"is for {', '.join(registries)}" if registries else "has no login"
