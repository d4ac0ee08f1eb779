"""A registry for a moment, in which the base layers are kept, is independent of the engine's default network."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from harness.engine import connect
from harness.errors import EngineError
from harness.platform import registry_seed
from tests.engines.recorder import Recorder

_TAGS = {"registry": "image"}


def _make(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineError:
    with recorder.listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with contextlib.closing(connect()) as client, pytest.raises(EngineError) as caught:
            registry_seed._make(client, _TAGS, "a:1", lambda line: None)
    return caught.value


def test_it_has_a_network_of_its_own_and_no_label_that_its_image_would_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(refusals={"POST /containers/create": (500, "that is enough")})
    _make(recorder, tmp_path, monkeypatch)
    network, container = recorder.bodies["POST /networks/create"], recorder.bodies["POST /containers/create"]
    assert container["HostConfig"]["NetworkMode"] == network["Name"]
    assert not network["Labels"].keys() & container["Labels"].keys()


@pytest.mark.parametrize("refused", ["POST /networks/create", "POST /containers/create", "GET /containers/[^/]+/json"])
def test_a_refusal_of_the_engine_is_told_in_its_words(
    refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = _make(Recorder(refusals={refused: (404, "No such thing")}), tmp_path, monkeypatch)
    assert error.cause == "the engine does not make the registry with the base layers: No such thing"


def test_an_engine_that_breaks_off_and_is_gone_is_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = dict.fromkeys(["POST /containers/create", "GET /containers/json", "DELETE .*"], -1.0)
    error = _make(Recorder(delays=gone), tmp_path, monkeypatch)
    assert error.cause.startswith("the engine does not make the registry with the base layers: ")


def test_an_engine_that_publishes_no_port_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = _make(Recorder(), tmp_path, monkeypatch)
    assert error.cause == "the engine publishes no port of a container at 127.0.0.1"
