"""The files that a DAG image installs in Airflow, from a source tree or from a built image."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from harness.errors import ExtensionError
from harness.extension import operators
from harness.extension.operators import OperatorImage

INSTALL_ROOT = PurePosixPath("/kaapana/tmp")
"""What is below it in a DAG image is copied to Airflow (build 6)."""


@dataclasses.dataclass(frozen=True)
class InstalledFile:
    """A file that the DAG image installs.

    Attributes:
        installed: path relative to :data:`INSTALL_ROOT`, e.g. ``dags/dag_x.py``.
        shown: its name in messages: its path in the source tree, or its image.
        read: returns its text; raises ExtensionError for a file that is not text.
    """

    installed: str
    shown: str
    read: Callable[[], str] = dataclasses.field(repr=False, compare=False)

    @property
    def is_python(self) -> bool:
        """Whether its name ends in ``.py``."""
        return self.installed.endswith(".py")

    @property
    def may_hold_dag(self) -> bool:
        """Whether Airflow considers it: both words "dag" and "airflow" occur (runtime 2.3)."""
        if not (self.installed.startswith("dags/") and self.is_python):
            return False
        text = self.read().lower()
        return "dag" in text and "airflow" in text

    def readable(self) -> str:
        """Return the file's text, or nothing where it is not text."""
        try:
            return self.read()
        except ExtensionError:
            return ""


@dataclasses.dataclass(frozen=True)
class DagImageContents:
    """Everything that one DAG image installs."""

    files: tuple[InstalledFile, ...]

    @property
    def dag_files(self) -> tuple[InstalledFile, ...]:
        """The files in which Airflow looks for DAGs."""
        return tuple(file for file in self.files if file.may_hold_dag)

    @property
    def modules(self) -> frozenset[str]:
        """The top-level names under which other DAG code can import its files and folders."""
        return frozenset(
            _module(file.installed).partition(".")[0]
            for file in self.files
            if file.is_python and file.installed.startswith("dags/")
        )

    @property
    def operator_images(self) -> tuple[OperatorImage, ...]:
        """The image references of the Python files."""
        return tuple(_images(file for file in self.files if file.is_python))

    @property
    def imported_images(self) -> tuple[OperatorImage, ...]:
        """Those references that are in a DAG file or in a module that one of them imports."""
        return tuple(_images(self._find_imported()))

    def _find_imported(self) -> Iterator[InstalledFile]:
        by_module = {_module(file.installed): file for file in self.files if file.is_python}
        pending, seen = [_module(file.installed) for file in self.dag_files], set[str]()
        while pending:
            module = pending.pop()
            if module in seen or module not in by_module:
                continue
            seen.add(module)
            yield by_module[module]
            pending += _imports(by_module[module].readable(), module)


def _images(files: Iterable[InstalledFile]) -> Iterator[OperatorImage]:
    for file in files:
        yield from operators.find_images(file.readable(), PurePosixPath(file.installed).name, file.shown)


def _module(installed: str) -> str:
    """Return the name under which DAG code imports an installed file; the DAG folder is on ``sys.path`` (build 3)."""
    return PurePosixPath(installed).with_suffix("").as_posix().removeprefix("dags/").replace("/", ".")


def _imports(text: str, module: str) -> Iterator[str]:
    """Yield the modules that may be meant by the imports of a Python file."""
    package = module.rpartition(".")[0]
    for node in _nodes(text):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                outer = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(filter(None, [*outer, base]))
            yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def _nodes(text: str) -> Iterator[ast.AST]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    yield from ast.walk(tree)
