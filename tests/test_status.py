"""``kaapana-harness status``: which environments there are, where they are reached, and what opens them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli.verbs import cli
from harness.cluster import ledger, providers
from harness.cluster.docker.provider import DockerProvider
from harness.errors import EngineError, PlatformError
from harness.platform.addresses import NamedLogin
from harness.platform.credentials import Credentials, make_password
from harness.settings import Settings


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(folder))
    return folder


def call(*words: str) -> Result:
    return CliRunner().invoke(cli, ["status", *words])


def leave(state: Path, *, kept: bool = True, cluster: str = "docker", **more: Any) -> ledger.Entry:
    entry = dataclasses.replace(ledger.new_entry("aaaa1111", cluster), kept=kept, **more)
    ledger.record(state, entry)
    return entry


class FakeCluster:
    """Has all ports where it is asked for them, but those that are missing."""

    def __init__(self, missing: int = 0) -> None:
        self.missing = missing
        self.kept: list[bool] = []

    def address(self, namespace: str, service: str, port: int) -> tuple[str, int]:
        if port == self.missing:
            raise PlatformError(f"port {port} got no address")
        return "127.0.0.1", 30_000 + port

    def close(self, *, keep: bool = False) -> None:
        self.kept.append(keep)


def test_without_an_environment_it_says_so() -> None:
    result = call()
    assert (result.exit_code, result.stdout) == (0, "no environment\n")


def test_an_environment_that_was_left_running_has_its_addresses_and_the_ways_to_it(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, cluster = leave(state), FakeCluster()
    monkeypatch.setattr(DockerProvider, "adopt", lambda self, settings, environment_id: cluster)
    result = call()
    first, *rest = result.stdout.splitlines()
    assert first == str(entry)
    found = {name.strip(): value for name, _, value in (line.strip().partition("  ") for line in rest)}
    assert {name: value.strip() for name, value in found.items()} == {
        "page": "kaapana-harness page aaaa1111",
        "credentials": "kaapana-harness status --credentials",
        "Airflow": "http://127.0.0.1:38080/flow",
        "MinIO": "http://127.0.0.1:39000",
        "the backend": "http://127.0.0.1:35000  Host: kaapana-backend-service.services.svc",
        "Keycloak": "http://127.0.0.1:30080  Host: keycloak-external-service.admin.svc",
        "the access information service": "http://127.0.0.1:38080  Host: aii-service.services.svc",
        "the DICOMweb filter": "http://127.0.0.1:38080  Host: dicom-web-filter-service.services.svc",
        "the harness's own interface": "http://127.0.0.1:38090",
    }
    assert cluster.kept == [True]


def test_an_environment_of_a_running_process_is_not_touched(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = leave(state, kept=False)
    monkeypatch.delattr(DockerProvider, "adopt")
    assert call().stdout == f"{entry}\n"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "does not answer: no API server answers at its address"),
        (FakeCluster(missing=9000), "does not answer: port 9000 got no address"),
        (EngineError("no engine answers"), "does not answer: no engine answers"),
    ],
)
def test_an_environment_that_does_not_answer_is_still_listed(
    state: Path, monkeypatch: pytest.MonkeyPatch, found: Any, said: str
) -> None:
    def adopt(self: DockerProvider, settings: Settings, environment_id: str) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    entry = leave(state)
    monkeypatch.setattr(DockerProvider, "adopt", adopt)
    result = call()
    assert result.exit_code == 0
    first, second, *_ = result.stdout.splitlines()
    assert (first, second.strip()) == (str(entry), said)


def test_a_foreign_cluster_has_no_permanent_address(state: Path) -> None:
    assert not providers.get_provider("context:site").owns_cluster
    leave(state, cluster="context:site")
    assert [line.split()[0] for line in call().stdout.splitlines()[1:]] == ["page", "credentials"]


def test_credentials_are_printed_when_they_are_asked_for_and_only_then(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # not by Credentials, which would hide them in this process
    secrets = {field.name: make_password() for field in dataclasses.fields(Credentials)}
    leave(state, secrets=secrets)
    result = call("--credentials")
    lines = [line.split() for line in result.stdout.splitlines()[1:]]
    assert ["MinIO", secrets["minio_user"], secrets["minio_password"]] in lines
    assert [line[-1] for line in lines] == [
        secrets[name]
        for name in (
            "user_password",
            "oidc_client_secret",
            "minio_password",
            "registry_password",
            "registry_push_password",
            "token",
        )
    ]
    monkeypatch.setattr(DockerProvider, "adopt", lambda *_: FakeCluster())
    assert not any(secret in call().stdout for secret in secrets.values())


def test_the_representation_of_a_login_has_no_secret() -> None:
    assert "secret-word" not in repr(NamedLogin("MinIO", "user", "secret-word"))
