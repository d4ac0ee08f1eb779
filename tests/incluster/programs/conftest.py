"""A way to run the programs as their containers do."""

from __future__ import annotations

import functools
import importlib.util
import locale
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import urllib3.connection

from harness.incluster.programs import platform_client
from harness.incluster.programs.__main__ import run
from tests.incluster.programs.program_runs import STUDY, Ended, Run, series
from tests.incluster.programs.small_platform import SmallPlatform

if TYPE_CHECKING:
    from tests.incluster.services.running_services import RunningServices

# set by the test run or the machine, must not reach the programs
_FOREIGN = ("TZ", "BATCH_NAME", "OPERATOR_IN_DIR", "SERVICES_NAMESPACE", "WORKFLOW_NAME")


@pytest.fixture
def run_folder(tmp_path: Path) -> Run:
    root = tmp_path / "data" / "my-dag-261124"
    root.mkdir(parents=True)
    result = Run(root, {"WORKFLOW_DIR": str(root), "BATCH_NAME": "batch", "RUN_ID": root.name})
    result.conf()
    return result


@pytest.fixture
def execute(
    run_folder: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Run a program in this process with the run's environment and what is given."""

    def start(program: str, **env: str) -> Ended:
        for name in _FOREIGN:
            monkeypatch.delenv(name, raising=False)
        for name, value in {**run_folder.env, **env}.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        status = run(program)
        return Ended(status, *capfd.readouterr())

    return start


@functools.cache
def _processing_image() -> str:
    """Make the image, which takes minutes where nothing has done so before; skip the test without an engine."""
    from harness import doctor, images
    from harness.errors import EngineError
    from harness.settings import Settings

    try:
        doctor.require_engine()
    except EngineError:
        pytest.skip("needs the program on this machine, or a container engine: kaapana-harness doctor --fix")
    return images.ensure("processing", settings=Settings.load(environ={}))


@pytest.fixture
def execute_tool(
    execute: Callable[..., Ended], run_folder: Run, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    """The same for the programs that need dcmqi or DCMTK: where this machine has not got them, in the image."""

    def start(program: str, **env: str) -> Ended:
        tools = importlib.util.find_spec("dcmqi") or shutil.which("itkimage2segimage")
        here = {
            "dcmqi": tools,
            "mask2nifti": tools,
            "pyradiomics": importlib.util.find_spec("radiomics"),
            "jupyterlab-reporting": importlib.util.find_spec("nbconvert"),
            "dicom-validator": shutil.which("dciodvfy"),
        }
        if here.get(program, shutil.which(program)):
            return execute(program, **env)
        command = ["docker", "run", "--rm", "--network", "host", "-v", f"{run_folder.root.parent}:/kaapana/data"]
        root = f"/kaapana/data/{run_folder.root.name}"
        for name, value in {**run_folder.env, **env, "WORKFLOW_DIR": root}.items():
            command += ["-e", f"{name}={value}"]
        command += [_processing_image(), "python", "-m", "harness.incluster.programs", program]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        return Ended(done.returncode, done.stdout, done.stderr)

    return start


@pytest.fixture(autouse=True)
def _the_locale_stays() -> Iterator[None]:
    """ITK's readers set the locale of the process to C, in which later tests could not read UTF-8."""
    before = locale.setlocale(locale.LC_CTYPE)
    yield
    locale.setlocale(locale.LC_CTYPE, before)


@pytest.fixture(autouse=True)
def _no_proxy_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServices]:
    """The services under the platform's own names, which lead to the ports of this test."""
    from tests.incluster.services.running_services import RunningServices

    running = RunningServices(tmp_path / "services")
    ports = {
        ("keycloak-external-service.admin.svc", 80): running.ports.web,
        ("dicom-web-filter-service.services.svc", 8080): running.ports.apps,
        ("opensearch-service.services.svc", 9200): running.ports.search,
        ("aii-service.services.svc", 8080): running.ports.apps,
        ("notification-service.services.svc", 80): running.ports.web,
        ("kaapana-backend-service.services.svc", 5000): running.ports.backend,
    }
    connect = urllib3.connection.connection.create_connection

    def to_this_machine(address: tuple[str, int], *args: Any, **kwargs: Any) -> Any:
        host, port = address
        return connect(("127.0.0.1", ports[host, int(port)]), *args, **kwargs)

    monkeypatch.setattr(urllib3.connection.connection, "create_connection", to_this_machine)
    yield running
    running.close()


@pytest.fixture
def platform(tmp_path: Path, run_folder: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallPlatform]:
    """Three series, MR, CT and MR, in index and archive; the programs of the run are directed to it."""
    result = SmallPlatform(tmp_path)
    monkeypatch.setattr(platform_client, "service", lambda constant: ("127.0.0.1", result.port))
    run_folder.env |= {
        "KEYCLOAK_URL": f"http://127.0.0.1:{result.port}",
        "OPENSEARCH_HOST": "127.0.0.1",
        "OPENSEARCH_PORT": str(result.tls_port),
        "KAAPANA_PROJECT_USER_NAME": "project-admin-system-user",
        "KAAPANA_PROJECT_USER_PASSWORD": "pass§word",
        "KAAPANA_CLIENT_SECRET": "secret",
        "OPERATOR_OUT_DIR": "get-input-data",
    }
    for uid, modality in (("1.1", "MR"), ("1.2", "CT"), ("1.3", "MR")):
        paths = series(tmp_path / "pacs" / uid, slices=3, uid=uid)
        result.archive[uid] = [path.read_bytes() for path in paths]
        result.documents[uid] = {
            "0020000D StudyInstanceUID_keyword": STUDY,
            "0020000E SeriesInstanceUID_keyword": uid,
            "00080060 Modality_keyword": modality,
            "00000000 CuratedModality_keyword": modality,
        }
    yield result
    result.close()
