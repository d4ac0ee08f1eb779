"""The emulated services of one environment and their common state; nothing here listens on a port."""

from __future__ import annotations

import os

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from harness.incluster.services.access.directory import Directory, ProjectRecord
from harness.incluster.services.access.routes import AccessRoutes
from harness.incluster.services.backend import Backend
from harness.incluster.services.backend.airflow import Airflow
from harness.incluster.services.backend.datasets import Datasets
from harness.incluster.services.backend.workflows import Workflows
from harness.incluster.services.config import ServicesConfig
from harness.incluster.services.dicom.archive import Archive
from harness.incluster.services.dicom.dicomfile import DicomError
from harness.incluster.services.dicom.dicomweb import DicomWebFilter
from harness.incluster.services.dicom.dicomweb.multipart import receive_parts
from harness.incluster.services.dicom.inbox import Inbox
from harness.incluster.services.dicom.ingest import Ingestion
from harness.incluster.services.dicom.mappings import Mappings
from harness.incluster.services.dicom.receipts import Receipts
from harness.incluster.services.dicom.receiver import Receiver, remove_tree, store_files
from harness.incluster.services.identity.jwt import Signer
from harness.incluster.services.identity.routes import Identity
from harness.incluster.services.kubehelm.routes import KubeHelm
from harness.incluster.services.metrics.collector import Metrics
from harness.incluster.services.notifications.routes import Notifications
from harness.incluster.services.objectstore import BucketStore, MinioStore, Provisioner
from harness.incluster.services.objectwatch import ObjectWatch
from harness.incluster.services.records import Records, RecordTable
from harness.incluster.services.refusals import RefusalLog
from harness.incluster.services.search.indices import Indices
from harness.incluster.services.search.routes import Metadata
from harness.incluster.services.web import application, error
from harness.wire import names


class Services:
    """The emulated services of one environment.

    Args:
        config: see there.
        store: the object store; the real MinIO except in tests.
    """

    def __init__(self, config: ServicesConfig, store: BucketStore | None = None) -> None:
        self.config = config
        self._clear_scratch()
        self.records = records = Records(config.data_dir / "records.sqlite")
        self.starts = self._count_start()
        self.directory = Directory(
            system_password=config.system_password, user_password=config.user_password, records=records
        )
        self.identity = Identity(
            self.directory, Signer(records), issuer=config.issuer, client_secret=config.client_secret
        )
        self.store = store or MinioStore(config.minio_endpoint, config.minio_user, config.minio_password)
        self.provisioner = Provisioner(self.store, self.directory.admin)
        self.refusals = RefusalLog()
        self.object_watch = ObjectWatch(self.store, self.refusals)
        self.archive = Archive(config.data_dir / "archive", records)
        self.mappings, self.indices, self.datasets = Mappings(records), Indices(records), Datasets(records)
        self.indices.create(self.directory.admin.index)
        self.ingestion = Ingestion(self.directory, self.archive, self.mappings, self.indices, self.datasets, records)
        self.receipts = Receipts(config.data_dir / "receipts", records)
        self.inbox = Inbox(self.ingestion, self.receipts, config.quiet_s)
        self.receiver = Receiver(config, self.receipts, self.inbox, self.refusals)
        self.airflow = Airflow(config.airflow_url)
        self.workflows = Workflows(self.airflow, self.datasets, config.instance_name, records)
        self.notifications = Notifications(self.directory, records)
        self.kube_helm = KubeHelm(records)
        self.metrics = Metrics()

    def _clear_scratch(self) -> None:
        """Remove files of a killed process that no record refers to."""
        remove_tree(self.config.scratch)
        self.config.scratch.mkdir(parents=True)

    def _count_start(self) -> int:
        kept: RecordTable[int] = RecordTable(self.records, "starts")
        number = (kept.get("number") or 0) + 1
        kept.put("number", number)
        return number

    def close(self) -> None:
        """Close the records; the services answer no more."""
        self.records.close()

    def _new_project(self, project: ProjectRecord) -> None:
        self.indices.create(project.index)

    def forget_project(self, project: ProjectRecord) -> None:
        """Remove a project with everything that only it uses; blocking. The bucket is last: MinIO may refuse."""
        series = [row["series_instance_uid"] for row in self.mappings.rows(project.id)]
        for uid in series:
            self.mappings.unmap(uid, project.id)
        unwanted = [uid for uid in series if not self.mappings.is_wanted(uid)]
        for uid in unwanted:
            self.mappings.forget(uid)
            self.indices.delete(self.directory.admin.index, uid)
        self.archive.remove(unwanted)
        self.datasets.forget_series(unwanted)
        self.datasets.forget_project(project.id)
        self.indices.drop(project.index)
        self.receipts.forget_project(project.name)
        self.notifications.forget_project(project.id)
        self.workflows.forget_project(project)
        self.metrics.forget(names.project_namespace(project.name))
        self.directory.remove_project(project)
        self.store.remove_project(project)

    def hosts(self) -> dict[str, dict[str, ASGIApp]]:
        """Return listener -> first label of the host -> application."""
        config = self.config
        access = AccessRoutes(self.directory, self.identity, self.store, self._new_project, config.token)
        web_filter = DicomWebFilter(
            config, self.identity, self.directory, self.archive, self.mappings, names.url(names.DICOM_WEB_FILTER)
        )
        backend = Backend(
            config,
            self.identity,
            self.directory,
            self.datasets,
            self.workflows,
            self.airflow,
            self.store,
            self.records,
        )
        metadata = Metadata(self.identity, self.directory, self.indices, config.limits.json_bytes)
        stow = [Route("/{path:path}", self._stow, methods=["POST"])]
        return {
            "web": {
                names.KEYCLOAK[0]: application(self.identity.routes()),
                names.NOTIFICATION[0]: application(self.notifications.routes(), prefix="/notifications"),
            },
            "apps": {
                names.AII[0]: application(access.routes(), prefix="/aii"),
                names.DICOM_WEB_FILTER[0]: application(web_filter.routes(), prefix="/dicom-web-filter"),
            },
            "backend": {
                names.KAAPANA_BACKEND[0]: application(backend.routes(), prefix="/kaapana-backend"),
                names.KUBE_HELM[0]: application(self.kube_helm.routes(), prefix="/kube-helm-api"),
            },
            "search": {names.OPENSEARCH[0]: application(metadata.routes())},
            "ctp_stow": {"ctp-internal-service": application(stow)},
        }

    async def _stow(self, request: Request) -> Response:
        """Return the receiver's STOW port (services 8.2)."""
        folder = self.config.scratch / f"stow-{os.urandom(8).hex()}"
        folder.mkdir()
        try:
            paths = await receive_parts(request, folder, self.config.limits)
            peer = request.client.host if request.client else ""
            await run_in_threadpool(lambda: store_files(paths, self.receipts, self.inbox, peer=peer))
        except DicomError as problem:
            raise error(409, str(problem)) from None
        finally:
            await run_in_threadpool(remove_tree, folder)
        return Response(status_code=200)
