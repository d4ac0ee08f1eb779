"""Logging in to a registry of somebody else's, against servers that answer as the specification has it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from harness.images import registry_login
from harness.images.registry import api_of

HOST = "registry.site"
BASIC = "Basic " + base64.b64encode(b"me:secret").decode()
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


def test_a_public_repository_is_read_with_a_token_that_anybody_gets() -> None:
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
    assert api_of(address) == (url, prefix)
