"""Loading images into the engine, against an engine in memory."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker.errors
import pytest

from harness import engine
from harness.artefacts import loading
from harness.artefacts.sources import ArchiveSource, EngineSource, FoundImage, Route
from harness.cluster import Cluster
from harness.engine import logins
from harness.engine.logins import FoundLogin, StoredLogin
from harness.errors import ImageError
from harness.images import temporary_names
from harness.platform import delivery
from harness.platform.registry import PlatformRegistry
from tests.artefacts import made_archives as made
from tests.images.fake_engine import FakeEngine

PINNED = f"registry.site/team/tool@sha256:{'a' * 64}"
CONFIG = f"sha256:{'c' * 64}"
LIMIT_S = 20.0


@pytest.fixture(autouse=True)
def _nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    made_engine = FakeEngine()
    made_engine.remote = {PINNED: CONFIG}
    monkeypatch.setattr(engine, "connect_api", lambda **options: made_engine)
    return made_engine


def pull(say: Any = lambda line: None) -> str:
    return loading.pull(PINNED, CONFIG, say)


def test_a_pulled_image_stays_under_a_name_of_the_harness_only(fake: FakeEngine) -> None:
    assert pull() == CONFIG
    assert fake.tags == {loading.make_kept_name(CONFIG): CONFIG}


def test_images_that_the_user_pulled_are_kept(fake: FakeEngine) -> None:
    fake.tags[PINNED] = CONFIG
    assert pull() == CONFIG
    assert fake.tags == {PINNED: CONFIG, loading.make_kept_name(CONFIG): CONFIG}


def test_two_who_need_one_image_pull_it_once(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    second_waits = threading.Event()
    hold_lock = temporary_names.hold_lock
    monkeypatch.setattr(
        temporary_names, "hold_lock", lambda path, **more: hold_lock(path, on_wait=second_waits.set, **more)
    )
    found: list[str] = []
    second = threading.Thread(target=lambda: found.append(pull()))

    def say(line: str) -> None:
        second.start()
        # it has not found the image, and waits for the one who pulls it
        assert second_waits.wait(LIMIT_S)

    assert pull(say) == CONFIG
    second.join(LIMIT_S)
    assert found == [CONFIG]
    assert fake.pulls == 1


@pytest.mark.parametrize("error", [docker.errors.APIError("denied"), docker.errors.ImageNotFound("gone")])
def test_whatever_the_engine_answers_to_a_pull_is_an_error_that_names_the_image(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(image: str, repository: str, tag: str) -> None:
        raise error

    monkeypatch.setattr(fake, "tag", refuse)
    with pytest.raises(ImageError, match=r"registry\.site/team/tool@sha256:a+ cannot be pulled"):
        pull()


def test_an_identity_token_is_given_to_the_engine(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "find_login", lambda host: FoundLogin(StoredLogin(identity_token=f"token of {host}")))
    pull()
    assert fake.logins == [{"identitytoken": "token of registry.site", "serveraddress": "registry.site"}]


@pytest.mark.parametrize("reference", ["registry.site/MyImage:1", "registry.site/tool:1"])
def test_an_image_that_the_engine_cannot_have_is_not_found_there(fake: FakeEngine, reference: str) -> None:
    assert EngineSource("amd64").find(reference, "registry.site") is None


def test_the_images_of_one_archive_are_loaded_at_once_and_each_asked_for_once(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    count = 6
    images = [(made.MadeImage((made.layer(f"{n}.txt"),), "amd64"), [f"registry.site/tool-{n}:1"]) for n in range(count)]
    source = ArchiveSource(made.write(tmp_path / "images.tar", made.docker_25(images)), "amd64")

    def take_all(api: object, blocks: object, shown: str) -> None:
        for image in source.archive.images:
            fake.tags[loading.make_kept_name(image.config_digest)] = image.config_digest
        fake.log.append("load")

    monkeypatch.setattr(engine, "load_images", take_all)
    found = [source.find(tags[0], "registry.site") for _, tags in images]
    registry = cast(PlatformRegistry, SimpleNamespace(serves=lambda reference: True))
    taken: dict[str, str] = {}
    cluster = cast(Cluster, SimpleNamespace(import_images=taken.update, withdraw_images=lambda references: None))
    delivery.deliver_found(cluster, registry, cast(list[FoundImage], found), push_all=False, say=lambda line: None)
    assert taken == {image.reference: image.config_digest for image in found if image}
    assert {image.route for image in found if image} == {Route.UPLOAD}
    assert fake.log == ["load"]
    # each by its own name; before the archive is loaded, all by name and by digest
    assert len(fake.asked) <= 2 + 3 * count
