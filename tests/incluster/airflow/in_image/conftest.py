"""Airflow's settings for these tests, its database, and a cluster that is a small HTTP server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.incluster.airflow import config, database_readiness

PLATFORM_ENV = {
    "KEYCLOAK_URL": "http://keycloak-external-service.admin.svc:80",
    "KUBE_HELM_URL": "http://kube-helm-service.admin.svc:9000",
    "OPENSEARCH_URL": "opensearch-service.services.svc:9200",
    "DICOM_WEB_FILTER_URL": "http://dicom-web-filter-service.services.svc:8080",
    "NOTIFICATION_URL": "http://notification-service.services.svc:80",
    "AII_URL": "http://aii-service.services.svc:8080",
    "KAAPANA_BACKEND_URL": "http://kaapana-backend-service.services.svc:5000",
    "MINIO_URL": "http://minio-service.services.svc:9000",
    "ADMIN_NAMESPACE": "admin",
    "SERVICES_NAMESPACE": "services",
    "EXTENSIONS_NAMESPACE": "extensions",
    "DEFAULT_REGISTRY": "localhost:32000",
    "KAAPANA_BUILD_VERSION": "0.6.0",
    "GPU_SUPPORT": "false",
}

# before any test module imports Airflow
_home = Path(tempfile.mkdtemp(prefix="airflow-home-"))
os.environ.update(PLATFORM_ENV)
os.environ["AIRFLOW_HOME"] = str(_home)
for _name in ("dags", "plugins", "logs"):
    (_home / _name).mkdir()
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(_home / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(_home / "plugins")
os.environ["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] = str(_home / "logs")
os.environ.setdefault("SQL_ALCHEMY_CONN", "postgresql+psycopg2://root:root@127.0.0.1:5432/airflow")
config.apply()


@pytest.fixture(scope="session", autouse=True)
def database() -> Iterator[None]:
    """The database of the image, unless the environment names another one that runs already."""
    dsn = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    server = None
    if "127.0.0.1:5432/" in dsn:
        server = subprocess.Popen([sys.executable, "-m", "harness.incluster.airflow.start", "database"])
    database_readiness.wait_for_database(dsn, timeout_s=60)
    yield
    if server is not None:
        server.terminate()
        assert server.wait(20) == 0


@pytest.fixture
def dags_folder() -> Iterator[Path]:
    """The DAG folder, empty at the beginning and at the end."""
    import shutil

    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])

    def clear() -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    clear()
    yield folder
    clear()


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster; the operators connect to it."""
    from harness.incluster.airflow import podtask
    from harness.kube.client import KubeApi

    from .fake_kube import FakeKube

    fake = FakeKube()
    monkeypatch.setattr(podtask, "connect", lambda: KubeApi(fake.url))
    yield fake
    fake.close()


@pytest.fixture
def dag() -> Any:
    """A DAG without default arguments."""
    from airflow.models import DAG

    return DAG("my-dag", schedule=None)


def context_for(
    operator: Any, *, conf: dict[str, Any] | None = None, run_id: str = "my-dag-1", attempt: int = 1
) -> Any:
    """Airflow's context as far as the operators look at it; pushed XComs are in ``context["pushed"]``."""
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(
        dag_id="my-dag",
        run_id=run_id,
        task_id=operator.task_id,
        try_number=attempt,
        task=operator,
        xcom_push=lambda key, value: pushed.__setitem__(key, value),
    )
    conf = conf if conf is not None else {"project_form": {"kubernetes_namespace": "project-a"}}
    return {
        "ti": ti,
        "dag_run": SimpleNamespace(conf=conf, run_id=run_id),
        "params": conf,
        "run_id": run_id,
        "pushed": pushed,
    }
