"""The registry of the platform's chart as one container on an engine, and the names of the environment's registry."""

from __future__ import annotations

import io
import secrets
import tarfile
import time
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.cluster import Cluster
from harness.doctor.facts import EngineFacts
from harness.engine import connect_api
from harness.errors import UsageError
from harness.images import RegistryClient, ensure
from harness.kube import Manifest
from harness.kube.pullsecrets import Login
from harness.platform import platform_chart
from harness.platform.credentials import Credentials
from harness.platform.registry import PlatformRegistry
from harness.settings import Settings
from tests.registry_objects import registry_objects
from tests.waiting import until

_LIMIT_S = 30.0
_CONFIG, _USERS = "/etc/harness-registry/config", "/etc/harness-registry/users"


class Container:
    """The registry's container with the files that its volumes have."""

    def __init__(self, api: Any, container: str, credentials: Credentials) -> None:
        self.api = api
        self.id = container
        self.credentials = credentials

    def address(self, port: int) -> str:
        return f"localhost:{self.api.port(self.id, port)[0]['HostPort']}"

    def pulling(self, login: Login) -> RegistryClient:
        return RegistryClient(self.address(5000), login=login)

    def pushing(self, login: Login) -> RegistryClient:
        return RegistryClient(self.address(5001), login=login)

    def write(self, folder: str, files: Mapping[str, str]) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, text in files.items():
                entry = tarfile.TarInfo(f"{folder.lstrip('/')}/{name}")
                # the registry reads the users again when the file's time differs, so whole seconds do not do
                entry.size, entry.mtime = len(text.encode()), time.time()
                archive.addfile(entry, io.BytesIO(text.encode()))
        self.api.put_archive(self.id, "/", packed.getvalue())

    def cluster(self) -> Cluster:
        """A cluster whose nodes need no notice."""
        fake = SimpleNamespace(
            registry=self.address(5000), push_address=self.address(5001), serve_registry=lambda *arguments, **more: None
        )
        return cast(Cluster, fake)


def by_kind(objects: list[Manifest], kind: str) -> Manifest:
    return next(entry for entry in objects if entry["kind"] == kind)


@pytest.fixture(scope="module")
def image(usable_engine: EngineFacts) -> str:
    return ensure("registry", settings=Settings())


@pytest.fixture
def container(image: str) -> Iterator[Container]:
    api = connect_api(timeout_s=120)
    credentials = Credentials.random()
    objects = registry_objects(image, credentials)
    command = by_kind(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["command"]
    host = api.create_host_config(port_bindings={5000: ("127.0.0.1", None), 5001: ("127.0.0.1", None)})
    created = api.create_container(
        image, command, name=f"kh-test-registry-{secrets.token_hex(4)}", host_config=host, ports=[5000, 5001]
    )
    found = Container(api, created["Id"], credentials)
    try:
        found.write(_CONFIG, by_kind(objects, "ConfigMap")["data"])
        found.write(_USERS, by_kind(objects, "Secret")["stringData"])
        api.start(found.id)
        with found.pulling(credentials.pull) as pulling, found.pushing(credentials.push) as pushing:
            until(lambda: pulling.ready() and pushing.ready())
        yield found
    finally:
        api.remove_container(found.id, force=True, v=True)
        api.close()


def test_the_logins_survive_the_ledger_and_do_not_show() -> None:
    made = Credentials.random()
    assert Credentials.from_mapping(made.as_mapping()) == made
    assert made.pull != Credentials.random().pull
    assert made.registry_password not in repr(made) + repr(made.pull)


def test_each_of_the_two_logins_opens_only_its_own_registry(container: Container) -> None:
    pull, push = container.credentials.pull, container.credentials.push
    with container.pulling(push) as wrong:
        assert not wrong.ready()
    with container.pushing(pull) as wrong:
        assert not wrong.ready()
    with RegistryClient(container.address(5000)) as anonymous:
        assert not anonymous.ready()


@pytest.mark.parametrize("which", ["pull", "push"])
def test_the_container_ends_when_either_of_its_registries_ends(container: Container, which: str) -> None:
    chosen = f"grep -q registry $p/comm && grep -q {which}.yml $p/cmdline"
    script = f"for p in /proc/[0-9]*; do {chosen} && kill ${{p#/proc/}}; done"
    done = container.api.exec_create(container.id, ["sh", "-c", script])
    container.api.exec_start(done["Id"])
    assert container.api.wait(container.id, timeout=_LIMIT_S)["StatusCode"] == 1


def test_the_container_ends_at_once_when_it_is_stopped(container: Container) -> None:
    container.api.stop(container.id, timeout=60)
    # 137 would be the engine's patience at its end
    assert container.api.inspect_container(container.id)["State"]["ExitCode"] == 1


def test_a_user_who_is_added_to_the_file_may_pull_at_once(container: Container) -> None:
    more = Login("alice", "else")
    with container.pulling(more) as client_:
        assert not client_.ready()
        container.write(_USERS, platform_chart.list_registry_users(container.credentials, [more]))
        assert client_.ready()


def test_an_image_pushed_under_a_served_name_is_found_by_it_and_apart_from_equal_paths(
    container: Container,
) -> None:
    small = ensure("base-installer", settings=Settings())
    keys = container.credentials
    registry = PlatformRegistry(container.cluster(), name="Registry.example.org:5000/g", pull=keys.pull, push=keys.push)
    registry.serve("localhost:32000")
    reference, other = "Registry.example.org:5000/g/x:1", "localhost:32000/g/x:2"
    assert registry.name == "Registry.example.org:5000/g"
    digest = registry.push(small, reference)
    assert registry.digest(reference) == digest
    assert registry.has(reference, registry_id(small))
    assert registry.digest(other) is None
    assert registry_id(small) in registry.digests(reference)
    assert digest in registry.digests(reference)
    assert registry.digests(other) == frozenset()
    registry.push(small, other)
    assert registry.tags("Registry.example.org:5000/g/x") == ["1"]
    assert registry.tags("localhost:32000/g/x") == ["2"]
    assert registry.tags("localhost:32000/g/y") is None
    assert registry.repositories(other) == ["g/x"]
    with container.pulling(keys.pull) as nodes:
        assert nodes.catalog() == ["localhost_32000/g/x", "registry.example.org_5000/g/x"]
    with pytest.raises(UsageError, match=r"elsewhere\.example/x:1 is not in the platform's registry"):
        registry.push(small, "elsewhere.example/x:1")
    assert not registry.serves("Registry.example.org:5000/other/x:1")
    registry.forget("localhost:32000")
    assert not registry.serves(other)
    registry.close()


def registry_id(tag: str) -> str:
    with connect_api() as api:
        return str(api.inspect_image(tag)["Id"])
