"""An archive of images that the engine does not finish."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from harness import engine
from harness.cluster.kind.nodes import pipe
from harness.errors import ImageError
from harness.platform import delivery
from tests.engines.scripted import Answer, ScriptedEngine

WORDS = 'file integrity checksum failed for "etc/passwd"'
IMAGE = {"Id": "sha256:1", "RepoTags": ["team/x:1"]}


def make_archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("blobs/sha256/1")
        info.size = 100_000
        archive.addfile(info, io.BytesIO(bytes([1]) * info.size))
    return buffer.getvalue()


WHOLE = make_archive()
CUT = WHOLE[:60_000]
FAILURE = {"errorDetail": {"message": WORDS}, "error": WORDS}

failing = pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer((CUT, FAILURE)), WORDS),
        (Answer((CUT,)), "the archive ends early"),
        (Answer(()), "the archive ends early"),
        (Answer((CUT,), breaks=True), "ended prematurely"),
        (Answer(status=500, message=WORDS), WORDS),
    ],
    ids=["failed", "cut", "empty", "broken", "refused"],
)


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    script = ScriptedEngine({r"GET /images/.*/json": Answer((IMAGE,)), r"POST /images/.*/tag": Answer(status=201)})
    with script.listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        yield script


@failing
def test_an_archive_that_is_not_whole_does_not_stay(
    scripted: ScriptedEngine, tmp_path: Path, answer: Answer, words: str
) -> None:
    scripted.answers["GET /images/get"] = answer
    image = delivery.PodImage("x", "sha256:1", "team/x:1")
    with pytest.raises(ImageError) as caught:
        delivery.write_archive([image], tmp_path / "images.tar", lambda line: None)
    assert caught.value.cause == "the images cannot be saved"
    assert words in caught.value.last_seen
    assert not list(tmp_path.glob("*.tar*"))


@failing
def test_the_engines_words_are_the_cause_where_a_node_refuses_such_an_archive(
    scripted: ScriptedEngine, answer: Answer, words: str
) -> None:
    scripted.answers["GET /images/get"] = answer

    def send() -> None:
        with pipe(engine.save_images(engine.connect_api(), ["team/x:1"])) as stream:
            stream.read()
            raise ImageError("ctr: unexpected EOF")

    with pytest.raises(ImageError) as caught:
        send()
    assert words in caught.value.last_seen


def test_a_whole_archive_is_saved_as_it_is(scripted: ScriptedEngine) -> None:
    scripted.answers["GET /images/get"] = Answer((WHOLE[:70_000], WHOLE[70_000:]))
    assert b"".join(engine.save_images(engine.connect_api(), ["team/x:1"])) == WHOLE
