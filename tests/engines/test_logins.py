"""Logins of the user that docker's credential helper does not give: what needs none goes on, and a refusal says why."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness import engine
from harness.artefacts import loading
from harness.engine import logins
from harness.errors import ImageError, PlatformError
from harness.images import RegistryClient, legacy, pull
from harness.images.building import BuilderError, BuildRequest
from harness.images.context import Context, ContextEntry
from harness.images.dockerfile import Dockerfile
from tests.engines.scripted import Answer, ScriptedEngine

HOST = "registry.site"
PINNED = f"{HOST}/team/tool@sha256:{'a' * 64}"
TEXT = "FROM x\n"
DONE = Answer(({"status": "done"},))
PRESENT = Answer(({"Id": "sha256:1"},))
SAYS_NO = "asked without a login: "


def fail_to_answer(folder: Path) -> str:
    (folder / "docker-credential-own").write_text("#!/bin/sh\necho 'no D-Bus'; exit 1\n")
    return 'Credentials store docker-credential-own exited with "no D-Bus ".'


def answer_nonsense(folder: Path) -> str:
    (folder / "docker-credential-own").write_text("#!/bin/sh\necho '<html>'\n")
    return "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"


def be_missing(folder: Path) -> str:
    return "docker-credential-own is not on PATH"


BROKEN = (be_missing, fail_to_answer, answer_nonsense)


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEngine]:
    """The engine that ``DOCKER_HOST`` names."""
    made = ScriptedEngine()
    with made.listening(tmp_path / "engine.sock") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
        monkeypatch.setattr(pull, "_unreachable", {})
        yield made


def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: dict[str, object]) -> Path:
    """Give docker a configuration; a folder for programs."""
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(document))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "null",
        '{"auths": null, "credHelpers": null, "proxies": null, "HttpHeaders": null}',
        '{"auths": {"registry.site:5000": null}, "proxies": {"default": null}}',
        '{"auths": {"registry.site:5000": {"auth": ""}}, "credsStore": ""}',
    ],
)
def test_only_the_configuration_that_docker_reads_counts_and_null_is_as_good_as_nothing(
    scripted: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    home = tmp_path / "home" / ".docker"
    home.mkdir(parents=True)
    login = {"auth": base64.b64encode(b"ada:lovelace").decode()}
    (home / "config.json").write_text(json.dumps({"auths": {"registry.site:5000": login}, "HttpHeaders": {"X": "y"}}))
    monkeypatch.setenv("HOME", str(home.parent))
    scripted.answers["POST /containers/create"] = Answer(({"Id": "1"},))
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    if content is not None:
        (folder / "config.json").write_text(content)
    assert logins.find_login("registry.site:5000") == (None, "")
    assert logins.find_all_logins().logins == {}
    with contextlib.closing(engine.connect_api()) as api:
        assert "X" not in api.headers
        assert engine.create_container(api, "x") == "1"
    monkeypatch.delenv("DOCKER_CONFIG")
    assert logins.find_login("registry.site:5000").login == logins.StoredLogin("ada", "lovelace")
    with contextlib.closing(engine.connect_api()) as api:
        assert api.headers["X"] == "y"


@pytest.mark.parametrize(
    ("content", "reason"), [("{", "not JSON: "), ("[]", "not a JSON object"), ("3", "not a JSON object")]
)
def test_a_configuration_that_docker_only_warns_of_is_named_where_a_login_is_wanted(
    scripted: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, reason: str
) -> None:
    folder = configure(tmp_path, monkeypatch, {})
    (folder / "config.json").write_text(content)
    engine.connect_api().close()
    found = logins.find_login("registry.site:5000")
    assert found.login is None
    assert found.failure.startswith(f"{folder / 'config.json'} is {reason}")


@pytest.fixture(params=BROKEN)
def reason(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A helper for all registries that does not work, and why not."""
    folder = configure(tmp_path, monkeypatch, {"credsStore": "own"})
    words: str = request.param(folder)
    for program in folder.glob("docker-credential-*"):
        program.chmod(0o755)
    return words


def request_of_a_build() -> BuildRequest:
    context = Context([ContextEntry("Dockerfile", content=TEXT.encode())])
    return BuildRequest(context, "Dockerfile", Dockerfile(TEXT), "x:1", {}, {}, {}, {}, None, 60)


def test_an_image_that_needs_no_login_is_pulled(scripted: ScriptedEngine, reason: str) -> None:
    scripted.answers = {"POST /images/create": DONE}
    assert pull.pull("python:3.12", lambda line: None) == ""
    [request] = scripted.requests
    assert request.params == {"fromImage": "python", "tag": "3.12"}
    assert request.decode("X-Registry-Auth") == {}


def test_a_build_goes_on(scripted: ScriptedEngine, reason: str) -> None:
    scripted.answers = {"POST /build": Answer(({"stream": "Step 1/1 : FROM x\n"},))}
    assert [line.step for line in legacy.build(request_of_a_build())] == ["FROM x"]
    assert scripted.requests[-1].decode("X-Registry-Config") == {}


@pytest.mark.parametrize("words", ["unauthorized: log in", "no basic auth credentials", "toomanyrequests: slow down"])
def test_a_registry_that_wants_a_login_to_pull_is_reported_with_the_helper(
    scripted: ScriptedEngine, reason: str, words: str
) -> None:
    scripted.answers = {"POST /images/create": Answer(({"error": words},))}
    assert pull.pull(f"{HOST}/tool:1", lambda line: None) == f"{words} ({SAYS_NO}{reason})"
    # it has answered
    assert pull._unreachable == {}
    with pytest.raises(ImageError, match="cannot be pulled") as caught:
        loading.pull(PINNED, "sha256:c", lambda line: None)
    assert caught.value.last_seen == f"{words} ({SAYS_NO}{reason})"


def test_a_base_that_wants_a_login_is_reported_with_the_helper(scripted: ScriptedEngine, reason: str) -> None:
    words = "pull access denied for x, repository does not exist or may require 'docker login'"
    scripted.answers = {"POST /build": Answer(({"error": words},))}
    with pytest.raises(BuilderError) as caught:
        list(legacy.build(request_of_a_build()))
    assert str(caught.value) == f"{words} ({SAYS_NO}{reason})"


def test_a_step_that_fails_is_reported_without_the_helper(scripted: ScriptedEngine, reason: str) -> None:
    words = "COPY failed: file not found in build context: permission denied"
    scripted.answers = {"POST /build": Answer(({"error": words},))}
    with pytest.raises(BuilderError, match=f"^{words}$"):
        list(legacy.build(request_of_a_build()))


def test_a_registry_that_wants_a_login_to_push_is_reported_with_the_helper(
    scripted: ScriptedEngine, reason: str
) -> None:
    scripted.answers = {"GET /images/.*/json": PRESENT, "POST /images/.*/push": Answer(({"error": "denied: no"},))}
    with RegistryClient(HOST) as registry, pytest.raises(ImageError, match="cannot be pushed") as caught:
        registry.push("sha256:1", "tool:1")
    assert caught.value.last_seen == f"denied: no ({SAYS_NO}{reason})"


def test_a_registry_that_wants_a_login_to_be_asked_is_reported_with_the_helper(
    reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = httpx.Client
    refuse = httpx.MockTransport(lambda request: httpx.Response(401, headers={"www-authenticate": "Basic"}))
    monkeypatch.setattr(httpx, "Client", lambda **options: made(**{**options, "transport": refuse}))
    with RegistryClient(HOST) as registry, pytest.raises(PlatformError) as caught:
        registry.digest("tool", "1")
    assert caught.value.cause == (f"the registry {HOST} answers 401 to /v2/tool/manifests/1 ({SAYS_NO}{reason})")
    assert "credential helper" in caught.value.fix


def test_the_helper_is_not_asked_for_a_registry_of_the_harness(
    scripted: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = configure(tmp_path, monkeypatch, {"credsStore": "own"})
    program = folder / "docker-credential-own"
    program.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\nexit 1\n")
    program.chmod(0o755)
    scripted.answers = {"GET /images/.*/json": PRESENT, "POST /images/.*/push": DONE}
    monkeypatch.setattr(RegistryClient, "digest", lambda self, repository, tag: "sha256:2")
    with RegistryClient("localhost:5000") as registry:
        assert registry.push("sha256:1", "tool:1") == "sha256:2"
    assert not (tmp_path / "asked").exists()
    assert scripted.requests[-1].decode("X-Registry-Auth") == {}


def test_logins_that_can_be_read_go_to_a_build_beside_those_that_cannot(
    scripted: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {"auth": "bWU6c2VjcmV0"}
    document = {
        "auths": {"a.site": plain, "https://index.docker.io/v1/": plain, "kept.site": {}},
        "credsStore": "missing",
        "credHelpers": {"kept.site": "kept"},
    }
    program = configure(tmp_path, monkeypatch, document) / "docker-credential-kept"
    given = {"ServerURL": "kept.site", "Username": "<token>", "Secret": "token-of-kept"}
    program.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{json.dumps(given)}'\n")
    program.chmod(0o755)
    scripted.answers = {"POST /build": DONE}
    list(legacy.build(request_of_a_build()))
    me = {"username": "me", "password": "secret"}
    assert scripted.requests[-1].decode("X-Registry-Config") == {
        "a.site": {**me, "serveraddress": "a.site"},
        "https://index.docker.io/v1/": {**me, "serveraddress": "https://index.docker.io/v1/"},
        "kept.site": {"identitytoken": "token-of-kept", "serveraddress": "kept.site"},
    }
    assert logins.find_all_logins().failure == "docker-credential-missing is not on PATH"


def test_all_logins_of_a_helper_go_to_a_build(
    scripted: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = configure(tmp_path, monkeypatch, {"credsStore": "own"}) / "docker-credential-own"
    program.write_text(
        '#!/bin/sh\n[ $1 = list ] && echo \'{"b.site": "ada"}\' && exit\n'
        'echo "{\\"Username\\": \\"ada\\", \\"Secret\\": \\"of-$(cat)\\"}"\n'
    )
    program.chmod(0o755)
    scripted.answers = {"POST /build": DONE}
    list(legacy.build(request_of_a_build()))
    assert scripted.requests[-1].decode("X-Registry-Config") == {
        "b.site": {"username": "ada", "password": "of-b.site", "serveraddress": "b.site"}
    }


def test_headers_of_dockers_configuration_go_with_every_request(
    scripted: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, monkeypatch, {"HttpHeaders": {"X-Site": "here"}})
    scripted.answers = {"POST /images/create": DONE}
    assert pull.pull("python:3.12", lambda line: None) == ""
    assert scripted.requests[-1].headers["X-Site"] == "here"
