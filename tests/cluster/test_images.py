"""Where the images of pods come from, and what is said when they come from nowhere."""

from __future__ import annotations

import io
import json
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cluster import Cluster
from harness.contract.names import HARNESS_REGISTRY
from harness.errors import ImageError, UsageError
from harness.platform import pulls
from harness.settings import Settings
from tests.cluster.objects import IMAGE, Objects, fetched, shell, terminated


@pytest.fixture(scope="module")
def registry(cluster: Cluster, settings: Settings) -> Iterator[str]:
    """The environment's registry with ``tool:1`` and ``tool:2``, running on the cluster."""
    from harness import images
    from harness.cluster.docker.engine import connect

    name, namespace, port = HARNESS_REGISTRY
    image = images.ensure("registry", settings=settings)
    cluster.provide_images({"test.invalid/registry:1": image})
    objects = Objects(cluster.api, namespace)
    objects.service(name, port, name, type="NodePort")
    container = {
        "name": "registry",
        "image": "test.invalid/registry:1",
        "readinessProbe": {"httpGet": {"port": port, "path": "/v2/"}},
    }
    objects.ready(objects.pod(container, labels={"app": name}))
    address = cluster.registry
    fetched(f"http://{address}/v2/")
    client = connect()
    for tag in ("1", "2"):
        client.images.get(images.ensure("base-installer", settings=settings)).tag(f"{address}/tool", tag)
        for line in client.api.push(f"{address}/tool", tag, stream=True, decode=True):
            assert "error" not in line, line
        client.api.remove_image(f"{address}/tool:{tag}", noprune=True)
    client.close()
    yield address
    objects.remove()


def test_an_image_is_taken_from_the_registry(project: Objects, registry: str) -> None:
    name = project.pod({"name": "main", "image": f"{registry}/tool:1", "command": ["/no/such"]})
    assert terminated(project.end(name))["reason"] == "StartError"


def test_the_registry_is_announced_as_other_tools_expect_it(cluster: Cluster, registry: str) -> None:
    if cluster.name == "docker":
        pytest.skip("KEP-1755 is about real clusters")
    found = cluster.api.get("ConfigMap", "kube-public", "local-registry-hosting")
    assert f'host: "{registry}"' in found["data"]["localRegistryHosting.v1"]


def test_a_missing_tag_is_named_with_the_tags_the_registry_has(project: Objects, registry: str) -> None:
    name = project.pod({"name": "main", "image": f"{registry}/tool:3"})
    message = pulls.told(registry, f"{registry}/tool:3", project.waiting(name, "ErrImagePull"))
    assert f'"{registry}/tool:3"' in message
    assert message.endswith("no tag 3; tags of tool: 1, 2")


def test_a_missing_repository_is_named_with_those_the_registry_has(project: Objects, registry: str) -> None:
    name = project.pod({"name": "main", "image": f"{registry}/toll:1"})
    message = pulls.told(registry, f"{registry}/toll:1", project.waiting(name, "ErrImagePull"))
    assert message.endswith("no repository toll; the registry has: tool")


def test_an_image_that_is_pushed_later_is_found_by_the_next_attempt(project: Objects, registry: str) -> None:
    name = project.pod({"name": "main", "image": f"{registry}/late:1", "command": ["/no/such"]})
    project.waiting(name, "ErrImagePull")
    manifest_type = "application/vnd.docker.distribution.manifest.v2+json"
    url = f"http://{registry.replace('localhost', '127.0.0.1')}/v2/"
    request = urllib.request.Request(f"{url}tool/manifests/1", headers={"Accept": manifest_type})
    manifest = urllib.request.urlopen(request, timeout=10).read()
    decoded = json.loads(manifest)
    for blob in [decoded["config"], *decoded["layers"]]:
        mount = f"{url}late/blobs/uploads/?mount={blob['digest']}&from=tool"
        assert urllib.request.urlopen(urllib.request.Request(mount, method="POST"), timeout=10).status == 201
    put = urllib.request.Request(
        f"{url}late/manifests/1", data=manifest, method="PUT", headers={"Content-Type": manifest_type}
    )
    urllib.request.urlopen(put, timeout=10)
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


def test_a_name_that_is_none_is_refused_at_once(project: Objects) -> None:
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
    cluster: Cluster, project: Objects, registry: str, settings: Settings, tmp_path: Path
) -> None:
    from harness import images
    from harness.cluster.docker.engine import connect

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
        name = project.pod(container | {"imagePullPolicy": policy})
        message = pulls.told(registry, reference, project.waiting(name, "ErrImagePull"))
        assert f'"{reference}"' in message
        assert "no repository imported" in message
        cluster.withdraw_images([reference, f"{registry}/never-there:1"])


def test_a_file_that_is_no_archive_of_images_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    with tarfile.open(archive, "w") as file:
        file.addfile(tarfile.TarInfo("readme.txt"), io.BytesIO())
    with pytest.raises(UsageError, match="no archive of images"):
        cluster.import_archive(archive)
    archive.write_bytes(b"no archive at all")
    with pytest.raises(UsageError, match="no archive of images"):
        cluster.import_archive(archive)


def test_providing_an_image_that_the_engine_has_not_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(ImageError, match="no-such-image"):
        cluster.provide_images({"a:1": "no-such-image:1"})
    assert IMAGE in cluster.node_images()
