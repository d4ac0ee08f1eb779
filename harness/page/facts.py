"""What the page shows, as plain values."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from harness.findings import Finding
from harness.wire.receipts import ReceivedObject
from harness.wire.scrape_targets import ScrapedTarget
from harness.wire.service_refusals import RefusedRequest

ENDED: Final = frozenset({"finished", "failed", "deleted", "success"})
"""States of a run, as the backend and Airflow call them, after which nothing happens in it."""


@dataclasses.dataclass(frozen=True)
class ShownEnvironment:
    """The environment itself."""

    id: str
    cluster: str
    platform: str
    started: str


@dataclasses.dataclass(frozen=True)
class ShownExtension:
    """A Helm release.

    Attributes:
        status: Helm's.
        dags: all that it brings; those that users can choose are in ``visible``.
        findings: what its author should know although it is installed.
    """

    name: str
    version: str
    status: str
    dags: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclasses.dataclass(frozen=True)
class ShownProject:
    """A project with its software: the DAGs that its users can start."""

    name: str
    namespace: str
    ae_title: str
    software: tuple[str, ...]
    datasets: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ShownRun:
    """A job of the backend.

    Attributes:
        run_id: empty while it has no DAG run.
        state: the backend's.
        conf: what it was started with.
        error: why it has no run.
    """

    dag_id: str
    run_id: str
    workflow: str
    project: str
    state: str
    created: str
    conf: dict[str, Any] = dataclasses.field(default_factory=dict)
    error: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing happens in it any more."""
        return self.state in ENDED


@dataclasses.dataclass(frozen=True)
class ShownSeries:
    """A series that the receiver took.

    Attributes:
        receipts: of its objects, in the order in which they came.
    """

    project: str
    uid: str
    kind: str
    calling_ae: str
    called_ae: str
    received: str
    receipts: tuple[ReceivedObject, ...]

    @property
    def errors(self) -> tuple[str, ...]:
        """Why objects did not get through ingestion."""
        return tuple(dict.fromkeys(receipt.error for receipt in self.receipts if receipt.error))


@dataclasses.dataclass(frozen=True)
class ListedResult:
    """A document of the platform's results page; ``key`` is that of the object in the project's bucket."""

    project: str
    key: str


@dataclasses.dataclass(frozen=True)
class ShownMetrics:
    """An address of a pod that Prometheus asks."""

    project: str
    task: str
    target: ScrapedTarget


@dataclasses.dataclass(frozen=True)
class ShownRefusal:
    """A request that a service refused to a task; ``moment`` is ISO 8601."""

    dag_id: str
    run_id: str
    task_id: str
    moment: str
    request: RefusedRequest
