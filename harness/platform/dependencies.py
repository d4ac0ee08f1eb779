"""Find the charts that an extension's chart requires (build 2.1, 4.4, 4.5; shapes 2).

`helm dep up` follows the path in ``repository`` and wants a version; the platform's build script drops that line, finds
a chart by its name, and takes what has no version as it is. Most extensions satisfy only the second, because their path
leads into a clone of the platform's repository that is missing, or has been stale for years. So if the path does not
exist, the chart is found by its name, in the tree or in the charts of the platform that come with the harness.
"""

from __future__ import annotations

import dataclasses
import os
import posixpath
from pathlib import Path

from harness.errors import ExtensionError
from harness.extension import trees
from harness.extension.charts import INSTALLER, Chart, Dependency
from harness.findings import Finding, installing

_FILE = "file://"
_COMMITTED_VERSION = "0.0.0"


@dataclasses.dataclass(frozen=True)
class Brought:
    """A chart of the platform that comes with the harness.

    Attributes:
        folder: where it is.
        upstream: where the platform's repository has it.
    """

    folder: Path
    upstream: str


_HERE = Path(__file__).parent
BROUGHT = {
    INSTALLER: Brought(_HERE / "dag-installer-chart", "services/utils/dag-installer-chart"),
    "model_installer_chart": Brought(_HERE / "model-installer-chart", "services/utils/base-model-installer/chart"),
    "kaapana-library-chart": Brought(_HERE / "library-chart", "services/utils/kaapana-library-chart"),
}


@dataclasses.dataclass(frozen=True)
class Located:
    """Where a required chart is.

    Attributes:
        folder: its folder; ``None`` where Helm itself fetches it.
        problem: why `helm dep up` does not take it in any clone; empty where it does.
        fix: the line that makes it take it.
    """

    folder: Path | None
    problem: str = ""
    fix: str = ""


def locate(chart: Chart, dependency: Dependency) -> Located:
    """Find one chart that another one requires.

    Raises:
        ExtensionError: neither `helm dep up` nor the build script would find it, or its version is another one.
    """
    located = _locate(chart, dependency)
    if located.folder is None or located.problem or dependency.version:
        return located
    problem = f"{dependency.name} has no version: `helm dep up` fails (invalid version/constraint format)"
    return Located(located.folder, problem, f'version: "{_COMMITTED_VERSION}"')


def _locate(chart: Chart, dependency: Dependency) -> Located:
    name, repository = dependency.name, dependency.repository
    if repository and not repository.startswith(_FILE):
        return Located(None)
    given = chart.directory / "charts" / name if not repository else _path(chart, repository)
    if os.path.isfile(given / "Chart.yaml"):
        return Located(given)
    if name in chart.neighbours:
        return Located(chart.neighbours[name], _problem(name, repository), _fix(name))
    known = BROUGHT.get(name)
    if known is None:
        raise _not_found(chart, name, repository)
    _check_version(chart, dependency)
    if posixpath.normpath(repository.removeprefix(_FILE)).endswith(f"/{known.upstream}"):
        return Located(known.folder)
    return Located(known.folder, _problem(name, repository), _fix(name))


def collect_findings(chart: Chart) -> tuple[Finding, ...]:
    """Return findings about required charts that only the platform's build script finds."""
    return tuple(
        installing.DEPENDENCY_BY_NAME.report(
            name,
            f"{located.problem}. The platform's build script takes the chart by its name, and so it was taken here",
            fix=located.fix,
        )
        for name, located in _problems(chart)
    )


def check_development_kit(chart: Chart) -> None:
    """Check that the development kit, which runs `helm dep up`, finds all required charts.

    Raises:
        ExtensionError: names the first one that it does not find.
    """
    for _, located in _problems(chart):
        raise ExtensionError(
            f"the development kit cannot package {chart.name}: {located.problem}",
            last_seen="only the platform's build script takes a chart by its name",
            fix=located.fix,
        )


def _problems(chart: Chart) -> list[tuple[str, Located]]:
    found = ((dependency.name, locate(chart, dependency)) for dependency in chart.requirements)
    return [(name, located) for name, located in found if located.problem]


def _path(chart: Chart, repository: str) -> Path:
    return trees.resolve(chart.directory / repository.removeprefix(_FILE))


def _problem(name: str, repository: str) -> str:
    if not repository:
        return f"{name} has no repository: `helm dep up` fails (directory charts/{name} not found)"
    known = BROUGHT.get(name)
    where = f", and the platform's repository has it at {known.upstream}" if known else ""
    return f"{name} is not at {repository}{where}: `helm dep up` fails (directory not found)"


def _fix(name: str) -> str:
    known = BROUGHT.get(name)
    return f"repository: file://<path to your clone of the platform>/{known.upstream}" if known else _RELATIVE


_RELATIVE = "repository: file://<path of the chart, relative to this chart's folder>"


def _not_found(chart: Chart, name: str, repository: str) -> ExtensionError:
    file = chart.directory / "requirements.yaml"
    known = ", ".join(sorted({*chart.neighbours, *BROUGHT}))
    return ExtensionError(
        f"{file}: {name} is not at {repository}" if repository else f"{file}: {name} has no repository",
        last_seen="helm dep up: directory not found; the build script finds no chart of this name either: " + known,
        fix=_RELATIVE,
    )


def _check_version(chart: Chart, dependency: Dependency) -> None:
    """Refuse another version than the committed 0.0.0, as Helm does (build 2.1)."""
    wanted = dependency.version
    if wanted and wanted.lstrip("~^=v") not in {_COMMITTED_VERSION, "*"} and not wanted.startswith((">", "*")):
        raise ExtensionError(
            f"{chart.directory / 'requirements.yaml'} asks for {dependency.name} {wanted}, but that chart has version "
            f"{_COMMITTED_VERSION}",
            last_seen="helm dep up: can't get a valid version for the dependency",
            fix=f'write version: "{_COMMITTED_VERSION}"; or change the version in both places, in '
            "requirements.yaml and in your own copy of the chart",
        )
