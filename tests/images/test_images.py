"""Contents of the built images."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from docker import APIClient

from harness.engine import find_image, read_labels
from harness.images import ensure, list_images, resolve
from harness.settings import Settings
from tests.images.conftest import RunImage

Run = Callable[..., str]


@pytest.fixture
def run(run_image: RunImage, settings: Settings) -> Run:
    """Runs a shell command in an image of the catalogue."""
    return lambda name, command: run_image(ensure(name, settings=settings), ["sh", "-c", command])


def test_the_interpreter_is_python_3_12_with_its_usual_modules(run: Run) -> None:
    program = (
        "import sys, ssl, sqlite3, ctypes, lzma; "
        "print(sys.version_info[:2], len(ssl.create_default_context().get_ca_certs()))"
    )
    version, certificates = run("python", f"python -c '{program}'").rsplit(" ", 1)
    assert version == "(3, 12)"
    assert int(certificates) > 50


def test_the_base_image_is_what_the_platform_offers(engine: APIClient, run: Run, settings: Settings) -> None:
    program = (
        "import importlib.metadata as m, json; "
        'print(json.dumps({n: m.version(n) for n in ("pydicom", "minio", "SimpleITK", "pandas", "pydantic")}))'
    )
    versions = json.loads(run("base-python-cpu", f"python -c '{program}'"))
    assert versions == {
        "pydicom": "3.0.1",
        "minio": "7.2.10",
        "SimpleITK": "2.4.0",
        "pandas": "2.2.3",
        "pydantic": "2.7.4",
    }
    assert run("base-python-cpu", "which python python3 pip").split() == [
        f"/opt/venv/bin/{name}" for name in ("python", "python3", "pip")
    ]
    assert run("base-python-cpu", "id -un; pwd").split() == ["root", "/kaapana/app"]
    image = find_image(engine, "local-only/base-python-cpu:latest")
    assert image is not None
    assert not image["Config"]["Entrypoint"]
    assert not image["Config"]["Cmd"]
    assert "torch" in read_labels(image)["org.kaapana-harness.leaves-out"]


def test_programs_do_not_compile_their_libraries_at_start(run: Run) -> None:
    program = (
        "import SimpleITK, pydicom, minio, pandas, requests, sys, os; "
        "cached = {n: getattr(m, '__cached__', None) for n, m in sys.modules.items()}; "
        "print([n for n, path in cached.items() if path and not os.path.exists(path)])"
    )
    assert run("base-python-cpu", f'PYTHONDONTWRITEBYTECODE=1 python -c "{program}"').strip() == "[]"


def test_the_programs_of_the_processing_image_are_there(run: Run) -> None:
    assert "v3.6" in run("processing", "dcmsend --version")
    assert "dcmqi" in run("processing", "itkimage2segimage --help")


def test_the_database_in_the_airflow_image_is_migrated_and_has_its_pools(run: Run) -> None:
    command = """
        D=/var/lib/postgresql/data
        O="-c unix_socket_directories=/tmp -c listen_addresses="
        runuser -u postgres -- pg_ctl -D $D -w -s -l /tmp/log -o "$O" start
        export AIRFLOW_HOME=/tmp/home
        export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="postgresql+psycopg2://root@/airflow?host=/tmp"
        psql -h /tmp -At airflow -c "SELECT pool, slots FROM slot_pool ORDER BY 1; SELECT val FROM variable" &&
        airflow version && airflow db check-migrations && airflow pools list -o plain"""
    output = run("airflow", command)
    lines = [line.strip() for line in output.splitlines()]
    assert {"NODE_RAM|1000000", "NODE_GPU_COUNT|0", "NODE_CPU_CORES|1", "True", "2.11.0"} <= set(lines)


def test_minio_and_the_registry_start(run: Run) -> None:
    assert "minio version" in run("minio", "minio --version")
    assert "rootdirectory" in run("registry", "registry --version && cat /etc/docker/registry/config.yml")


def test_an_existing_image_is_found_without_a_build(settings: Settings, engine: APIClient) -> None:
    lines: list[str] = []
    tag = ensure("base-installer", settings=settings, on_progress=lines.append)
    lines.clear()
    assert ensure("base-installer", settings=settings, on_progress=lines.append) == tag
    assert lines == []
    assert [image for image in list_images(settings) if image.tag == tag and image.current]


def test_a_pull_is_preferred_to_a_build_when_it_is_possible(
    monkeypatch: pytest.MonkeyPatch, base_installer: str
) -> None:
    asked: list[str] = []
    monkeypatch.setenv("KAAPANA_HARNESS_IMAGE_REGISTRY", "site.example/registry:2")
    monkeypatch.setattr(resolve, "pull", lambda reference, _on_line: asked.append(reference) or "")
    assert resolve._pull(resolve.find_spec("registry"), print) == "site.example/registry:2"
    assert asked == ["site.example/registry:2"]
    monkeypatch.setenv("KAAPANA_HARNESS_IMAGE_REGISTRY", "")
    assert resolve._pull(resolve.find_spec("registry"), print) == ""
    assert len(asked) == 1


def test_the_gpu_image_is_the_cpu_image_with_the_variables_that_a_device_needs(
    engine: APIClient, run: Run, settings: Settings
) -> None:
    program = (
        "import kaapanapy.helper, kaapana_federated.KaapanaFederatedTraining as f; print(f.KaapanaFederatedTraining)"
    )
    printed = run("base-python-gpu", f"SERVICES_NAMESPACE=services python -c '{program}'; id -un; pwd")
    assert printed.split()[-2:] == ["root", "/kaapana/app"]
    image = find_image(engine, "local-only/base-python-gpu:latest")
    assert image is not None
    environment = set(image["Config"]["Env"])
    assert {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"} <= environment
    assert not image["Config"]["Entrypoint"]
    assert not image["Config"]["Cmd"]
    cpu = find_image(engine, "local-only/base-python-cpu:latest")
    assert cpu is not None
    assert image["RootFS"]["Layers"][: len(cpu["RootFS"]["Layers"])] == cpu["RootFS"]["Layers"]
    assert "libGL.so.1" in run("base-python-gpu", "ldconfig -p")
