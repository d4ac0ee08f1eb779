"""Which contents of nodes are removed, and which stay, on an engine that is only lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from harness.cluster.kind import bases, names, preparation
from harness.errors import PlatformError
from harness.settings import Settings


class _Engine:
    """The part of the engine's interface that has volumes, and lists of the rest."""

    def __init__(self, settings: Settings) -> None:
        self.api = self
        self.settings = settings
        self.present: dict[str, dict[str, str]] = {}
        self.running: dict[str, dict[str, str]] = {}
        self.tags: list[str] = []

    def add(self, name: str, *, complete: bool = True) -> None:
        """A base of this user's."""
        self.create_volume(name, bases.make_labels(self.settings.state))
        if complete:
            bases.mark_complete(cast(Any, self), self.settings.state, name, "node")

    def add_node(self, base: str) -> None:
        self.create_volume(f"content-on-{base}", {bases.LABEL_USES: base, names.LABEL_LEDGER: str(self.settings.state)})

    def names(self) -> set[str]:
        return {name.removesuffix("-complete") for name in self.present}

    def create_volume(self, name: str, labels: dict[str, str]) -> None:
        self.present.setdefault(name, labels)

    def volumes(self, filters: dict[str, str]) -> dict[str, Any]:
        label, _, value = filters["label"].partition("=")
        return {
            "Volumes": [
                {"Name": name, "Labels": labels, "CreatedAt": f"2026-01-{number:02}"}
                for number, (name, labels) in enumerate(self.present.items(), 1)
                if label in labels and value in ("", labels[label])
            ]
        }

    def remove_volume(self, name: str) -> None:
        del self.present[name]

    def containers(self, *, all: bool, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        wanted = {tuple(label.split("=", 1)) for label in filters["label"]}
        return [{"Id": name} for name, labels in self.running.items() if all and wanted <= set(labels.items())]

    def remove_container(self, container: str, **_: object) -> None:
        del self.running[container]

    def images(self) -> list[dict[str, Any]]:
        return [{"RepoTags": list(self.tags)}, {"RepoTags": None}]

    def remove_image(self, tag: str, **_: object) -> None:
        self.tags.remove(tag)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path))
    return Settings()


@pytest.fixture
def on_engine(settings: Settings) -> Any:
    return _Engine(settings)


def test_a_superseded_base_is_removed_except_for_layers_that_running_nodes_link_to(
    on_engine: Any, settings: Settings
) -> None:
    for base in ("used", "disused", "current"):
        on_engine.add(base)
    on_engine.add_node("used")
    assert bases.prune(on_engine, settings.state, kept=1) == ["disused"]
    assert on_engine.names() == {"used", "current", "content-on-used"}
    assert list(bases.find_complete(on_engine)) == ["current", "used"]


def test_a_base_that_nodes_are_being_made_of_at_this_moment_stays_complete(
    on_engine: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for base in ("wanted", "current"):
        on_engine.add(base)
    remove = on_engine.remove_volume

    def slow(name: str) -> None:
        on_engine.add_node("wanted")
        remove(name)

    monkeypatch.setattr(on_engine, "remove_volume", slow)
    assert bases.prune(on_engine, settings.state, kept=1) == []
    assert set(bases.find_complete(on_engine)) == {"wanted", "current"}


def test_nodes_are_not_made_from_a_base_that_was_removed_in_the_meantime(on_engine: Any) -> None:
    with pytest.raises(PlatformError, match="has just removed the images") as caught:
        preparation.lay_out(on_engine, "gone", ["content"], {"environment": "e1"}, "node-image")
    assert caught.value.fix == "start again"
    # for the removal of what the environment has
    assert on_engine.present["content"]["environment"] == "e1"


def test_leftovers_of_a_killed_attempt_are_removed_and_other_attempts_stay(on_engine: Any, settings: Settings) -> None:
    own, others = (
        bases.make_labels(settings.state),
        {**bases.make_labels(settings.state), names.LABEL_LEDGER: "/elsewhere"},
    )
    on_engine.add("complete")
    on_engine.add("half", complete=False)
    on_engine.add("without-sign-but-used", complete=False)
    on_engine.add_node("without-sign-but-used")
    on_engine.create_volume("another-half", others)
    on_engine.running = {"own": own, "anothers": others, "of-a-node": {bases.LABEL_USES: "complete"}}
    on_engine.tags = [f"{bases.scratch(settings.state)}:0123", f"{bases.PREFIX}fedcba987654/node:0123", "tool:1"]
    assert bases.clear(on_engine, settings.state) == ["half"]
    kept = {"complete", "without-sign-but-used", "content-on-without-sign-but-used", "another-half"}
    assert on_engine.names() == kept
    assert set(on_engine.running) == {"anothers", "of-a-node"}
    assert on_engine.tags == [f"{bases.PREFIX}fedcba987654/node:0123", "tool:1"]
