"""What belongs to a project is removed at the end of its block."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_platform import FakeEnvironment

from harness.api import Kaapana, open_project

REGISTRY = ("registry.site:5000/team", "me", "secret")


class Environment(FakeEnvironment):
    """A platform that notes in which order custom registries and projects are removed."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[str] = []
        self.custom_registries = SimpleNamespace(add=self._add)

    def _add(self, url: str, username: str, password: str, *, name: str) -> Any:
        return SimpleNamespace(remove=lambda: self.ends.append(f"registry {url}"))

    def remove_project(self, project: Any) -> None:
        self.ends.append(f"project {project.name}")


def test_a_project_ends_with_the_registries_that_were_added_to_it_also_after_an_error(tmp_path: Path) -> None:
    environment: Any = Environment()

    def interrupted() -> None:
        with open_project(environment, "one", lambda made: Kaapana(environment, made, evidence=tmp_path)) as kaapana:
            kaapana.add_registry(*REGISTRY)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert environment.ends == [f"registry {REGISTRY[0]}", "project one"]


def test_another_project_has_registries_of_its_own_and_shares_the_list_of_runs(tmp_path: Path) -> None:
    environment: Any = Environment()
    kaapana = Kaapana(environment, environment.create_project("one"), evidence=tmp_path)
    with kaapana.other_project("two") as other:
        other.add_registry(*REGISTRY)
        assert other.runs is kaapana.runs
        assert other.evidence == tmp_path / "two"
    assert environment.ends == [f"registry {REGISTRY[0]}", "project two"]
