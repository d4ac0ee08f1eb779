"""The examples in scenarios/ are what authors copy: nothing is odd about their sources, on any release."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import extension
from harness.extension import params
from harness.findings import Finding
from harness.platform import dependencies, packaging, parameters, upload
from harness.platform.helm import Helm
from harness.run.findings import find_given_arguments
from tests.platform.test_parameters import GLOBALS

TREES = [path.parent for path in sorted((Path(__file__).parents[2] / "scenarios").glob("*/extension/extension"))]


def findings_of(tree: Path, helm: Helm, scratch: Path) -> list[Finding]:
    """Return all findings that an installation of a tree has before anything is built."""
    source = extension.read(tree)
    package = packaging.package(source.chart, scratch, helm=helm)
    uploaded = upload.check(helm, package, GLOBALS)
    posted = params.check(source.chart.parameters, {})
    *_, odd = parameters.render(helm, package.parameters, uploaded, GLOBALS, posted)
    return [*source.findings, *dependencies.collect_findings(source.chart), *upload.collect_findings(package), *odd]


def test_the_examples_are_found() -> None:
    assert {tree.parent.name for tree in TREES} >= {"otsus-method", "multi-organ", "pyradiomics-like"}


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.parent.name)
def test_an_example_has_no_findings(tree: Path, helm: Helm, tmp_path: Path) -> None:
    assert findings_of(tree, helm, tmp_path) == []


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.parent.name)
def test_no_release_ignores_an_argument_of_an_example(tree: Path) -> None:
    files = [file for file in extension.read(tree).contents.files if file.is_python]
    assert files
    assert [found for file in files for found in find_given_arguments(file.readable(), file.shown)] == []
