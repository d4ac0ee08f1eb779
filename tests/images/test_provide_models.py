"""The program of the base for images that bring model weights (build 8)."""

from __future__ import annotations

import importlib.util
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from harness.images import catalogue

Provide = Callable[..., int]


@pytest.fixture(scope="module")
def program() -> ModuleType:
    path = catalogue.HERE / "base-model-installer" / "provide_models.py"
    spec = importlib.util.spec_from_file_location("provide_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def archive(path: Path, *names: str) -> str:
    with zipfile.ZipFile(path, "w") as content:
        for name in names:
            content.writestr(name, name)
    return path.as_uri()


@pytest.fixture
def provide(program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Provide:
    """Run the program on a lookup of two tasks, whose archives are and are not below a folder of the task's name."""
    links = {
        "total": archive(tmp_path / "a.zip", "total/fold_0/weights.pth", "total/plans.json"),
        "lung": archive(tmp_path / "b.zip", "plans.json"),
    }
    lookup = tmp_path / "model_lookup.json"
    lookup.write_text(
        json.dumps(
            {
                task: {"models": ["nnUNet"], "check_file": "plans.json", "download_link": link}
                for task, link in links.items()
            }
            | {"gone": {"models": ["nnUNet"], "check_file": "x", "download_link": (tmp_path / "gone.zip").as_uri()}}
        )
    )
    monkeypatch.delenv("TASK_IDS", raising=False)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))

    def run(*arguments: str) -> int:
        status: int = program.main(["--download-dir", str(tmp_path / "zips"), *arguments], lookup)
        return status

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_requested_tasks_are_unpacked_below_their_model(
    provide: Provide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASK_IDS", "total, lung")
    assert provide("-e") == 0
    assert names(tmp_path / "models") == [
        "nnUNet/lung/plans.json",
        "nnUNet/total/fold_0/weights.pth",
        "nnUNet/total/plans.json",
    ]


def test_an_existing_task_is_not_downloaded(provide: Provide, tmp_path: Path) -> None:
    there = tmp_path / "models" / "nnUNet" / "total" / "plans.json"
    there.parent.mkdir(parents=True)
    there.touch()
    assert provide("-e", "--task-ids", "total") == 0
    assert not (tmp_path / "zips").exists()


def test_weights_of_the_image_are_archives_that_are_unpacked_later(provide: Provide, tmp_path: Path) -> None:
    assert provide("--all=false") == 0
    assert not (tmp_path / "zips").exists()
    assert provide("--all=true") == 0
    assert names(tmp_path / "zips") == ["lung.zip", "total.zip"]
    for path in tmp_path.glob("?.zip"):
        path.unlink()
    assert provide("-e", "--task-ids", "lung") == 0
    assert names(tmp_path / "models") == ["nnUNet/lung/plans.json"]


@pytest.mark.parametrize(("task", "said"), [("spleen", "task spleen is not in"), ("gone", "task gone: URLError")])
def test_a_task_that_cannot_be_had_is_logged_and_no_failure(
    provide: Provide, caplog: pytest.LogCaptureFixture, task: str, said: str
) -> None:
    caplog.set_level(logging.ERROR)
    assert provide("-e", "--task-ids", task) == 0
    assert said in caplog.text


def test_without_a_lookup_the_program_fails(program: ModuleType, tmp_path: Path) -> None:
    assert program.main(["-e"], tmp_path / "nothing.json") == 1
