"""Make the parts of the site's build importable, as ``docs/conf.py`` does, and make readers of pages."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest

from tests.documents.pages import DOCS
from tests.documents.reader import Reader

sys.path.insert(0, str(DOCS / "_extensions"))

MakeReader = Callable[..., Reader]
EXTENSION = DOCS.parent / "scenarios/otsus-method/extension"
_TEST = """
def test_it_runs(kaapana, small_ct):
    assert kaapana.install({extension!r}).run(dataset=small_ct).succeeded
"""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[MakeReader]:
    """Makes readers who have an extension, a test of it and the harness; their environments end with the test."""
    made: list[Reader] = []
    extension = Path(shutil.copytree(EXTENSION, tmp_path / "my-extension"))
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_my_extension.py").write_text(_TEST.format(extension=str(extension)), "utf-8")
    elsewhere = {
        "path/to/my-extension": str(extension),
        "path/to/tests": str(tests),
        "path/to/kaapana-harness": str(DOCS.parent),
    }

    def make(
        said: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        having: Collection[str] = (),
    ) -> Reader:
        own = {
            "KAAPANA_HARNESS_STATE_DIR": str(tmp_path / "state"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        folder = tmp_path / f"reader-{len(made)}"
        folder.mkdir()
        made.append(Reader(folder, {**elsewhere, **(said or {})}, {**own, **(variables or {})}, having))
        return made[-1]

    yield make
    for one in made:
        one.type("kaapana-harness down")
