"""An image is removed once, whoever else removes it at the same time."""

from __future__ import annotations

from pathlib import Path

import docker.errors
import pytest

from harness.engine import connect_api, remove_image
from tests.engines.scripted import Answer, ScriptedEngine

_THERE = Answer(({"Id": "sha256:" + "1" * 64},))
_GONE = Answer(status=404, message="No such image: x:1")
# what Docker 20.10 says when another client has just removed the image
_LOST_RACE = Answer(status=500, message="unrecognized image ID sha256:" + "1" * 64)


def _remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, removal: Answer, description: Answer) -> bool:
    scripted = ScriptedEngine({"DELETE /images/x:1": removal, "GET /images/x:1/json": description})
    with scripted.listening(tmp_path / "engine.sock") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        api = connect_api()
        try:
            return remove_image(api, "x:1")
        finally:
            api.close()


@pytest.mark.parametrize(
    ("removal", "removed"),
    [
        (Answer(([{"Untagged": "x:1"}],)), True),
        (_GONE, False),
        (Answer(status=409, message="image is being used by running container 1234"), False),
        (_LOST_RACE, False),
    ],
    ids=["removed", "gone", "in use", "removed by another client"],
)
def test_an_image_that_is_gone_or_in_use_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removal: Answer, removed: bool
) -> None:
    description = _GONE if removal is _LOST_RACE else _THERE
    assert _remove(tmp_path, monkeypatch, removal=removal, description=description) is removed


def test_another_refusal_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Answer(status=500, message="read-only file system")
    with pytest.raises(docker.errors.APIError, match="read-only file system"):
        _remove(tmp_path, monkeypatch, removal=refusal, description=_THERE)
