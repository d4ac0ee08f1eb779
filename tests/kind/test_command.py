"""Which command kind is used, and where a compiled one is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cluster.kind import command
from harness.cluster.kind.node_image import programs
from harness.settings import Settings


class Compiler:
    """Stands in for the build in a container; counts what it is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.compiled = 0
        monkeypatch.setattr(programs, "ensure_program", self._ensure)
        monkeypatch.setattr(programs, "read_file", lambda tag, name, api: b"#!/bin/sh\necho kind v0.30.0 go1\n")
        monkeypatch.setattr(command.engine, "connect_api", self._client)

    def _ensure(self, program: programs.Program, *_: object) -> str:
        assert program == programs.KIND
        self.compiled += 1
        return programs.make_tag(program)

    def _client(self) -> Compiler:
        return self

    def close(self) -> None:
        pass


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Compiler:
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    return Compiler(monkeypatch)


def _kind(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / "kind"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program


def test_a_kind_on_path_that_is_new_enough_is_used(compiler: Compiler, tmp_path: Path) -> None:
    program = _kind(tmp_path / "path", "echo 'kind v0.31.0 go1.25 linux/amd64'")
    assert command.ensure(Settings(cache_dir=tmp_path / "cache")) == program
    assert compiler.compiled == 0


@pytest.mark.parametrize(
    "text", ["echo 'kind v0.20.0 go1.20 linux/amd64'", "echo 'a cheese'", "echo 'kind v0.31.0'; exit 1"]
)
def test_a_kind_on_path_that_is_too_old_or_something_else_is_not(compiler: Compiler, tmp_path: Path, text: str) -> None:
    _kind(tmp_path / "path", text)
    assert command.ensure(Settings(cache_dir=tmp_path / "cache")).is_relative_to(tmp_path / "cache")


def test_the_compiled_kind_runs_and_is_kept_for_the_next_time(compiler: Compiler, tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "cache")
    path = command.ensure(settings)
    assert command.read_version(path) == (0, 30, 0)
    assert command.ensure(settings) == path
    assert compiler.compiled == 1
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
