"""What a row of the matrix says when the engine refuses an archive of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.images import resolve
from tests.engines.matrix import archive
from tests.engines.scripted import Answer, ScriptedEngine

WORDS = "write /var/lib/docker/tmp: no space left on device"
Ask = Callable[[str], str]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Save or load with an engine that has every image, and refuses."""
    monkeypatch.setattr(resolve, "ensure_all", lambda names, **options: {})
    monkeypatch.setattr(resolve, "compute_tags", lambda settings: {"python": "python:1", "debian": "debian:1"})
    monkeypatch.setattr(archive, "_closure", lambda names: ["python", "debian"])
    (tmp_path / "images.tar").write_bytes(b"x")

    def call(what: str) -> str:
        refusal = Answer(status=500, message=WORDS)
        scripted = ScriptedEngine({"GET /images/get": refusal, "POST /images/load": refusal})
        with scripted.listening(tmp_path / "engine.sock") as address:
            monkeypatch.setenv("DOCKER_HOST", address)
            return archive.main(what, str(tmp_path / "images.tar"), "python")

    return call


@pytest.mark.parametrize(
    ("what", "cause"), [("save", "the images cannot be saved"), ("load", "the engine does not load images.tar")]
)
def test_the_engines_words_are_the_rows(ask: Ask, what: str, cause: str) -> None:
    assert ask(what) == f"{cause}: {WORDS}"
