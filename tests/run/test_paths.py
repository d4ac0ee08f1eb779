"""Names from outside never leave the folder of a run, and never meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.run.paths import Folder, find_unused, safe_name


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a/../../b",
        "a\0b",
        "~/.ssh/id",
        "C:\\x",
        "a\nb",
        ".bashrc",
        "x" * 500,
        "/",
    ],
)
def test_every_object_key_ends_up_inside_the_folder(tmp_path: Path, name: str) -> None:
    relative, path = Folder(tmp_path).place("objects", name)
    path.write_text("x")
    assert path.resolve().is_relative_to((tmp_path / "objects").resolve())
    assert path == tmp_path / relative
    assert not any(part.startswith(".") for part in Path(relative).parts)


@pytest.mark.parametrize(
    "names",
    [("a/b", "a/b"), ("a b", "a/b", "a_b"), ("Report.html", "report.html"), ("a", "a/b", "a/b/c"), ("a/b", "a")],
)
def test_different_objects_never_share_a_file(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = Folder(tmp_path)
    paths = []
    for name in names:
        _, path = folder.place("objects", name)
        path.write_text(name)
        paths.append(path)
    assert [path.read_text() for path in paths] == list(names)
    assert len({str(path).casefold() for path in paths}) == len(names)


def test_the_extension_of_a_long_name_survives() -> None:
    name = safe_name("x" * 300 + ".nii.gz")
    assert len(name) <= 120
    assert name.endswith(".nii.gz")


def test_an_unused_folder_does_not_exist(tmp_path: Path) -> None:
    first = find_unused(tmp_path, "dag")
    first.mkdir()
    second = find_unused(tmp_path, "dag")
    assert second != first
    assert find_unused(tmp_path, "dag", {second}) not in {first, second}
