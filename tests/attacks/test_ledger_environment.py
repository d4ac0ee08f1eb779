"""A real environment whose containers and DAGs tell all that they know: none of it reaches the evidence."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.cluster import ledger
from harness.errors import DagFileError

_FAULTS = Path(__file__).parents[1] / "faults" / "extension"

_CONTAINER = """
import base64, json, os, sys, urllib.parse, urllib.request

print("faulty: prints every secret", flush=True)
known = dict(os.environ)
for name, value in known.items():
    print(f"{name}={value}")
    print(base64.b64encode(f"{name}={value}".encode()).decode(), urllib.parse.quote(value))
print(json.dumps(known))
form = {
    "username": known["KAAPANA_PROJECT_USER_NAME"],
    "password": known["KAAPANA_PROJECT_USER_PASSWORD"],
    "client_id": "kaapana",
    "client_secret": known["KAAPANA_CLIENT_SECRET"],
    "grant_type": "password",
}
url = known["KEYCLOAK_URL"].rstrip("/") + "/auth/realms/kaapana/protocol/openid-connect/token"
with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode()) as answer:
    print("token:", json.load(answer)["access_token"])
print("x" * (16 * 1024 - 20) + known["KAAPANA_PROJECT_USER_PASSWORD"])
sys.exit("ValueError: cannot log in with " + known["KAAPANA_CLIENT_SECRET"])
"""
_DAG = """

import base64
import json
import os

from airflow.operators.python import PythonOperator


def tell():
    for name, value in os.environ.items():
        print(f"{name}={value}")
        print(base64.b64encode(f"{name}={value}".encode()).decode())
    print(json.dumps(dict(os.environ)))


PythonOperator(task_id="scheduler", python_callable=tell, dag=dag) >> faulty
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The small extension of the faults with enough time, to be damaged."""
    folder = Path(shutil.copytree(_FAULTS, tmp_path / "tree"))
    operator = folder / "extension/docker/files/faults/FaultyOperator.py"
    operator.write_text(operator.read_text().replace("timedelta(seconds=15)", "timedelta(seconds=300)"))
    return folder


def _secrets(kaapana: Any) -> dict[str, str]:
    """Everything of the environment that opens something, by its name."""
    names = {"minio_user", "registry_user", "registry_push_user"}
    found = {name: value for name, value in kaapana.environment.credentials.as_mapping().items() if name not in names}
    entry = ledger.find(kaapana.environment.settings.state, kaapana.environment.id)
    assert entry is not None
    if entry.token:
        found["token of the cluster"] = entry.token
    return {**found, "password of the project": kaapana.project.password}


def _shown(secrets: dict[str, str], *texts: str) -> list[str]:
    """The names of the secrets of which texts show something."""
    found = []
    for name, secret in secrets.items():
        encoded = [base64.b64encode(b"x" * at + secret.encode()).decode()[4:-4] for at in range(3)]
        if any(way in text for way in (secret, *encoded) for text in texts):
            found.append(name)
    return found


def test_a_container_and_a_dag_that_print_every_secret_leave_no_credential_in_the_evidence(
    kaapana: Any, tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tree / "processing-containers/faulty/files/faulty.py"
    program.write_text(_CONTAINER)
    dag = tree / "extension/docker/files/dag_faults.py"
    dag.write_text(dag.read_text() + _DAG)
    run = kaapana.install(tree).run(form={"mode": "succeed", "ticket": "a"})
    assert not run.succeeded
    assert run.cause.task_id == "faulty"
    assert run.cause.summary == "exit code 1: ValueError: cannot log in with ***"
    assert "token: ***" in run.task("faulty").log
    for name in ("KAAPANA_PROJECT_USER_PASSWORD", "KAAPANA_CLIENT_SECRET"):
        assert f"{name}=***" in run.task("faulty").log
    assert "MINIOPASSWORD=***" in run.task("scheduler").log
    files = [path for path in run.directory.rglob("*") if path.is_file()]
    assert {"run.json", "report.html", "faulty.log"} <= {path.name for path in files}
    texts = [path.read_bytes().decode("latin-1") for path in files]
    names = [str(path) for path in files]
    assert _shown(_secrets(kaapana), *texts, *names, repr(run), str(run.cause), *capfd.readouterr()) == []
    assert not any("/auth/realms" in text for text in _claims(texts))


def test_a_dag_file_that_raises_with_a_password_shows_none_in_the_error(kaapana: Any, tree: Path) -> None:
    dag = tree / "extension/docker/files/dag_faults.py"
    dag.write_text(dag.read_text() + "\nimport os\nraise RuntimeError('no ' + os.environ['MINIOPASSWORD'])\n")
    with pytest.raises(DagFileError, match=r"RuntimeError: no \*\*\*") as caught:
        kaapana.install(tree)
    assert _shown(_secrets(kaapana), str(caught.value), repr(caught.value)) == []


def _claims(texts: list[str]) -> list[str]:
    """What the payloads of tokens say that are left in texts."""
    words = [word for text in texts for word in text.split() if word.startswith("eyJ") and word.count(".") == 2]
    return [base64.urlsafe_b64decode(word.split(".")[1] + "==").decode("latin-1") for word in words]
