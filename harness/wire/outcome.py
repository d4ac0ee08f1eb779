"""The outcome of one attempt of a task: what its operator publishes about the pod, and the host explains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from harness.wire.fields import select_fitting
from harness.wire.name_lookups import UnresolvedName
from harness.wire.pulls import PullRefusal

XCOM_KEY: Final = "harness_outcome"
"""Key of the XCom of the task instance that has it."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One attempt. Times are ISO 8601 UTC as Kubernetes writes them.

    Attributes:
        reason: one of :mod:`harness.wire.reasons`, or another one of Kubernetes or of an error of the harness.
        message: in words.
        exit_code: of the container, if it ended itself.
        image: reference of the container's image.
        pod: its name.
        pod_ip: its address.
        pod_ips: its addresses on all of its networks.
        namespace: of the pod.
        started: when the container started.
        finished: when it ended.
        max_memory_bytes: the highest use that was measured.
        memory_limit_bytes: limit of the container.
        memory_request_bytes: the operator's request.
        written_bytes: the container's bytes outside of its volumes.
        log_tail: the last lines of its log.
        arguments: those that the author gave and that releases treat differently.
        overridden_env: the variables that a form value took over.
        branch: the code of a branch has seen the data of the run.
        has_input: the container knows OPERATOR_IN_DIR.
        gpu_forgotten: the operator asked for a GPU, but the platform has none.
        always_pulled: the release always asks the registry for every image.
        refusal: the registry wanted another login for the image than the pull secrets have.
        unreached: the registry of the image did not answer.
        timeout_s: the ``execution_timeout`` that was exceeded.
        low_disk: it was evicted because the disk ran full.
        reads: the output folders of other operators that this one reads.
        writes: its own output folder.
        unresolved: names that the pod asked for and that do not exist.
    """

    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    image: str = ""
    pod: str = ""
    pod_ip: str | None = None
    pod_ips: list[str] = dataclasses.field(default_factory=list)
    namespace: str = ""
    started: str | None = None
    finished: str | None = None
    max_memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    memory_request_bytes: int | None = None
    written_bytes: int | None = None
    log_tail: list[str] = dataclasses.field(default_factory=list)
    arguments: list[str] = dataclasses.field(default_factory=list)
    overridden_env: list[str] = dataclasses.field(default_factory=list)
    branch: bool = False
    has_input: bool = True
    gpu_forgotten: bool = False
    always_pulled: bool = False
    refusal: PullRefusal | None = None
    unreached: bool = False
    timeout_s: float | None = None
    low_disk: bool = False
    reads: list[str] = dataclasses.field(default_factory=list)
    writes: str = ""
    unresolved: tuple[UnresolvedName, ...] = ()

    @property
    def addresses(self) -> list[str]:
        """The addresses that the pod had, on all of its networks."""
        return list(dict.fromkeys(ip for ip in (self.pod_ip, *self.pod_ips) if ip))

    def as_json(self) -> dict[str, Any]:
        """Return the value of the XCom."""
        return {
            **dataclasses.asdict(self),
            "refusal": self.refusal.as_json() if self.refusal else None,
            "unresolved": [name.as_json() for name in self.unresolved],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Outcome:
        """Read the result of :meth:`as_json`, without foreign keys."""
        values = select_fitting(cls, document)
        try:
            if document.get("refusal"):
                values["refusal"] = PullRefusal.from_json(document["refusal"])
            values["unresolved"] = tuple(UnresolvedName.from_json(name) for name in document.get("unresolved") or ())
        except (KeyError, TypeError, ValueError, AttributeError):
            pass
        return cls(**values)


def read_published(value: object) -> Outcome | None:
    """Return the outcome in a task's XCom; ``None`` for other values."""
    return Outcome.from_json(value) if isinstance(value, dict) and value else None
