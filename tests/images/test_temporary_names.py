"""Names that images get in the engine for a moment: what they meant before they mean afterwards."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import cast

import docker.errors
import pytest
import requests
from docker import APIClient

from harness import engine
from harness.errors import ImageError
from harness.images import RegistryClient, temporary_names
from harness.platform import delivery
from harness.platform.delivery import PodImage
from tests.images.fake_engine import ARCHIVE, FakeEngine

NAME = "registry.site/team/dag-x:1"
LIMIT_S = 20.0


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    made = FakeEngine("ours", "theirs")
    monkeypatch.setattr(engine, "connect_api", lambda **options: made)
    return made


def test_a_tag_of_the_user_means_the_users_image_again(fake: FakeEngine) -> None:
    fake.tags[NAME] = "theirs"
    with temporary_names.give_names(cast(APIClient, fake), {NAME: "ours"}):
        assert fake.tags[NAME] == "ours"
    assert fake.tags == {NAME: "theirs"}


def test_a_name_that_was_free_is_free_again_also_after_a_failure(fake: FakeEngine) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.raises(ValueError, match="broken"))
        stack.enter_context(temporary_names.give_names(cast(APIClient, fake), {NAME: "ours"}))
        assert fake.tags[NAME] == "ours"
        raise ValueError("broken")
    assert fake.tags == {}


def test_a_name_that_means_the_image_already_is_not_touched(fake: FakeEngine) -> None:
    fake.tags[NAME] = "ours"
    with temporary_names.give_names(cast(APIClient, fake), {NAME: "ours"}):
        pass
    assert fake.tags == {NAME: "ours"}
    assert fake.log == []


@pytest.mark.parametrize("meanwhile", [{}, {NAME: "another"}])
def test_a_name_that_another_process_changed_is_left_alone(fake: FakeEngine, meanwhile: dict[str, str]) -> None:
    fake.tags[NAME] = "theirs"
    with temporary_names.give_names(cast(APIClient, fake), {NAME: "ours"}):
        fake.tags = dict(meanwhile)
    assert fake.tags == meanwhile


def test_an_image_of_the_user_that_was_removed_in_the_meantime_is_not_an_error(fake: FakeEngine) -> None:
    fake.tags[NAME] = "theirs"
    with temporary_names.give_names(cast(APIClient, fake), {NAME: "ours"}):
        fake.images.discard("theirs")
    assert fake.tags == {}


def test_of_several_names_those_before_a_failing_one_are_given_back(fake: FakeEngine) -> None:
    fake.tags[NAME] = "theirs"
    with pytest.raises(docker.errors.ImageNotFound, match="No such image: missing"):
        temporary_names.give_names(cast(APIClient, fake), {NAME: "ours", "registry.site/b:1": "missing"}).__enter__()
    assert fake.tags == {NAME: "theirs"}


def test_a_digest_cannot_be_lent(fake: FakeEngine) -> None:
    with (
        pytest.raises(ImageError, match="names a digest"),
        temporary_names.give_names(cast(APIClient, fake), {f"registry.site/x@sha256:{'a' * 64}": "ours"}),
    ):
        pass
    assert fake.log == []


def test_two_who_want_one_name_have_it_one_after_the_other(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one does not take what the first one has lent for what the user had."""
    first_has_it, second_waits = threading.Event(), threading.Event()
    hold_lock = temporary_names.hold_lock
    monkeypatch.setattr(
        temporary_names, "hold_lock", lambda path, **more: hold_lock(path, on_wait=second_waits.set, **more)
    )
    fake.tags[NAME] = "theirs"
    fake.images.add("first")
    seen: list[str] = []

    def second() -> None:
        assert first_has_it.wait(LIMIT_S)
        with temporary_names.give_names(cast(APIClient, fake), {NAME: "ours"}):
            seen.append(fake.log[-2])

    thread = threading.Thread(target=second)
    thread.start()
    with temporary_names.give_names(cast(APIClient, fake), {NAME: "first"}):
        first_has_it.set()
        assert second_waits.wait(LIMIT_S)
        assert fake.tags[NAME] == "first"
    thread.join(LIMIT_S)
    assert seen == [f"tag {NAME} theirs"]
    assert fake.tags == {NAME: "theirs"}


def test_an_archive_is_saved_under_the_users_names_without_moving_them(fake: FakeEngine, tmp_path: Path) -> None:
    fake.tags[NAME] = "theirs"
    images = [PodImage("dag-x", "ours", NAME), PodImage("tool", "ours", "localhost:5000/tool")]
    delivery.write_archive(images, tmp_path / "images.tar", lambda line: None)
    assert (tmp_path / "images.tar").read_bytes() == ARCHIVE
    assert [line for line in fake.log if line.startswith("save")] == [
        f"save {NAME} ours",
        "save localhost:5000/tool:latest ours",
    ]
    assert fake.tags == {NAME: "theirs"}


def test_a_name_that_another_process_removed_does_not_fail_the_archive(
    fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = fake.get

    def get(url: str, params: dict[str, list[str]], **options: object) -> requests.Response:
        answer = save(url, params, **options)
        fake.tags.clear()
        return answer

    monkeypatch.setattr(fake, "get", get)
    delivery.write_archive([PodImage("dag-x", "ours", NAME)], tmp_path / "images.tar", lambda line: None)
    assert fake.tags == {}


def test_a_push_leaves_the_users_tag_where_it_was(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.tags[NAME] = "theirs"
    monkeypatch.setattr(RegistryClient, "digest", lambda self, repository, tag: f"digest of {repository}:{tag}")
    with RegistryClient("registry.site/team") as registry:
        assert registry.push("ours", "dag-x:1") == "digest of dag-x:1"
        assert registry.push("ours", f"{registry.address}/dag-x") == "digest of dag-x:latest"
    assert f"push {NAME} ours" in fake.log
    assert fake.tags == {NAME: "theirs"}


def test_a_push_that_the_registry_refuses_leaves_the_users_tag_where_it_was(fake: FakeEngine) -> None:
    fake.tags[NAME] = "theirs"

    def refuse(name: str) -> None:
        raise docker.errors.APIError("denied")

    fake.during_push = refuse
    with RegistryClient("registry.site/team") as registry, pytest.raises(ImageError, match="cannot be pushed"):
        registry.push("ours", "dag-x:1")
    assert fake.tags == {NAME: "theirs"}
