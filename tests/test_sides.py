"""Code in containers and code on the host are separate, and an image has everything that its code imports."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

import harness
from harness.images.catalogue import CATALOGUE
from harness.images.site import SiteSettings

PACKAGE = Path(harness.__file__).parent
SHARED = ("harness.geometry", "harness.kube", "harness.wire")
CODE = "code/"


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a module imports of the harness, wherever it does; ``from a import b`` as ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports of the harness are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name for name in names if name.split(".")[0] == "harness")


def _below(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("side", ["incluster", *(name.removeprefix("harness.") for name in SHARED)])
def test_code_that_runs_in_containers_imports_nothing_of_the_host_side(side: str) -> None:
    modules = sorted((PACKAGE / side).rglob("*.py"))
    assert modules
    known = ("harness.incluster", *SHARED) if side == "incluster" else SHARED
    forbidden = []
    for path in modules:
        imported = _imports(ast.parse(path.read_bytes()))
        forbidden += [f"{path.relative_to(PACKAGE)}: {name}" for name in imported if not _below(name, *known)]
    assert forbidden == []


def test_the_host_side_imports_nothing_of_what_runs_in_containers() -> None:
    modules = [path for path in sorted(PACKAGE.rglob("*.py")) if not path.is_relative_to(PACKAGE / "incluster")]
    assert modules
    forbidden = []
    for path in modules:
        imported = _imports(ast.parse(path.read_bytes()))
        forbidden += [f"{path.relative_to(PACKAGE)}: {name}" for name in imported if _below(name, "harness.incluster")]
    assert forbidden == []


def test_only_the_public_face_and_the_errors_lie_loose_at_the_top() -> None:
    loose = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert loose == {"__init__.py", "api.py", "errors.py", "installed.py", "py.typed"}


def test_no_modules_need_each_other_neither_when_they_run_nor_by_their_types() -> None:
    modules = {_module(path): path for path in PACKAGE.rglob("*.py") if "images/base-" not in str(path)}
    # the package itself has the public names of all others
    del modules["harness"]
    needs = {name: _needs(name, path, modules) for name, path in modules.items()}
    # raises CycleError, which names the modules
    graphlib.TopologicalSorter(needs).prepare()


def _module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def _needs(name: str, path: Path, modules: Collection[str]) -> set[str]:
    imported = {full if full in modules else full.rpartition(".")[0] for full in _imports(ast.parse(path.read_bytes()))}
    # a part of a package may need what the package itself has
    return {module for module in imported if module in modules and not _below(name, module)}


@pytest.mark.parametrize("image", ["services", "processing", "airflow"])
def test_an_image_has_every_module_that_its_code_imports(image: str) -> None:
    entries = CATALOGUE[image].context(SiteSettings()).entries
    code = {name.removeprefix(CODE): entry for name, entry in entries.items() if name.startswith(CODE)}
    missing = []
    for name, entry in code.items():
        # the package itself loads its public names when one is used, which happens on the host alone
        if name.endswith(".py") and name != "harness/__init__.py":
            for module in _imports(ast.parse(entry.read())):
                if (file := _file(module)) not in code:
                    missing.append(f"{name} imports {module}, which is in {file}")
    assert missing == []


def _file(name: str) -> str:
    """Return the file of an imported name: its own if it is a module, otherwise that of the module it stands in."""
    for module in (name, name.rpartition(".")[0]):
        path = module.replace(".", "/")
        for file in (f"{path}.py", f"{path}/__init__.py"):
            if (PACKAGE.parent / file).is_file():
                return file
    return name
