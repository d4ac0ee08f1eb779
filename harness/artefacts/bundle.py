"""Open the charts and images that a command line, a setting or a test gives in place of a source tree."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.artefacts import package, sources
from harness.artefacts.package import ChartPackage
from harness.artefacts.sources import ImageSource
from harness.errors import ExtensionError, HarnessError, UsageError
from harness.extension import charts, params, trees
from harness.extension.params import Parameter
from harness.settings import how_to_set


@dataclasses.dataclass(frozen=True)
class Artefacts:
    """What was built elsewhere.

    Attributes:
        packages: the charts, each of another name.
        sources: where their images are; the first that has one is taken.
    """

    packages: tuple[ChartPackage, ...]
    sources: tuple[ImageSource, ...]

    @classmethod
    def open(
        cls, chart_paths: Iterable[str | os.PathLike[str]], images: Iterable[str | os.PathLike[str]], state: Path
    ) -> Artefacts:
        """Read packages and the indexes of archives.

        Args:
            chart_paths: the packages.
            images: see :func:`harness.artefacts.sources.open_sources`.
            state: the folder of this user's state.

        Raises:
            ExtensionError: a package cannot be used, or two are the same chart.
            UsageError: an archive is damaged, or a word names neither an archive nor a registry.
            EngineError: no engine answers.
        """
        found: dict[str, ChartPackage] = {}
        for path in chart_paths:
            read = package.read(path)
            if other := found.get(read.name):
                raise ExtensionError(
                    f"{other.path} and {read.path} are the same chart {read.name}",
                    fix="give one of them: an installed release has one version",
                )
            found[read.name] = read
        if not found:
            raise UsageError(
                "images were given, but no chart", fix=f"give the packaged chart with {how_to_set('chart', 'X.tgz')}"
            )
        return cls(tuple(found.values()), tuple(sources.open_sources(images, state)))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """``extension_params`` of all charts."""
        return tuple(parameter for package in self.packages for parameter in package.parameters)

    def require_workflow(self) -> None:
        """Check that a package has DAGs to run.

        Raises:
            UsageError: no package has any.
        """
        if not any(entry.is_workflow for entry in self.packages):
            raise UsageError(
                "none of the charts brings a DAG, so there is nothing to run",
                last_seen=f"given: {', '.join(entry.path.name for entry in self.packages)}",
                fix=f"give the chart of the workflow too, with {how_to_set('chart', 'X.tgz')}",
            )

    def select_packages(self, path: str | os.PathLike[str]) -> tuple[ChartPackage, ...]:
        """Return the packages that stand for a source tree, which need not be there.

        Raises:
            UsageError: none was given for its chart.
        """
        names = _chart_names(Path(os.path.expanduser(path)))
        if names is None:
            return self.packages
        fitting = tuple(entry for entry in self.packages if entry.name in names)
        if not fitting:
            raise UsageError(
                f"no package was given for {path}, whose chart is {' or '.join(sorted(names))}",
                last_seen=f"given: {', '.join(entry.path.name for entry in self.packages)}",
                fix=f"give its package with {how_to_set('chart')} too, or leave these options out",
            )
        return fitting


def select_params(packages: Sequence[ChartPackage], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return for each package, by its name, those of the given parameters that its chart has.

    Raises:
        FormError: no chart has one of them, or the dialog would not take a value.
    """
    params.check([parameter for package in packages for parameter in package.parameters], given)
    return {
        package.name: {
            parameter.name: given[parameter.name] for parameter in package.parameters if parameter.name in given
        }
        for package in packages
    }


def _chart_names(tree: Path) -> set[str] | None:
    """Return the names of the charts of a tree, ``None`` without a readable tree."""
    if not os.path.isdir(tree):
        return None
    try:
        root = trees.check_root(tree)
        found = {str(trees.read_mapping(root, folder / "Chart.yaml").get("name", "")) for folder in charts.find(root)}
    except HarnessError:
        return None
    return found or None
