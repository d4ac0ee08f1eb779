"""Pulling on machines where nothing can be pulled."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import requests

from harness import engine
from harness.artefacts import loading
from harness.errors import ImageError
from harness.images import pull
from tests.engines.scripted import Answer, ScriptedEngine

LIMIT_S = 20.0


class Engine:
    """An engine that answers a pull with the given events, or raises the given error."""

    base_url = "http://engine"
    api_version = "1.41"
    timeout = 20

    def __init__(self, answer: list[dict[str, Any]] | Exception) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def post(self, url: str, params: dict[str, str], **_options: object) -> requests.Response:
        assert url == "http://engine/v1.41/images/create"
        self.asked.append(f"{params['fromImage']}:{params['tag']}")
        if isinstance(self.answer, Exception):
            raise self.answer
        answer = requests.Response()
        answer.status_code = 200
        answer.raw = io.BytesIO(b"".join(json.dumps(event).encode() + b"\r\n" for event in self.answer))
        return answer

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this process knows about registries."""
    monkeypatch.setattr(pull, "_unreachable", {})


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(answer: list[dict[str, Any]] | Exception) -> Engine:
        fake = Engine(answer)
        monkeypatch.setattr(engine, "connect_api", lambda timeout_s: fake)
        return fake

    return use


def test_a_registry_without_an_answer_is_asked_once_by_a_process(use: Any) -> None:
    fake = use(requests.ConnectTimeout())
    assert pull.pull("python:3.12", print) == "no answer within 20 s"
    assert pull.pull("registry:2", print) == "no answer within 20 s"
    assert fake.asked == ["python:3.12"]
    pull.pull("other.example:5000/registry:2", print)
    assert fake.asked[1:] == ["other.example:5000/registry:2"]


@pytest.mark.parametrize(
    "words",
    [
        "manifest for python:3.99 not found",
        "invalid reference format",
        "no matching manifest for linux/amd64 in the manifest list entries",
        "failed to register layer: no space left on device",
        "received unexpected HTTP status: 502 Bad Gateway",
    ],
)
def test_a_registry_is_asked_for_the_next_image_after_a_refusal_that_does_not_mean_that_it_is_away(
    words: str, use: Any
) -> None:
    fake = use([{"error": words}])
    assert words in pull.pull("python:3.99", print)
    pull.pull("registry:2", print)
    assert fake.asked == ["python:3.99", "registry:2"]


@pytest.mark.parametrize(
    "words",
    [
        "dial tcp: lookup registry-1.docker.io on 192.0.2.53:53: no such host",
        "dial tcp 192.0.2.7:443: i/o timeout",
        "net/http: TLS handshake timeout",
        "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
        "context deadline exceeded",
        "dial tcp: lookup registry.example: Temporary failure in name resolution",
    ],
)
def test_a_registry_that_the_engine_does_not_reach_is_asked_once_by_a_process(words: str, use: Any) -> None:
    fake = use([{"error": words}])
    assert pull.pull("python:3.99", print) == pull.pull("registry:2", print) == words
    assert fake.asked == ["python:3.99"]


def test_a_pull_that_ends_without_an_error_is_a_success(use: Any) -> None:
    use([{"status": "Pulling from library/registry"}, {"status": "Status: Downloaded newer image"}])
    assert pull.pull("registry:2", print) == ""


@pytest.mark.parametrize("answer", [Answer(silent=True), Answer(({"status": "Pulling fs layer"},), silent=True)])
def test_an_engine_that_says_nothing_new_is_given_up_and_its_pull_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.setattr(pull, "PATIENCE_S", 0.5)
    scripted = ScriptedEngine({"POST /images/create": answer})
    with scripted.listening(tmp_path / "engine.sock") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        assert pull.pull("python:3.12", print) == "no answer within 1 s"
        assert scripted.left.wait(LIMIT_S)
        assert pull.pull("registry:2", print) == "no answer within 1 s"
    assert [request.params["fromImage"] for request in scripted.requests] == ["python"]


def test_a_download_may_take_longer_than_its_engine_may_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "PATIENCE_S", 2)
    scripted = ScriptedEngine({"POST /images/create": Answer(({"status": "Downloading"},) * 4, pause_s=0.6)})
    with scripted.listening(tmp_path / "engine.sock") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        assert pull.pull("python:3.12", print) == ""


def test_an_image_of_an_extension_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_PULL_S", 0.5)
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    scripted = ScriptedEngine({"POST /images/create": Answer(silent=True)})
    with scripted.listening(tmp_path / "engine.sock") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(ImageError, match="cannot be pulled") as caught:
            loading.pull(f"registry.site/tool@sha256:{'a' * 64}", "sha256:c", print)
    assert caught.value.last_seen == "no answer within 1 s"
