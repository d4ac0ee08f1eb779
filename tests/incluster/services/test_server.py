from __future__ import annotations

import inspect
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.incluster.services.config import ConfigError, Limits, Ports, ServicesConfig
from harness.incluster.services.server import KEEP_ALIVE_S
from tests.claimed_ports import claim_ports
from tests.incluster.services.running_services import RunningServices

ENVIRON = {
    "KAAPANA_HARNESS_TOKEN": "t",
    "OIDC_CLIENT_SECRET": "c",
    "SYSTEM_USER_PASSWORD": "s",
    "MINIO_ROOT_USER": "u",
    "MINIO_ROOT_PASSWORD": "p",
}


def test_clients_end_idle_connections_before_the_services_do() -> None:
    expiry = inspect.signature(httpx.Limits).parameters["keepalive_expiry"].default
    assert expiry < KEEP_ALIVE_S < Limits().header_s


def test_an_unknown_host_gets_the_known_ones(platform: RunningServices) -> None:
    answer = platform.keycloak.get("/", headers={"Host": "vault.services.svc:80"})
    assert answer.status_code == 404
    assert answer.json() == {
        "detail": "no service is called 'vault'",
        "hosts": ["keycloak-external-service", "notification-service"],
    }


def test_a_service_asked_on_another_services_port_says_its_own(platform: RunningServices) -> None:
    answer = platform.keycloak.get("/projects", headers={"Host": "aii-service.services.svc"})
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"'aii-service' is served on port {platform.ports.apps}"


@pytest.mark.parametrize(
    "host", ["aii-service", "aii-service.services.svc.cluster.local:8080", "AII-Service.services.svc"]
)
def test_every_form_of_a_services_name_is_known(platform: RunningServices, host: str) -> None:
    assert platform.aii.get("/projects/admin", headers={"Host": host}).json()["name"] == "admin"


def test_a_release_as_built_answers_500_without_token(tmp_path_factory: pytest.TempPathFactory) -> None:
    running = RunningServices(tmp_path_factory.mktemp("as-built"), profile={"name": "0.6.0"})
    try:
        assert running.filter.get("/studies").status_code == 500
    finally:
        running.close()


def test_missing_variables_are_all_named(tmp_path: Path) -> None:
    complete = {**ENVIRON, "KAAPANA_HARNESS_PORTS_BASE": "20000", "KAAPANA_HARNESS_DATA_DIR": str(tmp_path / "data")}
    assert ServicesConfig.from_environ(complete).ports == Ports.from_base(20000)
    with pytest.raises(ConfigError, match="missing in the environment: MINIO_ROOT_PASSWORD, OIDC_CLIENT_SECRET"):
        ServicesConfig.from_environ({**complete, "MINIO_ROOT_PASSWORD": "", "OIDC_CLIENT_SECRET": ""})
    with pytest.raises(ConfigError, match="cannot be read"):
        ServicesConfig.from_environ({**complete, "KAAPANA_HARNESS_CTP_QUIET_S": "soon"})


def test_the_folder_of_the_data_has_to_be_named_and_usable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing in the environment: KAAPANA_HARNESS_DATA_DIR"):
        ServicesConfig.from_environ(ENVIRON)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="KAAPANA_HARNESS_DATA_DIR cannot be used"):
        ServicesConfig.from_environ({**ENVIRON, "KAAPANA_HARNESS_DATA_DIR": str(tmp_path / "file" / "data")})


@pytest.fixture
def base() -> Iterator[int]:
    with claim_ports() as base:
        yield base


def _start(tmp_path: Path, base: int) -> subprocess.Popen[bytes]:
    environ = {
        **os.environ,
        **ENVIRON,
        "KAAPANA_HARNESS_PORTS_BASE": str(base),
        "KAAPANA_HARNESS_HOST": "127.0.0.1",
        "KAAPANA_HARNESS_DATA_DIR": str(tmp_path / "data"),
        "KAAPANA_HARNESS_MINIO_ENDPOINT": "127.0.0.1:1",
    }
    return subprocess.Popen([sys.executable, "-m", "harness.incluster.services"], env=environ, stderr=subprocess.PIPE)


def test_the_program_becomes_ready_without_minio_and_ends_on_sigterm(tmp_path: Path, base: int) -> None:
    process = _start(tmp_path, base)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                health = httpx.get(
                    f"http://127.0.0.1:{base + 6}/health", headers={"Authorization": "Bearer t"}, trust_env=False
                )
                if health.status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert health.json()["object_store"] is False
        resident = Path(f"/proc/{process.pid}/statm")
        if resident.exists():
            assert int(resident.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") < 130 << 20
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_is_taken_ends_the_program(tmp_path: Path, base: int) -> None:
    with socket.create_server(("127.0.0.1", base + 3)):
        process = _start(tmp_path, base)
        try:
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode != 0
    assert b"Address already in use" in errors
