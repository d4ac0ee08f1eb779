"""What a run needs of the platform, as Protocols: the real clients live in ``harness.platform``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.wire.fields import Json
from harness.wire.service_refusals import RefusedRequest

if TYPE_CHECKING:
    from harness.common.repositories import HeldRepository
    from harness.kube import KubeApi
    from harness.wire.index_documents import IndexedDocuments
    from harness.wire.notifications import Notification
    from harness.wire.receipts import ReceivedObject
    from harness.wire.records import RunEnd, RunRecord, TaskChange
    from harness.wire.scrape_targets import ScrapedTarget


class ProjectPort(Protocol):
    """A project of the platform (services 9.2)."""

    @property
    def name(self) -> str: ...

    @property
    def bucket(self) -> str: ...

    @property
    def record(self) -> Json: ...

    @property
    def user(self) -> str: ...

    @property
    def password(self) -> str: ...


class ServicesPort(Protocol):
    """The stand-ins' control API, and the platform's backend (runtime 10.1)."""

    def upload_series(self, project: str, dataset: str, archive: Path | bytes) -> Mapping[str, int]:
        """Ingest a zip of DICOM files; number of instances of each series."""
        ...

    def settle(self, timeout_s: float) -> bool:
        """Wait until no peer sends and all received objects are ingested; return whether the services restarted."""
        ...

    def receipts(self, project: str, since: str | None = None) -> list[ReceivedObject]:
        """Return the objects that were received for the project by DIMSE, oldest first."""
        ...

    def receipt_file(self, receipt_id: str) -> bytes:
        """Return the DICOM file of a receipt, as it came over the wire."""
        ...

    def refusals(self, peers: Sequence[str]) -> list[RefusedRequest]:
        """Return the requests that the services and MinIO refused to pods of these addresses, oldest first."""
        ...

    def notifications(self, project: str) -> list[Notification]:
        """Return the notifications to the project's users, the oldest first (services 12.2)."""
        ...

    def documents(self, project: str, after: int | None = None) -> IndexedDocuments:
        """Return the documents of the project's metadata index, after a change if one is given (services 11)."""
        ...

    def scrape_targets(self, project: str) -> list[ScrapedTarget]:
        """Return the scraped metrics of annotated pods of the project (services 15)."""
        ...

    def dags(self, project: ProjectPort) -> list[str]:
        """Return the DAGs that the project's users can choose."""
        ...

    def form_schemas(self, project: ProjectPort, dag_id: str) -> Json:
        """Return the DAG's ``ui_forms`` as the user interface gets them (runtime 10.3); empty if it is hidden."""
        ...

    def start_workflow(self, project: ProjectPort, body: Json) -> Json:
        """POST /client/workflow (runtime 10.2); a refusal is raised as RunError with the platform's words."""
        ...

    def datasets(self, project: ProjectPort) -> list[Json]:
        """GET /client/datasets: ``name`` and ``identifiers`` of each."""
        ...

    def jobs(self, project: ProjectPort, workflow_name: str) -> list[Json]:
        """GET /client/jobs (runtime 10.1)."""
        ...


class AirflowPort(Protocol):
    """The harness's API of Airflow's web server."""

    def run(self, dag_id: str, run_id: str) -> RunRecord: ...

    def events(self, dag_id: str, run_id: str) -> Iterator[TaskChange | RunEnd]: ...

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> str | None: ...

    def abort(self, dag_id: str, run_id: str) -> None: ...


class ObjectStorePort(Protocol):
    """The part of ``minio.Minio`` that collects a run's objects."""

    def list_objects(self, bucket_name: str, *, recursive: bool = False) -> Iterable[Any]: ...

    def get_object(self, bucket_name: str, object_name: str) -> Any: ...


class ClusterPort(Protocol):
    """What interactive steps need of the cluster; see :class:`harness.cluster.base.Cluster`."""

    @property
    def api(self) -> KubeApi: ...

    def address(self, namespace: str, service: str, port: int) -> tuple[str, int]: ...

    def shell(self, namespace: str, pod: str) -> str: ...


class EnvironmentPort(Protocol):
    """The emulated platform, as far as a run is concerned."""

    @property
    def cluster(self) -> ClusterPort: ...

    @property
    def services(self) -> ServicesPort: ...

    @property
    def airflow(self) -> AirflowPort: ...

    @property
    def object_store(self) -> ObjectStorePort: ...

    @property
    def scratch(self) -> Path:
        """A folder of this machine for large temporary data."""


class RegistryPort(Protocol):
    """The platform's registry, as far as messages and findings about images need it."""

    def look_up(self, repository: str) -> HeldRepository:
        """Return the tags of a repository that the registry has, by the full name."""
        ...

    def digests(self, reference: str) -> frozenset[str]:
        """Return the digests by which engines know the image that nodes would pull; empty without such an image."""
        ...


class ImagePort(Protocol):
    """One image of an extension; :class:`harness.platform.delivery.PodImage` is one."""

    @property
    def reference(self) -> str:
        """Under which pods pull it."""

    @property
    def origin(self) -> str:
        """Where its bytes come from."""

    @property
    def config_digest(self) -> str:
        """Digest of its configuration."""

    @property
    def layers(self) -> Sequence[str]:
        """Digests of its uncompressed layers."""

    @property
    def replaced(self) -> Sequence[str]:
        """What was put in place of bases and URLs of its Dockerfile."""
