"""Images stay while an environment may need them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from harness import engine, images
from harness.cluster import ledger
from harness.engine import leftovers
from harness.engine.leftovers import Leftover
from harness.kube import KubeApi
from harness.kube.errors import Unavailable
from harness.platform import pruning, registry_seed
from harness.settings import Settings

TAGS = {"registry": "r:1", "python": "p:1", "python-data": "d:1"}


@pytest.fixture
def settings(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path))
    return Settings()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What :func:`images.prune` is asked for; it removes nothing."""
    calls: list[dict[str, Any]] = []

    def prune(settings: Settings, **options: Any) -> list[images.LocalImage]:
        calls.append(options)
        return [images.LocalImage("kaapana-harness/a:1", "sha256:a", 1, 0, False)]

    monkeypatch.setattr(images, "prune", prune)
    monkeypatch.setattr(images, "compute_tags", lambda _: dict(TAGS))
    # nothing is asked of it
    monkeypatch.setattr(engine, "connect", io.StringIO)
    return calls


def running(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    found = {name: Leftover(name, control_plane=True) for name in names}
    found["stopped"] = Leftover("stopped")
    monkeypatch.setattr(leftovers, "find", lambda _: found)


def test_the_seeded_registry_and_the_images_of_a_running_environment_stay(
    settings: Settings, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    running(monkeypatch, "mine")
    ledger.record(settings.state, ledger.Entry("mine", "docker", "1@host", "2026", url="http://127.0.0.1:1"))
    monkeypatch.setattr(KubeApi, "request", lambda *_, **__: {"registry.example/dcmqi:1": "sha256:b"})
    assert pruning.prune_images(settings, print, everything=True) == ["kaapana-harness/a:1"]
    assert asked == [{"keep": [registry_seed.make_tag(TAGS)], "in_use": {"sha256:b"}, "everything": True}]


def test_nothing_is_removed_while_an_environment_of_another_ledger_runs(
    settings: Settings, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    running(monkeypatch, "theirs")
    said: list[str] = []
    assert pruning.prune_images(settings, said.append) == []
    assert said == ["keeping all images: environment theirs runs, but does not tell which ones it needs"]
    assert asked == []


def test_nothing_is_removed_while_an_environment_does_not_answer(
    settings: Settings, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    running(monkeypatch, "mine")
    ledger.record(settings.state, ledger.Entry("mine", "docker", "1@host", "2026", url="http://127.0.0.1:1"))

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable(0, "", "no answer")

    monkeypatch.setattr(KubeApi, "request", away)
    assert pruning.prune_images(settings, print) == []
    assert asked == []


def test_without_the_base_images_there_is_no_seeded_registry_to_keep(
    settings: Settings, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    running(monkeypatch)
    monkeypatch.setattr(images, "compute_tags", lambda _: {"registry": "r:1"})
    pruning.prune_images(settings, print)
    assert asked == [{"keep": [], "in_use": set(), "everything": False}]
