"""Engines of other releases: one version for all clients; what cannot work is refused by name."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import secrets
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bcrypt
import docker.errors
import pytest

from harness import doctor, engine, images
from harness.cluster import open_cluster
from harness.cluster.kind.nodes import pipe
from harness.doctor.builder import find_socket_builder
from harness.engine import connect, leftovers, networks
from harness.errors import BuildError, EngineError, ImageError
from harness.images import RegistryClient
from harness.platform import delivery
from harness.settings import Settings
from harness.wire import subnets
from harness.wire.names import SERVICES_NAMESPACE
from tests.artefacts import registries
from tests.cluster.objects import IMAGE, Objects, fetch_script, fetched, http_server, python
from tests.engines.standin import StandIn

RANGE = ipaddress.IPv4Network(subnets.RANGE)
NEWER = {"api": "1.60", "minimum": "1.44"}
Play = Callable[[StandIn], StandIn]
_USERS = f"ada:{bcrypt.hashpw(b'lovelace', bcrypt.gensalt(4)).decode()}\n"
_LOGIN = {"username": "ada", "password": "lovelace"}


@contextlib.contextmanager
def tagged() -> Iterator[str]:
    """A name in the engine that is gone afterwards."""
    name = f"kaapana-harness/engines-{secrets.token_hex(3)}:1"
    yield name
    client = engine.connect_api()
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.remove_image(name, force=True)
    client.close()


def test_a_client_speaks_the_newest_version_that_both_sides_know(play: Play) -> None:
    standin = play(StandIn(**NEWER))
    with contextlib.closing(engine.connect_api()) as api, contextlib.closing(connect()) as client:
        assert (api.api_version, client.api.api_version) == ("1.51", "1.51")
        api.images()
    assert standin.versions == {"", "1.51"}
    assert standin.refused == []


def test_the_stand_in_refuses_as_the_engine_does(play: Play) -> None:
    standin = play(StandIn(**NEWER))
    found = doctor.require_engine()
    for version, words in (("1.41", "is too old. Minimum supported API version is 1.44"), ("1.61", "is too new")):
        client = docker.APIClient(found.address, version=version)
        with contextlib.closing(client), pytest.raises(docker.errors.APIError, match=f"version {version} {words}"):
            client.images()
    assert len(standin.refused) == 2


def test_a_cluster_runs_pods_on_an_engine_that_does_not_know_the_oldest_version(
    play: Play, services_image: str, settings: Settings
) -> None:
    standin = play(StandIn(**NEWER))
    cluster = open_cluster("docker", settings, environment_id=f"e{secrets.token_hex(3)}")
    try:
        cluster.wait_until_usable()
        cluster.provide_images({IMAGE: services_image})
        cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "project-1"}})
        project = Objects(cluster.api, "project-1")
        assert project.output(python("import os; print('here', os.getpid() > 0)")) == "here True"
        two = [python("print('one')", name="one"), python("print('two')", name="two")]
        name = project.pod(*two)
        project.end(name)
        assert cluster.trouble() == ""
    finally:
        cluster.close()
    assert standin.refused == []
    assert standin.versions == {"", "1.51"}


def test_images_are_built_saved_loaded_and_removed_there(
    play: Play, services_image: str, settings: Settings, tmp_path: Path
) -> None:
    standin = play(StandIn(**NEWER))
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(f"FROM {services_image}\nRUN echo built >/built\n")
    with tagged() as name, tagged() as saved_as, contextlib.closing(engine.connect_api()) as api:
        built = images.build_extension_image(tmp_path / "context", name, settings=settings)
        assert any(image.tag == name for image in images.list_images(settings))
        archive = tmp_path / "images.tar"
        delivery.write_archive([delivery.PodImage("x", built, saved_as)], archive, lambda line: None)
        assert engine.find_image(api, saved_as) is None
        with archive.open("rb") as file:
            engine.load_images(api, iter(lambda: file.read(1 << 20), b""), "images.tar")
        found = engine.find_image(api, saved_as)
        assert found is not None
        assert found["Id"] == built
    assert standin.refused == []


def test_an_image_is_pushed_and_pulled_there(play: Play, services_image: str, settings: Settings) -> None:
    standin = play(StandIn(**NEWER))
    made = images.ensure("registry", settings=settings)
    with contextlib.closing(engine.connect_api()) as api, registries.running(api, made, htpasswd=_USERS) as registry:
        with RegistryClient(registry.address, login=("ada", "lovelace")) as client:
            assert client.push(services_image, "team/small:1").startswith("sha256:")
        name = f"{registry.address}/team/small:1"
        assert engine.find_image(api, name) is None
        try:
            events = api.pull(name, stream=True, decode=True, auth_config=_LOGIN)
            assert not any(engine.find_error(event) for event in events)
            assert engine.find_image(api, name) is not None
        finally:
            api.remove_image(name, noprune=True)
    assert standin.refused == []


def test_images_are_streamed_to_a_node_of_kind_there(play: Play, services_image: str) -> None:
    standin = play(StandIn(api="1.48", minimum="1.44"))
    with contextlib.closing(engine.connect_api()) as api:
        saved = engine.save_images(api, [services_image])
        with pipe(saved) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            assert "manifest.json" in archive.getnames()
    assert standin.refused == []


@pytest.mark.parametrize(
    ("standin", "cause", "fix"),
    [
        (
            StandIn(api="1.40", minimum="1.12", version="19.03.15"),
            r"Docker 19\.03\.15, API 1\.12 to 1\.40, .*: too old, API 1\.41 to 1\.51 is needed",
            "install Docker Engine 20.10 or newer, or unset DOCKER_HOST",
        ),
        (
            StandIn(api="1.99", minimum="1.70", version="50.0"),
            r"Docker 50\.0, API 1\.70 to 1\.99, .*: too new, API 1\.41 to 1\.51 is known",
            "use a newer version of the harness, or an older engine, or unset DOCKER_HOST",
        ),
        (
            StandIn(**NEWER, said={"Arch": "arm64", "Os": "linux"}),
            r"Docker 40\.0\.1 at .* runs arm64 containers; images of the platform are amd64",
            "use an engine on a machine with amd64 processors, or unset DOCKER_HOST",
        ),
        (
            StandIn(**NEWER, said={"Os": "windows"}),
            r"runs windows containers",
            "switch it to Linux containers, or unset DOCKER_HOST",
        ),
        (
            StandIn(
                api="1.41",
                minimum="1.24",
                version="4.3.1",
                said={"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}, {"Name": "Conmon"}]},
            ),
            r"Podman 4\.3\.1 at .* is not Docker: ",
            "install Docker Engine 20.10 or newer, or unset DOCKER_HOST",
        ),
    ],
    ids=["too old", "too new", "arm64", "windows", "podman"],
)
def test_an_engine_that_cannot_work_is_refused_at_once_by_name(
    standin: StandIn, cause: str, fix: str, play: Play, settings: Settings
) -> None:
    play(standin)
    for way in (connect, engine.connect_api, lambda: images.ensure("services", settings=settings)):
        with pytest.raises(EngineError, match=cause) as caught:
            way()
        assert caught.value.fix == fix
    # nothing but the question what it is
    assert standin.versions == {""}


def test_the_look_before_the_first_image_asks_the_engine_for_what_it_says_of_itself(play: Play) -> None:
    standin = play(StandIn(**NEWER, said={"Version": "40.0.1"}))
    said: list[str] = []
    doctor.preflight(said.append)
    assert said[0].startswith("container engine: Docker 40.0.1, API 1.44 to 1.60, unix://")
    assert " image store" in said[0]
    assert standin.versions == {"", "1.51"}


SAVING = {r"GET /images/get": (500, 'file integrity checksum failed for "etc/passwd"')}


def test_the_engines_words_about_images_that_it_cannot_save_are_reported(
    play: Play, services_image: str, tmp_path: Path
) -> None:
    play(StandIn(**NEWER, refusals=SAVING))
    image = delivery.PodImage("x", services_image, f"kaapana-harness/engines-{secrets.token_hex(3)}:1")
    with pytest.raises(ImageError, match="the images cannot be saved") as caught:
        delivery.write_archive([image], tmp_path / "images.tar", lambda line: None)
    assert caught.value.last_seen == 'file integrity checksum failed for "etc/passwd"'
    assert not list(tmp_path.glob("*.tar*"))


def test_networks_are_made_in_ranges_of_our_own_where_the_engine_has_none_left(
    play: Play, services_image: str, settings: Settings
) -> None:
    play(StandIn(**NEWER, pools_used_up=True))
    name = f"e{secrets.token_hex(3)}"
    cluster = open_cluster("docker", settings, environment_id=name, images=[services_image])
    try:
        cluster.wait_until_usable()
        cluster.provide_images({IMAGE: services_image})
        for namespace in (SERVICES_NAMESPACE, "project-1"):
            cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        platform, project = Objects(cluster.api, SERVICES_NAMESPACE), Objects(cluster.api, "project-1")
        web = platform.pod(http_server(8080, "from the web"), annotations={"kaapana-harness/networks": "pods"})
        address = platform.ready(web)["status"]["podIP"]
        assert ipaddress.ip_address(address) in RANGE
        labels = {"network-access-external-ips": "true"}
        script = python(fetch_script(f"http://{address}:8080/", reached=True))
        assert [project.output(script), project.output(script, labels=labels)] == ["from the web"] * 2
        project.service("open", 8080, "open", type="NodePort")
        project.ready(project.pod(http_server(8080, "from the host"), labels={"app": "open"}))
        port = cluster.address(project.namespace, "open", 8080)
        assert fetched(f"http://{port[0]}:{port[1]}/") == b"from the host"
        with contextlib.closing(connect()) as client:
            made = [entry for entry in client.api.networks() if entry["Name"].startswith(f"kh-{name}-")]
        ranges = {entry["IPAM"]["Config"][0]["Subnet"] for entry in made}
        assert len(ranges) == len(made) == 5
        assert all(ipaddress.IPv4Network(found).subnet_of(RANGE) for found in ranges)
    finally:
        cluster.close()


NO_ADDRESSES = {r"POST /networks/create": (404, "could not find an available address pool")}


@pytest.mark.parametrize("whose", ["of the host's side", "of the control plane"])
def test_an_engine_without_addresses_for_another_network_is_named_with_the_way_out(
    whose: str, play: Play, services_image: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin = play(StandIn(**NEWER))
    create = networks.create_edge

    def create_and_refuse_others(*arguments: Any) -> None:
        create(*arguments)
        standin.refusals = NO_ADDRESSES

    if whose == "of the host's side":
        standin.refusals = NO_ADDRESSES
    else:
        monkeypatch.setattr(networks, "create_edge", create_and_refuse_others)
    name = f"e{secrets.token_hex(3)}"
    with pytest.raises(EngineError, match=r"did not start: .*could not find an available address pool") as caught:
        open_cluster("docker", settings, environment_id=name, images=[services_image])
    assert "default-address-pools" in caught.value.fix
    with contextlib.closing(connect()) as client:
        assert leftovers.find(client, name) == {}


def test_the_engines_words_about_an_archive_that_it_does_not_load_are_reported(play: Play) -> None:
    play(StandIn(**NEWER, refusals={r"POST /images/load": (500, "no space left on device")}))
    with contextlib.closing(engine.connect_api()) as api, pytest.raises(ImageError, match="does not load") as caught:
        engine.load_images(api, iter([b"x"]), "images.tar")
    assert caught.value.last_seen == "no space left on device"


def test_the_engines_words_about_a_build_that_it_does_not_begin_are_reported(
    play: Play, services_image: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    play(StandIn(**NEWER, refusals={r"POST /build": (500, "the builder is switched off")}))
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(f"FROM {services_image}\n")
    with tagged() as name, pytest.raises(BuildError, match="does not build") as caught:
        images.build_extension_image(tmp_path / "context", name, settings=settings)
    assert caught.value.last_seen == "the builder is switched off"


def test_an_engine_without_buildkit_builds_by_its_legacy_builder(
    play: Play, services_image: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_BUILDKIT", raising=False)
    plugin = tmp_path / "cli-plugins" / "docker-buildx"
    plugin.parent.mkdir()
    plugin.write_text("#!/bin/sh\n[ $1 = version ] && echo github.com/docker/buildx v0.29.1 x\n")
    plugin.chmod(0o755)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert find_socket_builder(doctor.require_engine().socket, os.environ).buildkit
    play(StandIn(**NEWER, refusals={r"POST /(grpc|session)": (404, "page not found")}))
    found = find_socket_builder(doctor.require_engine().socket, os.environ)
    assert str(found) == "legacy builder: the engine has no BuildKit"
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(f"FROM {services_image}\nLABEL a={secrets.token_hex(4)}\n")
    with tagged() as name, contextlib.closing(engine.connect_api()) as api:
        images.build_extension_image(tmp_path / "context", name, settings=settings)
        for other in (engine.find_image(api, name) or {})["RepoTags"]:
            api.remove_image(other)


def test_the_engines_words_about_a_push_that_it_refuses_are_reported(play: Play, services_image: str) -> None:
    play(StandIn(**NEWER, refusals={r"POST /images/.*/push": (500, "there is no such blob")}))
    with RegistryClient("localhost:1") as client, pytest.raises(ImageError, match="cannot be pushed") as caught:
        client.push(services_image, "team/small:1")
    assert caught.value.last_seen == "there is no such blob"


@pytest.mark.parametrize(
    ("event", "trouble"),
    [
        ({"error": "no"}, "no"),
        ({"errorDetail": {"message": "no"}}, "no"),
        ({"errorDetail": "no"}, ""),
        ({"message": "no"}, "no"),
        ({"stream": "Step 1/2 : FROM x"}, ""),
        ("text", ""),
        ([], ""),
    ],
)
def test_an_error_within_a_streamed_answer_is_found(event: object, trouble: str) -> None:
    assert engine.find_error(event) == trouble
    assert engine.find_error_in_text(f"\nnot json\n{json.dumps({'status': 'x'})}\n{json.dumps(event)}\n") == trouble
