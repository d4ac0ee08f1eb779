"""The registry client, against the registry that the platform runs."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from docker import APIClient

from harness.engine import find_image
from harness.errors import ImageError, PlatformError
from harness.images import RegistryClient
from harness.images.derivation import derive_image
from harness.images.pull import pull

BASIC = "Basic " + base64.b64encode(b"me:word").decode()


def test_an_image_that_was_pushed_is_listed_and_leaves_no_name_in_the_engine(
    engine: APIClient, registry: RegistryClient, base_installer: str
) -> None:
    digest = registry.push(base_installer, f"{registry.address}/group/pushed:1.0")
    assert digest.startswith("sha256:")
    assert registry.digest("group/pushed", "1.0") == digest
    assert registry.tags("group/pushed") == ["1.0"]
    assert "group/pushed" in registry.catalog()
    assert find_image(engine, f"{registry.address}/group/pushed:1.0") is None


def test_a_tag_that_is_missing_has_no_digest(registry: RegistryClient, base_installer: str) -> None:
    registry.push(base_installer, "known:0.1")
    assert registry.digest("known", "0.2") is None
    assert registry.tags("known") == ["0.1"]
    assert registry.tags("knwon") == []


def test_a_login_is_used_for_asking_and_by_the_engine_for_pushing(base_installer: str) -> None:
    """A registry that answers 401 to all but one login, in front of nothing: what it is asked with is looked at."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_HEAD(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def answer(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.send_response(200 if seen[-1] == BASIC else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="r"')
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"localhost:{server.server_address[1]}"
    try:
        with RegistryClient(address) as anonymous:
            assert not anonymous.ready()
        with RegistryClient(address, login=("me", "word")) as client:
            assert client.ready()
            seen.clear()
            with pytest.raises(ImageError):
                client.push(base_installer, "x:1")
        assert BASIC in seen
    finally:
        server.shutdown()
        server.server_close()


def test_an_image_of_layers_that_are_there_is_put_beside_them(
    engine: APIClient, registry: RegistryClient, base_installer: str
) -> None:
    pushed = registry.manifest("group/derived", registry.push(base_installer, "group/derived:1"))
    assert pushed is not None
    configuration = registry.blob("group/derived", pushed[1]["config"]["digest"])
    derived = derive_image(pushed[1], configuration, ["echo", "own command"])
    for _ in range(2):
        registry.put("group/derived:own", derived)
    assert registry.digest("group/derived", "own") == derived.manifest.digest
    pulled = f"{registry.address}/group/derived@{derived.manifest.digest}"
    assert pull(pulled, print) == ""
    try:
        found, base = find_image(engine, pulled), find_image(engine, base_installer)
        assert found is not None
        assert base is not None
        assert found["RootFS"] == base["RootFS"]
        assert found["Config"]["Cmd"] == ["echo", "own command"]
        assert found["Config"]["Env"] == base["Config"]["Env"]
    finally:
        engine.remove_image(pulled)


def test_an_image_that_does_not_exist_cannot_be_pushed(registry: RegistryClient) -> None:
    with pytest.raises(ImageError, match="there is no image kaapana-harness/nothing:1 to push"):
        registry.push("kaapana-harness/nothing:1", "nothing:1")


def test_a_registry_that_does_not_answer_is_named() -> None:
    with RegistryClient("localhost:9", timeout_s=2) as registry:
        assert not registry.ready()
        with pytest.raises(PlatformError, match="the registry localhost:9 does not answer"):
            registry.catalog()
