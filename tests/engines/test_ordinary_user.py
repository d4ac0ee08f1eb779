"""The README's commands, as they are typed by a user who is not root."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.data import small_ct
from tests.engines.ordinary_user import OrdinaryUser, ordinary_user

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "scenarios/otsus-method/extension"
_LONGEST_S = 1200.0


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    """The user, with a copy of this repository."""
    with ordinary_user(ROOT) as made:
        yield made


@pytest.mark.usefixtures("usable_engine")
def test_the_readmes_first_command_runs_the_example_for_a_user_who_is_not_root(user: OrdinaryUser) -> None:
    chosen = ["scenarios/otsus-method", "-k", "small_ct_runs_too or tar_file"]
    done = user.run(user.python, "-m", "harness.bootstrap", "scenarios", "--", *chosen, timeout_s=_LONGEST_S)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    # with the program that this has installed
    images, tree = user.home / "images", user.folder / "read only" / "extension"
    shutil.copytree(small_ct().path, images)
    user.give(images)
    shutil.copytree(EXTENSION, tree)
    for place in (tree, *tree.rglob("*")):
        place.chmod(0o555 if place.is_dir() else 0o444)
    program = user.clone / ".tox/scenarios/bin/kaapana-harness"
    done = user.run(str(program), "run", str(tree), "--input", str(images), timeout_s=_LONGEST_S)
    assert done.returncode == 0, done.stdout
    assert sorted(os.listdir(tree)) == sorted(os.listdir(EXTENSION))


@pytest.mark.usefixtures("usable_engine")
def test_the_readmes_second_command_runs_tests_for_a_user_who_is_not_root(user: OrdinaryUser) -> None:
    done = user.run(user.python, "-m", "harness.bootstrap", "tests", "--", "tests/wire", timeout_s=_LONGEST_S)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
