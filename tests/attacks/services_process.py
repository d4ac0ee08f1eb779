"""The services in a process of their own, which a test may kill or starve."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

from tests.incluster.services.running_services import CLIENT_SECRET, SYSTEM_PASSWORD, TOKEN

REPOSITORY = Path(__file__).resolve().parents[2]
# as harness.incluster.services.server.run, with MinIO's twin
PROGRAM = """
import asyncio, signal, sys
from pathlib import Path
from harness.incluster.services.config import Ports, ServicesConfig
from harness.incluster.services.server import Server
from harness.incluster.services.services import Services
from tests.incluster.services.running_services import MemoryStore

async def main(folder, base, token, client_secret, system_password):
    config = ServicesConfig(
        token=token, client_secret=client_secret, system_password=system_password, minio_user="u", minio_password="p",
        data_dir=Path(folder), host="127.0.0.1", ports=Ports.from_base(int(base)), quiet_s=0.2, airflow_url="http://127.0.0.1:1",
    )
    await Server(Services(config, MemoryStore())).start()
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


class ServicesProcess:
    """The services in a process of their own, on the same data and ports after each start."""

    def __init__(self, folder: Path, base: int) -> None:
        folder.mkdir()
        self._folder = folder
        self.base = base
        self._process: subprocess.Popen[bytes] | None = None
        self.aii = self._client(1, "aii-service")
        self.keycloak = self._client(0, "keycloak-external-service")
        self.filter = self._client(1, "dicom-web-filter-service")
        self.control = self._client(6, "localhost", Authorization=f"Bearer {TOKEN}")

    def _client(self, offset: int, host: str, **headers: str) -> httpx.Client:
        url = f"http://127.0.0.1:{self.base + offset}"
        return httpx.Client(base_url=url, headers={"Host": host, **headers}, trust_env=False, timeout=30)

    def start(self) -> None:
        arguments = [str(self._folder), str(self.base), TOKEN, CLIENT_SECRET, SYSTEM_PASSWORD]
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments], env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
        )
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(httpx.TransportError):
                if self.control.get("/health").status_code == 200:
                    return
            assert self._process.poll() is None, "the services did not start"
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def limit_files(self, size: int) -> None:
        """Let every write beyond a size fail, as on a full disk; -1 ends that."""
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def token(self) -> str:
        form = {"username": "system", "password": SYSTEM_PASSWORD, "grant_type": "password"}
        client = {"client_id": "kaapana", "client_secret": CLIENT_SECRET}
        answer = self.keycloak.post("/auth/realms/kaapana/protocol/openid-connect/token", data={**client, **form})
        return str(answer.json()["access_token"])


def send(
    services: ServicesProcess, datasets: list[Dataset], project: str, acknowledged: list[Dataset]
) -> list[int | None]:
    """Send until the server stops answering, and return each status; record the successful requests."""
    statuses: list[int | None] = []
    ae = AE(ae_title="kp-d")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 10
    ae.add_requested_context(CTImageStorage, [ExplicitVRLittleEndian])
    association = ae.associate("127.0.0.1", services.base + 5, ae_title=f"kp-{project}")
    if not association.is_established:
        return statuses
    for dataset in datasets:
        try:
            status = association.send_c_store(dataset)
        except (RuntimeError, ValueError):
            break
        if "Status" not in status:
            statuses.append(None)
            break
        statuses.append(int(status.Status))
        if status.Status == 0:
            acknowledged.append(dataset)
    association.abort()
    return statuses
