"""Logging in to a user's registry, against servers that follow the specification."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from harness import engine
from harness.engine import logins
from harness.errors import EngineError, PlatformError
from harness.images import registry_login
from harness.images.registry import parse_address

HOST = "registry.site"
BASIC = "Basic " + base64.b64encode(b"me:secret").decode()
IDENTITY = "identity-token-of-the-user"
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `docker login registry.site` leaves."""
    auths = {HOST: {"auth": BASIC.removeprefix("Basic ")}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def client(answer: Answer) -> httpx.Client:
    login = registry_login.RegistryLogin(HOST)
    return httpx.Client(base_url=f"https://{HOST}", transport=httpx.MockTransport(answer), auth=login)


class TokenServer:
    """A registry whose tokens are for one repository each, and the server that gives them out."""

    def __init__(self, *, private: bool) -> None:
        self.private = private
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        given = request.headers.get("authorization", "")
        if request.url.host == "tokens.site":
            self.asked.append(request.url.params["scope"])
            if self.private and given != BASIC:
                return httpx.Response(401)
            return httpx.Response(200, json={"token": f"for {request.url.params['scope']}"})
        repository = request.url.path.removeprefix("/v2/").removesuffix("/tags/list")
        if given == f"Bearer for repository:{repository}:pull":
            return httpx.Response(200, json={"tags": ["1"]})
        challenge = f'Bearer realm="https://tokens.site/t",service="s",scope="repository:{repository}:pull"'
        return httpx.Response(401, headers={"www-authenticate": challenge})


def test_a_public_repository_is_read_with_an_anonymous_token() -> None:
    with client(TokenServer(private=False)) as registry:
        assert registry.get("/v2/a/tags/list").json() == {"tags": ["1"]}


@pytest.mark.usefixtures("logged_in")
def test_a_token_is_kept_for_its_repository_and_another_one_fetched_for_another() -> None:
    server = TokenServer(private=True)
    with client(server) as registry:
        for name in ("a", "a", "b"):
            assert registry.get(f"/v2/{name}/tags/list").status_code == 200
    assert server.asked == ["repository:a:pull", "repository:b:pull"]


def test_without_a_login_a_private_repository_answers_401(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with client(TokenServer(private=True)) as registry:
        assert registry.get("/v2/a/tags/list").status_code == 401


@pytest.mark.usefixtures("logged_in")
def test_a_registry_that_wants_name_and_password_gets_those_of_docker_login() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") == BASIC:
            return httpx.Response(200)
        return httpx.Response(401, headers={"www-authenticate": 'Basic realm="r"'})

    with client(answer) as registry:
        assert registry.get("/v2/").status_code == 200


@pytest.mark.parametrize(
    ("address", "url", "prefix"),
    [
        ("localhost:5000", "http://localhost:5000", ""),
        ("127.0.0.1:5000/kh-1", "http://127.0.0.1:5000", "kh-1/"),
        ("registry.site/team/kh-1", "https://registry.site", "team/kh-1/"),
    ],
)
def test_a_registry_is_asked_without_tls_on_the_loopback_address_only(address: str, url: str, prefix: str) -> None:
    assert parse_address(address) == (url, prefix)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["token"]),
        httpx.Response(200, json=None),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"token": 5}),
        httpx.Response(200, json={"token": "a\r\nX: y"}),
        httpx.Response(200, json={"token": "\u00e4"}),
    ],
)
@pytest.mark.usefixtures("logged_in")
def test_a_token_server_that_gives_no_token_is_named_with_the_registry(answer: httpx.Response) -> None:
    challenge = 'Bearer realm="https://tokens.site/t",service="s"'

    def server(request: httpx.Request) -> httpx.Response:
        if request.url.host == "tokens.site":
            return httpx.Response(answer.status_code, content=answer.content)
        return httpx.Response(401, headers={"www-authenticate": challenge})

    with client(server) as registry, pytest.raises(PlatformError) as caught:
        registry.get("/v2/a/tags/list")
    assert "registry.site sends for a token to https://tokens.site/t" in caught.value.cause
    assert "GET" in caught.value.cause


@pytest.mark.parametrize("realm", ["", "/token", "https://", "https://tokens.site:port/t", "file:///etc/passwd"])
def test_a_challenge_without_the_url_of_a_token_server_is_an_error(realm: str) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, headers={"www-authenticate": f'Bearer realm="{realm}"'})

    with client(server) as registry, pytest.raises(PlatformError, match=r"the registry registry\.site asks for a"):
        registry.get("/v2/a/tags/list")


def from_file(folder: Path) -> None:
    auths = {HOST: {"auth": BASIC.removeprefix("Basic "), "identitytoken": IDENTITY}}
    (folder / "config.json").write_text(json.dumps({"auths": auths}))


def from_helper(folder: Path) -> None:
    program = folder / "docker-credential-kept"
    given = json.dumps({"ServerURL": HOST, "Username": "<token>", "Secret": IDENTITY})
    program.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{given}'\n")
    program.chmod(0o755)
    (folder / "config.json").write_text(json.dumps({"credHelpers": {HOST: "kept"}}))


@pytest.mark.parametrize("kept", [from_file, from_helper])
def test_an_identity_token_is_exchanged_by_the_token_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Callable[[Path], None]
) -> None:
    kept(tmp_path)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    asked: list[dict[str, list[str]]] = []

    def server(request: httpx.Request) -> httpx.Response:
        if request.url.host == "tokens.site":
            assert "authorization" not in request.headers
            asked.append(urllib.parse.parse_qs(request.content.decode()) if request.method == "POST" else {})
            return httpx.Response(200, json={"access_token": "access"})
        if request.headers.get("authorization") == "Bearer access":
            return httpx.Response(200)
        challenge = 'Bearer realm="https://tokens.site/t",service="s",scope="repository:a:pull"'
        return httpx.Response(401, headers={"www-authenticate": challenge})

    with client(server) as registry:
        assert registry.get("/v2/a/tags/list").status_code == 200
    (form,) = asked
    assert form == {
        "grant_type": ["refresh_token"],
        "client_id": ["kaapana-harness"],
        "refresh_token": [IDENTITY],
        "service": ["s"],
        "scope": ["repository:a:pull"],
    }
    login = logins.find_login(HOST).login
    assert login is not None
    assert login.for_engine(HOST) == {"identitytoken": IDENTITY, "serveraddress": HOST}
    assert IDENTITY not in repr(login)
    assert logins.read_credentials(HOST) is None


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[1]",
        "3",
        '"text"',
        "{",
        '{"auths": []}',
        '{"auths": {"registry.site": 5}}',
        '{"auths": {"registry.site": {"auth": "!!!"}}}',
        '{"auths": {"registry.site": {"auth": "bWU="}}}',
        '{"auths": {"registry.site": {"auth": 5}}}',
        '{"auths": {"registry.site": {"auth": "\u00e4"}}}',
        '{"credHelpers": []}',
        '{"credHelpers": ["registry.site"]}',
        '{"credHelpers": {"registry.site": 5}}',
        '{"credHelpers": {"registry.site": "missing"}}',
    ],
)
def test_a_configuration_that_docker_did_not_write_holds_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert logins.find_login(HOST).login is None


@pytest.mark.parametrize("text", ['{"auths": {"registry.site": {"auth": "!!!"}}}', '{"auths": {"registry.site": 5}}'])
def test_the_engine_is_not_asked_with_a_configuration_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    found = SimpleNamespace(address="unix:///nothing.sock", spoken="1.40")
    monkeypatch.setattr("harness.engine.connection.require_engine", lambda: found)
    with pytest.raises(EngineError, match=rf"{re.escape(str(tmp_path))}/config.json cannot be used"):
        engine.connect_api()


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_the_login_to_dockers_own_registry_is_found_under_all_of_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    auths = {"https://index.docker.io/v1/": {"auth": BASIC.removeprefix("Basic ")}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert logins.read_credentials(host) == ("me", "secret")
