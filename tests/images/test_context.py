"""Build contexts, and the hash that decides whether to build."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from harness.errors import BuildError, ImageError
from harness.images.context import Context, ContextEntry, make_author_context, make_package_entries


@pytest.fixture
def author(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM local-only/base-installer:latest\nCOPY run.py /\n")
    (tmp_path / "run.py").write_text("print('hello')\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "weights.bin").write_bytes(b"\0" * 10)
    return tmp_path


def test_the_hash_of_a_context_does_not_change_with_time_stamps(author: Path) -> None:
    before = make_author_context(author).digest()
    os.utime(author / "run.py", (1, 1))
    assert make_author_context(author).digest() == before


@pytest.mark.parametrize("change", ["content", "name", "mode", "new file"])
def test_every_change_that_a_build_can_see_changes_the_hash(author: Path, change: str) -> None:
    before = make_author_context(author).digest()
    if change == "content":
        (author / "run.py").write_text("print('hallo')\n")
    elif change == "name":
        (author / "run.py").rename(author / "ran.py")
    elif change == "mode":
        (author / "run.py").chmod(0o755)
    else:
        (author / "more.txt").touch()
    assert make_author_context(author).digest() != before


def test_moving_a_byte_from_one_file_to_the_next_changes_the_hash() -> None:
    one = Context([ContextEntry("a", content=b"12"), ContextEntry("b", content=b"3")])
    other = Context([ContextEntry("a", content=b"1"), ContextEntry("b", content=b"23")])
    assert one.digest() != other.digest()


def test_the_identity_of_the_parent_is_part_of_the_hash(author: Path) -> None:
    context = make_author_context(author)
    assert len({context.digest("sha256:a"), context.digest("sha256:b"), context.digest("sha256:", "a")}) == 3


def test_a_dockerignore_keeps_files_out_of_the_context_and_out_of_the_hash(author: Path) -> None:
    (author / ".dockerignore").write_text("# weights are mounted\n\ndata/*\n!data/keep.txt\n")
    (author / "data" / "keep.txt").write_text("kept")
    context = make_author_context(author)
    assert "data/weights.bin" not in context.entries
    assert {"Dockerfile", "run.py", "data/keep.txt"} <= set(context.entries)
    (author / "data" / "weights.bin").write_bytes(b"other")
    assert make_author_context(author).digest() == context.digest()


def test_the_archive_holds_the_files_with_their_modes_and_links(author: Path) -> None:
    (author / "run.py").chmod(0o750)
    (author / "link.py").symlink_to("run.py")
    with make_author_context(author).tar() as file, tarfile.open(fileobj=io.BytesIO(file.read())) as archive:
        members = {member.name: member for member in archive}
        assert members["run.py"].mode == 0o750
        assert members["link.py"].linkname == "run.py"
        assert members["data"].isdir()
        content = archive.extractfile("data/weights.bin")
        assert content is not None
        assert content.read() == b"\0" * 10


def test_a_folder_without_a_dockerfile_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=f"there is no Dockerfile in {tmp_path}"):
        make_author_context(tmp_path)


def test_bytecode_of_the_host_never_enters_an_image(tmp_path: Path) -> None:
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    (tmp_path / "code" / "__pycache__" / "a.cpython-311.pyc").touch()
    (tmp_path / "code" / "a.py").touch()
    (tmp_path / "code" / "b.pyc").touch()
    assert [entry.name for entry in make_package_entries(tmp_path / "code", "target")] == ["target/a.py"]


def test_an_incomplete_installation_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"incomplete: .*missing"):
        make_package_entries(tmp_path, "", only=["services"])


def test_a_dockerignore_of_the_dockerfile_is_read_in_place_of_the_folders(author: Path) -> None:
    (author / ".dockerignore").write_text("*\n")
    (author / "Dockerfile.dockerignore").write_text("data\n")
    names = set(make_author_context(author).entries)
    assert {"Dockerfile", "Dockerfile.dockerignore", ".dockerignore"} <= names
    assert not any(name.startswith("data") for name in names)
