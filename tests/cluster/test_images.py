"""Origins of pods' images, and the errors for missing ones."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.cluster import Cluster
from harness.errors import ImageError, UsageError
from harness.kube import pullsecrets
from harness.kube.troubles import trouble_of
from harness.platform import failed_pulls
from harness.platform.credentials import Credentials
from harness.platform.registry import PlatformRegistry
from harness.settings import Settings
from tests.cluster.objects import IMAGE, Objects, only_on_docker, shell, terminated
from tests.registry_objects import docker_config, registry_objects


@dataclasses.dataclass(frozen=True)
class RunningRegistry:
    """The environment's registry with ``tool:1`` and ``tool:2``."""

    cluster: Cluster
    registry: PlatformRegistry
    credentials: Credentials

    @property
    def name(self) -> str:
        return self.registry.name

    def secret(
        self, project: Objects, name: str = "registry-secret", **logins: tuple[str, str]
    ) -> list[dict[str, str]]:
        """Make a pull secret, by default the platform's; the pull secrets of a pod that names it."""
        data = docker_config(**(logins or {self.name: self.credentials.pull}))
        project.create("Secret", name, type="kubernetes.io/dockerconfigjson", data=data)
        return [{"name": name}]


@pytest.fixture(scope="module")
def running(cluster: Cluster, settings: Settings) -> Iterator[RunningRegistry]:
    """The registry of the platform's chart, running on the cluster."""
    from harness import images

    image, credentials = "test.invalid/registry:1", Credentials.random()
    cluster.provide_images({image: images.ensure("registry", settings=settings)})
    made = registry_objects(image, credentials)
    for manifest in made:
        cluster.api.apply(manifest)
    registry = PlatformRegistry(cluster, pull=credentials.pull, push=credentials.push)
    try:
        deadline = time.monotonic() + 60
        while not registry.ready():
            assert time.monotonic() < deadline, "the registry did not answer within 60 s"
            # the nodes bring their rules up to date once a second, without any event
            time.sleep(0.1)
        for tag in ("1", "2"):
            registry.push(images.ensure("base-installer", settings=settings), f"{registry.name}/tool:{tag}")
        yield RunningRegistry(cluster, registry, credentials)
    finally:
        registry.close()
        for manifest in made:
            cluster.api.delete(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])


@pytest.fixture
def registry(running: RunningRegistry) -> str:
    """The registry's name in references."""
    return running.name


def runs(project: Objects, image: str, **spec: Any) -> None:
    """A pod of this image gets as far as its command."""
    name = project.pod({"name": "main", "image": image, "command": ["/no/such"]}, **spec)
    assert terminated(project.end(name))["reason"] == "StartError"


def refused(project: Objects, image: str, **spec: Any) -> str:
    """The first line about a pod whose pull is refused for want of a login."""
    # a node of Kubernetes asks no registry for an image that an earlier pod has pulled
    name = project.pod({"name": "main", "image": image, "imagePullPolicy": "Always"}, **spec)
    project.waiting(name, "ErrImagePull")
    pod = project.api.get("Pod", project.namespace, name)
    trouble = trouble_of(pod)
    assert trouble is not None
    assert trouble.unauthorized, trouble
    return pullsecrets.refusal(project.api, pod, trouble.image).summary


def test_an_image_is_taken_from_the_registry_with_the_platforms_pull_secret(
    project: Objects, running: RunningRegistry
) -> None:
    runs(project, f"{running.name}/tool:1", imagePullSecrets=running.secret(project))


def test_a_pod_without_a_pull_secret_is_refused(project: Objects, registry: str) -> None:
    expected = f"image {registry}/tool:1 cannot be pulled: unauthorized: {registry} needs a login, and the pod names no"
    assert refused(project, f"{registry}/tool:1").startswith(expected)


def test_a_pull_secret_that_does_not_exist_is_named_with_the_refusal(project: Objects, registry: str) -> None:
    line = refused(project, f"{registry}/tool:1", imagePullSecrets=[{"name": "nope"}])
    assert line == f"image {registry}/tool:1 cannot be pulled: unauthorized: pull secret nope does not exist"


def test_a_pull_secret_for_another_registry_is_named_with_it(project: Objects, running: RunningRegistry) -> None:
    other = running.secret(project, "other", **{"registry.example.org/group": running.credentials.pull})
    line = refused(project, f"{running.name}/tool:1", imagePullSecrets=other)
    assert line.endswith(f"unauthorized: pull secret other is for registry.example.org/group, not for {running.name}")


def test_a_login_that_the_registry_does_not_take_is_named(project: Objects, running: RunningRegistry) -> None:
    wrong = running.secret(project, "wrong", **{running.name: ("kaapana", "not-the-password")})
    line = refused(project, f"{running.name}/tool:1", imagePullSecrets=wrong)
    assert line.endswith(f"unauthorized: {running.name} refuses the login of pull secret wrong")


def test_the_status_on_docker_says_which_secrets_were_tried(project: Objects, running: RunningRegistry) -> None:
    only_on_docker(running.cluster, "the words of a kubelet")
    secrets = [{"name": "nope"}, *running.secret(project, "other", **{"a.example.org": ("a", "b")})]
    name = project.pod({"name": "main", "image": f"{running.name}/tool:1"}, imagePullSecrets=secrets)
    assert project.waiting(name, "ErrImagePull") == (
        f'failed to pull "{running.name}/tool:1": unauthorized: no login for {running.name}; pull secrets of the pod: '
        "nope (does not exist), other (is for a.example.org)"
    )


def test_a_pod_that_names_no_pull_secrets_has_those_of_its_service_account(
    project: Objects, running: RunningRegistry
) -> None:
    account = {"name": "with-login", "namespace": project.namespace}
    secrets = running.secret(project)
    project.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account, "imagePullSecrets": secrets})
    runs(project, f"{running.name}/tool:1", serviceAccountName="with-login")


def test_a_pull_secret_of_the_older_kind_opens_the_registry_too(project: Objects, running: RunningRegistry) -> None:
    login = dict(zip(("username", "password"), running.credentials.pull, strict=True))
    data = {".dockercfg": base64.b64encode(json.dumps({running.name: login}).encode()).decode()}
    project.create("Secret", "older", type="kubernetes.io/dockercfg", data=data)
    runs(project, f"{running.name}/tool:1", imagePullSecrets=[{"name": "older"}])


def test_the_engine_logs_in_to_a_registry_that_is_not_the_environments(
    project: Objects, running: RunningRegistry
) -> None:
    only_on_docker(running.cluster, "a node's own loopback address is not this machine's")
    from harness.engine import connect

    # the same registry under a name without a server: only the engine can know where it is
    host = running.name.replace("localhost", "127.0.0.1")
    image = f"{host}/tool:1"
    line = refused(project, image, imagePullSecrets=running.secret(project))
    assert line.endswith(f"unauthorized: pull secret registry-secret is for {running.name}, not for {host}")
    try:
        secrets = running.secret(project, "outside", **{host: running.credentials.pull})
        runs(project, image, imagePullSecrets=secrets)
    finally:
        with contextlib.closing(connect()) as client:
            client.api.remove_image(image, noprune=True, force=True)


def test_a_login_that_may_pull_may_not_push(running: RunningRegistry) -> None:
    for address, status in ((running.name, 405), (running.cluster.push_address, 401)):
        url = f"http://{address}/v2/tool/blobs/uploads/"
        assert httpx.post(url, auth=tuple(running.credentials.pull), trust_env=False).status_code == status
        assert httpx.post(url, trust_env=False).status_code == 401


def test_the_registry_is_announced_as_other_tools_expect_it(cluster: Cluster, registry: str) -> None:
    if cluster.name == "docker":
        pytest.skip("KEP-1755 is about real clusters")
    found = cluster.api.get("ConfigMap", "kube-public", "local-registry-hosting")
    assert f'host: "{registry}"' in found["data"]["localRegistryHosting.v1"]


HOST = "registry.example.org:5000"
SERVED = f"{HOST}/group"


@pytest.fixture(scope="module")
def served(running: RunningRegistry, settings: Settings) -> str:
    """A name without a server; ``<name>/tool:1`` lies in the environment's registry."""
    from harness import images

    running.registry.serve(SERVED)
    running.registry.push(images.ensure("base-installer", settings=settings), f"{SERVED}/tool:1")
    return SERVED


def test_images_of_a_served_name_need_a_login_for_that_name(
    project: Objects, running: RunningRegistry, served: str
) -> None:
    own = running.secret(project)
    line = refused(project, f"{served}/tool:1", imagePullSecrets=own)
    assert line.endswith(f"unauthorized: pull secret registry-secret is for {running.name}, not for {HOST}")
    runs(
        project,
        f"{served}/tool:1",
        imagePullSecrets=running.secret(project, "custom", **{served: running.credentials.pull}),
    )


def test_a_missing_tag_of_a_served_name_is_reported_with_the_existing_ones(
    project: Objects, running: RunningRegistry, served: str
) -> None:
    secrets = running.secret(project, "custom", **{served: running.credentials.pull})
    for image, expected in (
        ("tool:9", "tag 9 is not in the registry, which has 1"),
        ("other:1", "no repository group/other; "),
    ):
        name = project.pod({"name": "main", "image": f"{served}/{image}"}, imagePullSecrets=secrets)
        message = failed_pulls.explain(running.registry, f"{served}/{image}", project.waiting(name, "ErrImagePull"))
        assert expected in message


def test_equal_paths_of_two_names_are_two_images(project: Objects, running: RunningRegistry, served: str) -> None:
    image = f"{running.name}/group/tool:1"
    name = project.pod({"name": "main", "image": image}, imagePullSecrets=running.secret(project))
    message = failed_pulls.explain(running.registry, image, project.waiting(name, "ErrImagePull"))
    assert "no repository group/tool; the registry has: " in message
    assert "example.org" not in message


def test_an_open_registry_needs_no_pull_secret(project: Objects, running: RunningRegistry, settings: Settings) -> None:
    from harness import images

    running.registry.serve("localhost:32000", open_to_all=True)
    running.registry.push(images.ensure("base-installer", settings=settings), "localhost:32000/tool:1")
    runs(project, "localhost:32000/tool:1")


def test_an_image_that_is_pushed_again_under_a_served_name_is_the_next_pods(
    project: Objects, running: RunningRegistry, served: str, settings: Settings
) -> None:
    from harness import images

    secrets = running.secret(project, "custom", **{served: running.credentials.pull})
    image = f"{served}/again:1"
    running.registry.push(images.ensure("base-installer", settings=settings), image)
    running.cluster.withdraw_images([image])
    command = {"name": "main", "image": image, "command": ["sh", "-c", "command -v registry || echo other"]}
    assert project.output(command, imagePullSecrets=secrets) == "other"
    running.registry.push(images.ensure("registry", settings=settings), image)
    running.cluster.withdraw_images([image])
    assert project.output(command, imagePullSecrets=secrets) == "/usr/local/bin/registry"


def test_a_missing_tag_is_named_with_the_tags_the_registry_has(project: Objects, running: RunningRegistry) -> None:
    registry = running.name
    name = project.pod({"name": "main", "image": f"{registry}/tool:3"}, imagePullSecrets=running.secret(project))
    message = failed_pulls.explain(running.registry, f"{registry}/tool:3", project.waiting(name, "ErrImagePull"))
    assert f'"{registry}/tool:3"' in message
    assert message.endswith("tag 3 is not in the registry, which has 1, 2")


def test_a_missing_repository_is_named_with_those_the_registry_has(project: Objects, running: RunningRegistry) -> None:
    registry = running.name
    name = project.pod({"name": "main", "image": f"{registry}/toll:1"}, imagePullSecrets=running.secret(project))
    message = failed_pulls.explain(running.registry, f"{registry}/toll:1", project.waiting(name, "ErrImagePull"))
    assert message.endswith("no repository toll; the registry has: tool")


def test_an_image_that_is_pushed_later_is_found_by_the_next_attempt(
    project: Objects, running: RunningRegistry, settings: Settings
) -> None:
    from harness import images

    image = f"{running.name}/late:1"
    container = {"name": "main", "image": image, "command": ["/no/such"]}
    name = project.pod(container, imagePullSecrets=running.secret(project))
    project.waiting(name, "ErrImagePull")
    running.registry.push(images.ensure("base-installer", settings=settings), image)
    assert terminated(project.end(name))["reason"] == "StartError"


def test_an_image_that_the_engine_only_happens_to_have_is_not_on_the_node(
    project: Objects, services_image: str
) -> None:
    name = project.pod({"name": "main", "image": services_image, "imagePullPolicy": "Never"})
    assert services_image in project.waiting(name, "ErrImageNeverPull")


def test_an_image_of_an_unreachable_registry_cannot_be_pulled(project: Objects) -> None:
    # port 9 of this machine: refused at once
    name = project.pod({"name": "main", "image": "127.0.0.1:9/some/image:1"})
    assert "127.0.0.1:9/some/image:1" in project.waiting(name, "ErrImagePull")


def test_an_invalid_image_name_is_refused_at_once(project: Objects) -> None:
    name = project.pod({"name": "main", "image": "Registry/UPPER:{{ version }}"})
    assert "UPPER" in project.waiting(name, "InvalidImageName")


def test_a_pull_secret_that_does_not_exist_is_a_warning_and_no_more(project: Objects) -> None:
    project.create("Secret", "there", type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": "e30="})
    secrets = [{"name": "there"}, {"name": "missing"}]
    name = project.pod(shell("true"), imagePullSecrets=secrets)
    assert terminated(project.end(name))["exitCode"] == 0
    warnings = [
        event["message"]
        for event in project.api.list("Event", project.namespace)
        if event["reason"] == "FailedToRetrieveImagePullSecret" and event["involvedObject"]["name"] == name
    ]
    assert len(warnings) == 1
    assert "(missing)" in warnings[0]


def test_an_imported_archive_is_on_the_node_unless_pulls_are_forced(
    cluster: Cluster, project: Objects, running: RunningRegistry, settings: Settings, tmp_path: Path
) -> None:
    from harness import images
    from harness.engine import connect

    registry, secrets = running.name, running.secret(project)
    reference = f"{registry}/imported:1"
    client = connect()
    client.images.get(images.ensure("base-installer", settings=settings)).tag(f"{registry}/imported", "1")
    archive = tmp_path / "images.tar"
    with archive.open("wb") as file:
        for block in client.api.get_image(reference):
            file.write(block)
    client.api.remove_image(reference, noprune=True)
    assert cluster.import_archive(archive) == [reference]
    assert client.images.list(name=reference) == []
    client.close()
    container = {"name": "main", "image": reference, "command": ["/no/such"]}
    assert terminated(project.end(project.pod(container)))["reason"] == "StartError"
    for policy in ("Always", "IfNotPresent"):
        name = project.pod(container | {"imagePullPolicy": policy}, imagePullSecrets=secrets)
        message = failed_pulls.explain(running.registry, reference, project.waiting(name, "ErrImagePull"))
        assert f'"{reference}"' in message
        assert "no repository imported" in message
        cluster.withdraw_images([reference, f"{registry}/never-there:1"])


def test_a_file_that_is_not_an_image_archive_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    with tarfile.open(archive, "w") as file:
        file.addfile(tarfile.TarInfo("readme.txt"), io.BytesIO())
    with pytest.raises(UsageError, match="not an archive of images"):
        cluster.import_archive(archive)
    archive.write_bytes(b"no archive at all")
    with pytest.raises(UsageError, match="not an archive of images"):
        cluster.import_archive(archive)


def test_one_image_runs_another_command_under_each_of_its_names(
    cluster: Cluster, project: Objects, services_image: str
) -> None:
    commands = {f"test.invalid/{word}:1": ["python", "-c", f"print('this is {word}')"] for word in ("one", "two")}
    cluster.provide_images(dict.fromkeys(commands, services_image), commands)
    assert set(commands) < set(cluster.node_images())
    for word in ("one", "two"):
        name = project.pod({"name": "main", "image": f"test.invalid/{word}:1"})
        assert terminated(project.end(name))["exitCode"] == 0
        assert project.log(name).strip() == f"this is {word}"
    # what the pod says counts more, and the image itself is as it was
    name = project.pod({"name": "main", "image": "test.invalid/one:1", "args": ["echo", "that"]})
    project.end(name)
    assert project.log(name).strip() == "that"
    name = project.pod(shell("echo itself"))
    project.end(name)
    assert project.log(name).strip() == "itself"


def test_providing_an_image_that_the_engine_has_not_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(ImageError, match="no-such-image"):
        cluster.provide_images({"a:1": "no-such-image:1"})
    assert IMAGE in cluster.node_images()
