"""The distribution requires what its code on the host imports."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

import harness

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = Path(harness.__file__).parent
# images have their own requirements; _typeshed is a part of type checkers
_IN_IMAGES = ("incluster", "images/base-", "images/airflow", "images/python-data")
_OF_PYTHON = sys.stdlib_module_names | {"harness", "_typeshed"}


def _requirements() -> set[str]:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    named = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {_normalise(match[0]) for match in map(re.compile(r"[\w.-]+").match, named) if match}


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(tree: ast.AST) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add(str(node.module))
    return {module.partition(".")[0] for module in modules} - _OF_PYTHON


@pytest.mark.skipif(sys.version_info < (3, 11), reason="finds no module of a distribution without top_level.txt")
def test_every_library_that_the_host_side_imports_is_a_requirement() -> None:
    distributions = importlib.metadata.packages_distributions()
    required = _requirements()
    missing = set()
    for path in PACKAGE.rglob("*.py"):
        if not path.relative_to(PACKAGE).as_posix().startswith(_IN_IMAGES):
            for module in _imported(ast.parse(path.read_bytes())):
                # one that is not installed, as for another Python, has the name of its distribution
                if not required & set(map(_normalise, distributions.get(module, [module]))):
                    missing.add(f"{path.relative_to(PACKAGE)}: {module}")
    assert sorted(missing) == []
