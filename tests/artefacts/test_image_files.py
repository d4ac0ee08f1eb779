"""The files of a DAG image, read out of a container that never starts: an engine in memory."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import docker.errors
import pytest
import requests

from harness import engine
from harness.artefacts import image_files
from harness.errors import ImageError


class Engine:
    """An engine with one container at most."""

    def __init__(self) -> None:
        self.content = _archive()
        self.containers: list[str] = []
        self.closed = False
        self.refusal: Exception | None = None
        self.break_after: int | None = None

    def create_container(self, image: str, command: list[str], *, name: str, **more: Any) -> dict[str, str]:
        self.containers.append(name)
        if self.refusal:
            raise self.refusal
        return {"Id": name}

    def get_archive(self, container: str, path: str) -> tuple[Iterator[bytes], dict[str, Any]]:
        return self._blocks(), {}

    def _blocks(self) -> Iterator[bytes]:
        if self.break_after is None:
            yield self.content
            return
        yield self.content[: self.break_after]
        raise requests.exceptions.ChunkedEncodingError("the connection was broken")

    def remove_container(self, container: str, **options: Any) -> None:
        self.containers.remove(container)

    def close(self) -> None:
        self.closed = True


def _archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("files/dag.py")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"x = 1"))
    return out.getvalue()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    monkeypatch.setattr(engine, "connect_api", lambda **options: made)
    return made


def test_the_files_are_read_and_the_container_is_gone(fake: Engine) -> None:
    (file,) = image_files.read_contents("sha256:1", "dag-x:1").files
    assert (file.installed, file.read()) == ("dag.py", "x = 1")
    assert (fake.containers, fake.closed) == ([], True)


@pytest.mark.parametrize(
    "refusal",
    [
        docker.errors.APIError("no space left on device"),
        docker.errors.ImageNotFound("no such image"),
        requests.exceptions.ReadTimeout("timed out"),
    ],
)
def test_a_container_that_the_engine_does_not_make_is_an_error_with_its_words(fake: Engine, refusal: Exception) -> None:
    fake.refusal = refusal
    with pytest.raises(ImageError, match="the files of dag-x:1 cannot be read") as caught:
        image_files.read_contents("sha256:1", "dag-x:1")
    assert str(refusal) in caught.value.last_seen
    # also one that was made although the answer did not arrive
    assert (fake.containers, fake.closed) == ([], True)


def test_a_connection_that_breaks_is_an_error_and_leaves_no_container(fake: Engine) -> None:
    fake.break_after = 700
    with pytest.raises(ImageError, match="the files of dag-x:1 cannot be read") as caught:
        image_files.read_contents("sha256:1", "dag-x:1")
    assert "the connection was broken" in caught.value.last_seen
    assert (fake.containers, fake.closed) == ([], True)


def test_an_answer_that_was_cut_off_is_an_error(fake: Engine) -> None:
    fake.content = fake.content[:300]
    with pytest.raises(ImageError, match="the files of dag-x:1 cannot be read"):
        image_files.read_contents("sha256:1", "dag-x:1")
