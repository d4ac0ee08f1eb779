"""``from harness import Kaapana``: the public names are lazy, typed and documented."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import harness

ROOT = Path(__file__).parents[1]


def _typed() -> dict[str, str]:
    """Return the public names by what type checkers read: the imports of ``harness/__init__.py``."""
    tree = ast.parse(Path(harness.__file__).read_text("utf-8"))
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("harness."):
            found |= {alias.name: node.module for alias in node.names}
    return found


@pytest.mark.parametrize("name", harness.__all__)
def test_a_public_name_is_what_type_checkers_take_it_for(name: str) -> None:
    assert getattr(harness, name) is getattr(importlib.import_module(_typed()[name]), name)


def test_type_checkers_know_no_other_names() -> None:
    assert sorted(_typed()) == sorted(harness.__all__) == sorted(set(harness.__all__) & set(dir(harness)))


def test_importing_the_package_loads_no_module_of_it() -> None:
    program = (
        "import sys; before = set(sys.modules); import harness; first = set(sys.modules) - before;"
        "harness.Finding; print(*first); print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    first, then = map(str.split, done.stdout.splitlines())
    assert first == ["harness"]
    assert "harness.findings" in then
    assert "harness.api" not in then


def test_an_unknown_name_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="cannot import name 'Kapaana'"):
        exec("from harness import Kapaana", {})


def test_the_documents_name_all_of_them() -> None:
    text = (ROOT / "docs/writing-tests.md").read_text("utf-8")
    _, _, section = text.partition("## Public names")
    section, _, _ = section.partition("\n## ")
    assert [name for name in harness.__all__ if f"`{name}`" not in section] == []
