"""Errors of the engine keep its own words, and only unexpected errors get a crash report."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import docker.errors
import pytest
import requests
from docker import APIClient

from harness.common import crash
from harness.engine import connect
from harness.errors import EngineError, UsageError
from tests.engines.recorder import Recorder


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@contextlib.contextmanager
def engine(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[APIClient]:
    with recorder.listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with contextlib.closing(connect()) as client:
            yield client.api


def test_a_refusal_of_the_engine_is_told_in_its_words_without_a_report(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(refusals={"GET /images/x/json": (500, "layer does not exist\n")})
    with engine(recorder, tmp_path, monkeypatch) as api, pytest.raises(docker.errors.APIError) as caught:
        api.inspect_image("x")
    explained = crash.explain(caught.value)
    assert isinstance(explained, EngineError)
    assert explained.exit_status == 3
    assert explained.cause == "the container engine refuses a request: layer does not exist"
    assert explained.last_seen == "GET /v1.51/images/x/json"
    assert "bug" not in explained.fix
    assert not (state / "crashes").exists()


def test_a_connection_to_the_engine_that_breaks_is_told_without_a_report(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(delays={"POST /images/x/tag": -1})
    with engine(recorder, tmp_path, monkeypatch) as api, pytest.raises(requests.RequestException) as caught:
        api.tag("x", "y")
    explained = crash.explain(caught.value)
    assert isinstance(explained, EngineError)
    assert explained.cause.startswith("the container engine does not answer: ")
    assert "Connection aborted" in explained.cause
    assert explained.last_seen == "POST /v1.51/images/x/tag"
    assert not (state / "crashes").exists()


def test_a_request_to_something_else_is_not_taken_for_one_to_the_engine() -> None:
    with pytest.raises(requests.ConnectionError) as caught:
        requests.get("http://127.0.0.1:1/", timeout=5)
    explained = crash.explain(caught.value)
    assert not isinstance(explained, EngineError)
    assert explained.cause.startswith("unexpected ConnectionError: ")


def test_a_wrong_call_of_the_engines_library_stays_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine(Recorder(), tmp_path, monkeypatch) as api, pytest.raises(docker.errors.NullResource) as caught:
        api.inspect_container("")
    assert crash.explain(caught.value).cause.startswith("unexpected NullResource: ")


def test_a_path_on_a_read_only_file_system_is_named() -> None:
    explained = crash.explain(OSError(errno.EROFS, os.strerror(errno.EROFS), "/clone/.tox"))
    assert type(explained) is UsageError
    assert explained.cause == "/clone/.tox cannot be used: Read-only file system"


def test_a_report_is_written_where_the_libraries_of_the_settings_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "harness.settings", None)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    explained = crash.explain(KeyError("x"))
    assert Path(explained.evidence).is_relative_to(tmp_path)
    assert "KeyError" in Path(explained.evidence).read_text("utf-8")
