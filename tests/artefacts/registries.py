"""A registry with a login, in a container on the loopback address."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import secrets
import tarfile
import time
from collections.abc import Iterator

import httpx
from docker import APIClient

_READY_S = 20.0


@dataclasses.dataclass(frozen=True)
class Registry:
    """A running registry."""

    address: str

    def push(self, api: APIClient, image: str, name: str, user: str, password: str) -> None:
        """Push an image of the engine under a name; the engine keeps nothing of it."""
        repository, _, tag = f"{self.address}/{name}".rpartition(":")
        api.tag(image, repository, tag)
        try:
            login = {"username": user, "password": password}
            for event in api.push(repository, tag=tag, stream=True, decode=True, auth_config=login):
                assert "error" not in event, event
        finally:
            api.remove_image(f"{repository}:{tag}", noprune=True)


@contextlib.contextmanager
def running(api: APIClient, image: str, *, htpasswd: str) -> Iterator[Registry]:
    """Run a registry for the length of the block."""
    host = api.create_host_config(port_bindings={5000: ("127.0.0.1", None)}, auto_remove=True)
    variables = {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "test",
        "REGISTRY_AUTH_HTPASSWD_PATH": "/htpasswd",
    }
    name = f"kh-test-registry-{secrets.token_hex(4)}"
    container = api.create_container(image, name=name, host_config=host, ports=[5000], environment=variables)["Id"]
    try:
        api.put_archive(container, "/", _file("htpasswd", htpasswd))
        api.start(container)
        address = f"localhost:{api.port(container, 5000)[0]['HostPort']}"
        _wait(address)
        yield Registry(address)
    finally:
        api.remove_container(container, force=True)


def _file(name: str, text: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text.encode())
        archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def _wait(address: str) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"http://{address}/v2/", trust_env=False)
            if "docker-distribution-api-version" in answer.headers:
                return
        assert time.monotonic() < deadline, "the registry did not answer"
        time.sleep(0.05)
