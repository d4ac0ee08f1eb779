"""A custom registry as an author sees it: the installer has its login, processing pods do not (build 13)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.kube import NotFound
from harness.kube.pullsecrets import Login, logins_in

URL = "registry.example.org/group/project"


@pytest.fixture
def added(kaapana: Any) -> Any:
    with kaapana.add_registry(URL, "alice", "secret-word", name="Group") as registry:
        yield registry


@pytest.fixture
def custom_extension(faults_extension: Path) -> Path:
    """The small extension, its DAG image in the custom registry."""
    values = faults_extension / "extension/faults-workflow/values.yaml"
    values.write_text(values.read_text().rstrip() + f'\n  custom_registry_url: "{URL}"\n')
    return faults_extension


def operator_from_the_custom_registry(extension: Path, secret: str) -> None:
    operator = extension / "extension/docker/files/faults/FaultyOperator.py"
    text = operator.read_text().replace('f"{DEFAULT_REGISTRY}/faulty:', f'f"{URL}/faulty:')
    operator.write_text(text.replace('["registry-secret"]', f'["{secret}"]'))


def test_the_secret_of_a_custom_registry_is_that_of_the_platforms_application(kaapana: Any, added: Any) -> None:
    api = kaapana.environment.cluster.api
    secret = api.get("Secret", "services", added.secret)
    assert added.secret == "registry-secret-2e46"
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert logins_in(secret) == {f"https://{URL}": Login("alice", "secret-word")}
    with pytest.raises(NotFound):
        api.get("Secret", kaapana.project.namespace, added.secret)


def test_the_installer_pulls_the_dag_image_with_the_secret_of_the_custom_registry(
    kaapana: Any, added: Any, custom_extension: Path
) -> None:
    installed = kaapana.install(custom_extension)
    assert installed.images["dag-faults"].startswith(f"{URL}/dag-faults:")
    assert installed.images["faulty"].startswith(f"{kaapana.environment.registry}/faulty:")
    assert installed.run(form={"mode": "succeed", "ticket": "a"}).succeeded


def test_a_processing_pod_cannot_pull_from_a_custom_registry(kaapana: Any, added: Any, faults_extension: Path) -> None:
    operator_from_the_custom_registry(faults_extension, "registry-secret")
    installed = kaapana.install(faults_extension)
    image, registry = installed.images["faulty"], kaapana.environment.registry
    assert image.startswith(f"{URL}/faulty:")
    run = installed.run(form={"mode": "succeed", "ticket": "a"})
    assert run.cause.summary == (
        f"image {image} cannot be pulled: unauthorized: "
        f"pull secret registry-secret is for {registry}, not for registry.example.org"
    )


def test_the_custom_registrys_own_secret_does_not_exist_in_a_project(
    kaapana: Any, added: Any, faults_extension: Path
) -> None:
    operator_from_the_custom_registry(faults_extension, added.secret)
    run = kaapana.install(faults_extension).run(form={"mode": "succeed", "ticket": "a"})
    assert run.cause.summary.endswith(f"cannot be pulled: unauthorized: pull secret {added.secret} does not exist")


def test_a_registry_that_is_removed_leaves_neither_secret_nor_login(kaapana: Any) -> None:
    added = kaapana.add_registry(URL, "alice", "secret-word")
    assert kaapana.environment.platform_registry.admits(("alice", "secret-word"))
    kaapana.close()
    with pytest.raises(NotFound):
        kaapana.environment.cluster.api.get("Secret", "services", added.secret)
    assert not kaapana.environment.platform_registry.admits(("alice", "secret-word"))
    # a second removal finds nothing to do
    added.remove()


def test_an_extension_of_a_registry_that_was_not_added_names_the_step_that_adds_it(
    kaapana: Any, faults_extension: Path
) -> None:
    dockerfile = faults_extension / "processing-containers/faulty/Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + f'LABEL REGISTRY="{URL}"\n')
    with pytest.raises(UsageError, match="is not in the platform's registry") as failure:
        kaapana.install(faults_extension)
    assert "kaapana.add_registry" in failure.value.fix


@pytest.mark.parametrize("url", ["https://registry.example.org", "registry", "registry.example.org/Upper"])
def test_an_invalid_registry_cannot_be_added(kaapana: Any, url: str) -> None:
    with pytest.raises(UsageError, match="cannot be the URL of a custom registry"):
        kaapana.add_registry(url, "a", "b")


def test_one_user_with_two_passwords_is_refused(kaapana: Any, added: Any) -> None:
    with pytest.raises(UsageError, match=f"another password for {URL}"):
        kaapana.add_registry("other.example.org", "alice", "other-word")
    assert [secret.url for secret in kaapana.environment.custom_registries.find_all()] == [URL]
