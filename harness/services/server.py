"""All listeners in one process (services 1.2): one ASGI application per port, dispatching on the Host header."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from harness.contract import names
from harness.services.access import Access
from harness.services.airflow import Airflow
from harness.services.archive import Archive
from harness.services.backend import Backend
from harness.services.certificate import write_certificate
from harness.services.config import Config, Ports
from harness.services.control import Control
from harness.services.datasets import Datasets
from harness.services.dicomfile import DicomError
from harness.services.dicomweb import DicomWebFilter
from harness.services.identity import Identity
from harness.services.inbox import Inbox
from harness.services.indices import Indices
from harness.services.ingest import Ingestion
from harness.services.jwt import Signer
from harness.services.kubehelm import KubeHelm
from harness.services.mappings import Mappings
from harness.services.metadata import Metadata
from harness.services.metrics import Metrics
from harness.services.multipart import receive_parts
from harness.services.notifications import Notifications
from harness.services.objectstore import MinioStore, ObjectStore, Provisioner
from harness.services.receipts import Receipts
from harness.services.receiver import Receiver, remove_tree, store_files
from harness.services.state import Directory, Project
from harness.services.web import HostDispatch, application, error
from harness.services.workflows import Workflows

log = logging.getLogger("harness.services")

_SHUTDOWN_S = 3


class Services:
    """The emulated services of one environment.

    Args:
        config: see there.
        store: the object store; the real MinIO unless a test brings a twin.
    """

    def __init__(self, config: Config, store: ObjectStore | None = None) -> None:
        self.config = config
        self.directory = Directory(system_password=config.system_password, user_password=config.user_password)
        self.identity = Identity(self.directory, Signer(), issuer=config.issuer, client_secret=config.client_secret)
        self.store = store or MinioStore(config.minio_endpoint, config.minio_user, config.minio_password)
        self.provisioner = Provisioner(self.store, self.directory.admin)
        self.archive = Archive(config.data_dir / "archive")
        self.mappings, self.indices, self.datasets = Mappings(), Indices(), Datasets()
        self.indices.create(self.directory.admin.index)
        self.ingestion = Ingestion(self.directory, self.archive, self.mappings, self.indices, self.datasets)
        self.receipts = Receipts(config.data_dir / "receipts")
        self.inbox = Inbox(self.ingestion, config.quiet_s)
        self.receiver = Receiver(config, self.receipts, self.inbox)
        self.airflow = Airflow(config.airflow_url)
        self.workflows = Workflows(self.airflow, self.datasets, config.instance_name)
        self.notifications = Notifications(self.directory)
        self.kube_helm = KubeHelm()
        self.metrics = Metrics()
        self._servers: dict[str, _Server] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._dimse_up = False

    def _new_project(self, project: Project) -> None:
        self.indices.create(project.index)

    def forget_project(self, project: Project) -> None:
        """Remove a project with all that only it has; blocking. The bucket comes last: MinIO may refuse."""
        series = [row["series_instance_uid"] for row in self.mappings.rows(project.id)]
        for uid in series:
            self.mappings.unmap(uid, project.id)
        unwanted = [uid for uid in series if not self.mappings.wanted(uid)]
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

    # --- applications

    def _hosts(self) -> dict[str, dict[str, ASGIApp]]:
        """Listener -> first label of the host -> application."""
        config = self.config
        access = Access(self.directory, self.store, self._new_project)
        web_filter = DicomWebFilter(
            config, self.identity, self.directory, self.archive, self.mappings, names.url(names.DICOM_WEB_FILTER)
        )
        backend = Backend(
            config, self.identity, self.directory, self.datasets, self.workflows, self.airflow, self.store
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
        """The receiver's STOW port (services 8.2)."""
        folder = self.config.data_dir / f"stow-{os.urandom(8).hex()}"
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

    # --- listeners

    def listeners(self) -> dict[str, bool]:
        """Listener -> whether it accepts connections."""
        up = {name: server.started and not server.should_exit for name, server in self._servers.items()}
        return {**up, "dimse": self._dimse_up}

    @property
    def ports(self) -> Ports:
        """The ports that are listened on, with the real numbers where any was asked for."""
        found = {name: server.port for name, server in self._servers.items()}
        return dataclasses.replace(self.config.ports, **found, dimse=self.receiver.port or self.config.ports.dimse)

    async def start(self) -> None:
        """Start all listeners; returns when they accept connections.

        Raises:
            OSError: a port is taken.
        """
        hosts = self._hosts()

        def elsewhere(host: str) -> str | None:
            return next((str(getattr(self.ports, port)) for port, apps in hosts.items() if host in apps), None)

        certificate = write_certificate(self.config.data_dir)
        apps: dict[str, ASGIApp] = {name: HostDispatch(table, elsewhere) for name, table in hosts.items()}
        apps["control"] = application(Control(self).routes())
        try:
            for name, app in apps.items():
                tls = certificate if name == "search" else None
                self._servers[name] = _Server(self.config.host, getattr(self.config.ports, name), app, tls)
            self._tasks = [asyncio.create_task(server.serve()) for server in self._servers.values()]
            # importing the DICOM libraries takes longest: HTTP answers meanwhile
            await run_in_threadpool(self.receiver.start)
            await asyncio.gather(*(server.wait_started() for server in self._servers.values()))
        except BaseException:
            await self.stop()
            raise
        self._dimse_up = True
        self.inbox.start()
        self.provisioner.start()
        self.metrics.start()

    async def stop(self) -> None:
        """Stop all listeners and threads."""
        self._dimse_up = False
        self.metrics.stop()
        for server in self._servers.values():
            server.should_exit = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers.values():
            server.socket.close()
        await run_in_threadpool(self.receiver.stop)
        await run_in_threadpool(self.inbox.stop)
        await run_in_threadpool(self.provisioner.stop)


class _Server(uvicorn.Server):
    """One HTTP listener on a socket of its own; signals are handled once, for all."""

    def __init__(self, host: str, port: int, app: ASGIApp, tls: tuple[os.PathLike[str], os.PathLike[str]] | None):
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=_SHUTDOWN_S,
                ssl_certfile=tls[0] if tls else None,
                ssl_keyfile=tls[1] if tls else None,
            )
        )
        self.socket = socket.create_server((host, port), backlog=256)
        # inherited by its connections; asyncio only does this for sockets that it made itself, and without it
        # the second part of an answer waits 40 ms for the peer's acknowledgement of the first
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self.socket.getsockname()[1]
        self._up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([self.socket])
        self._up.set()

    async def wait_started(self) -> None:
        """Wait until connections are accepted."""
        await self._up.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(config: Config) -> None:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    for noisy in ("pynetdicom", "pydicom", "urllib3", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    services = Services(config)
    await services.start()
    log.info("listening: %s", _listing(dataclasses.asdict(services.ports)))
    try:
        await ended.wait()
    finally:
        await services.stop()


def _listing(ports: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {port}" for name, port in ports.items())
