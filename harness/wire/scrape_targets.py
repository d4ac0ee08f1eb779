"""Metrics that a pod offered to Prometheus: recorded by the emulated service, collected after a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from harness.wire.fields import select_fitting

POD_LABEL: Final = "kubernetes_pod_uid"


@dataclasses.dataclass(frozen=True)
class ScrapedTarget:
    """One address of a pod.

    Attributes:
        url: that was asked.
        task: the mark of an operator's pod, see :func:`harness.wire.annotations.task_mark`; otherwise empty.
        labels: of the target, as Prometheus gives them.
        attempts: how often it was asked.
        answers: how often it answered with metrics.
        answered_otherwise: it answered, but not with metrics.
        error: the last failure; empty after an answer.
        dropped: points that were too many.
        series: as Prometheus' own API writes a range: ``metric`` and ``values``.
    """

    url: str = ""
    task: str = ""
    labels: dict[str, Any] = dataclasses.field(default_factory=dict)
    attempts: int = 0
    answers: int = 0
    answered_otherwise: bool = False
    error: str = ""
    dropped: int = 0
    series: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    @property
    def pod(self) -> str:
        """UID of the pod."""
        return str(self.labels.get(POD_LABEL, ""))

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ScrapedTarget:
        """Read what :meth:`as_json` returned."""
        return cls(**select_fitting(cls, document))
