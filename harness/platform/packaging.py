"""Package a chart folder as ``<name>-<version>.tgz``: ``helm dep up`` and ``helm package`` on a copy (build 2, 3).

Where the charts come from that it requires is decided in :mod:`harness.platform.dependencies`.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from harness.artefacts import package as packages
from harness.artefacts.package import ChartPackage
from harness.errors import ExtensionError
from harness.extension import charts, edk, trees
from harness.extension.charts import Chart
from harness.platform import dependencies
from harness.platform.helm import Helm, HelmError, find

# sibling folders for Helm's work
_CHART = "chart"
_DEPENDENCIES = "dependencies"
_PACKAGE = "package"
_MOST_BYTES = 64 << 20


def package(
    chart: Chart, destination: Path, *, helm: Helm | None = None, edk_version: str | None = None
) -> ChartPackage:
    """Package a chart; its folder stays unchanged.

    Args:
        chart: the extension's chart.
        destination: folder for the package, created on demand.
        helm: the interface to Helm; by default the machine's.
        edk_version: the version that the development kit gives the package: that of the platform (build 16).

    Returns:
        The package, read as any other.

    Raises:
        ExtensionError: a dependency is not there or has another version; Helm's words are in ``last_seen``.
    """
    helm = helm or find()
    with _copy(chart) as folder:
        if edk_version is not None:
            dependencies.check_development_kit(chart)
            chart = _with_version(chart, folder, edk_version)
        _resolve_dependencies(chart, folder)
        try:
            helm.dependency_update(folder)
            archive = helm.package(folder, folder.parent.parent / _PACKAGE)
        except HelmError as error:
            raise _packaging_error(chart, str(error).replace(str(folder), str(chart.directory))) from None
        expected = f"{chart.name}-{chart.version}.tgz"
        if archive.name != expected:
            raise ExtensionError(
                f"{chart.directory / 'Chart.yaml'}: Helm reads the version {chart.version!r} in another way",
                last_seen=f"package written: {archive.name}, the platform looks for {expected}",
                fix="write the version as three numbers, e.g. 0.1.0",
            )
        return packages.read(_deliver(archive, destination))


def _deliver(archive: Path, destination: Path) -> Path:
    """Move a package to its target; Helm itself refuses folders whose names are not UTF-8."""
    destination.mkdir(parents=True, exist_ok=True)
    partial = destination / f".{archive.name}.{os.getpid()}.partial"
    try:
        shutil.copyfile(archive, partial)
        return partial.replace(destination / archive.name)
    except OSError as error:
        # a copy names the file that it reads
        error.filename, error.filename2 = str(destination / archive.name), None
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _copy(chart: Chart) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kh-chart-") as made:
        scratch = Path(made).resolve()
        folder = scratch / _CHART / chart.name
        _copy_files(chart.directory, folder, scratch=scratch, skip_built=True)
        yield folder


def _with_version(chart: Chart, folder: Path, version: str) -> Chart:
    """Edit the chart's copy as the kit does, and return it; the author's stays unchanged."""
    path = folder / "Chart.yaml"
    text = edk.set_version(path.read_text("utf-8"), version)
    path.write_text(text, "utf-8")
    metadata = trees.parse_mapping(text, str(chart.directory / "Chart.yaml"))
    return dataclasses.replace(chart, version=str(metadata["version"]), metadata=metadata)


def _copy_files(source: Path, target: Path, *, scratch: Path, skip_built: bool = False) -> None:
    """Copy regular files, without links. ``skip_built``: also without leftovers of an earlier packaging.

    Args:
        scratch: the folder that no file may be written out of.

    Raises:
        ExtensionError: there are more files or bytes than a chart has.
    """
    source = source.resolve()
    size = 0
    for file in trees.walk(source):
        relative = file.relative_to(source)
        built = relative.parts[0] == "charts" or relative.name == "Chart.lock" or relative.suffix == ".tgz"
        if skip_built and built:
            continue
        size += file.lstat().st_size
        if size > _MOST_BYTES:
            raise ExtensionError(f"the chart {source} has more than {_MOST_BYTES >> 20} MiB: that is not a chart")
        trees.inside(source, file)
        place = trees.inside(scratch, target / relative)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place, follow_symlinks=False)


def _resolve_dependencies(chart: Chart, folder: Path) -> None:
    """Make every required chart of the copy one that Helm finds, with an absolute path."""
    entries: list[dict[str, Any]] = []
    for number, dependency in enumerate(chart.requirements):
        located = dependencies.locate(chart, dependency).folder
        repository, version = dependency.repository, dependency.version
        if located is not None:
            copy = _copy_subchart(located, folder, number)
            repository = f"file://{copy}"
            # the build script takes a chart without a version by its name alone (build 4.4)
            version = version or str(trees.read_mapping(copy, copy / "Chart.yaml").get("version") or "")
        entry = {"name": dependency.name, "version": version, "repository": repository, **dependency.more}
        entries.append({key: value for key, value in entry.items() if value})
    _write_dependencies(chart, folder, entries)


def _copy_subchart(path: Path, folder: Path, number: int) -> Path:
    """Return a copy of a chart for Helm, which follows links and derives file names from the chart."""
    metadata = trees.read_mapping(path, path / "Chart.yaml")
    name = metadata.get("name")
    if not isinstance(name, str):
        raise ExtensionError(f"{path / 'Chart.yaml'} has no name", fix='add a line name: "..."')
    charts.check_dependency_name(name, f"{path / 'Chart.yaml'}: the chart")
    scratch = folder.parent.parent / _DEPENDENCIES / str(number)
    scratch.mkdir(parents=True)
    _copy_files(path, scratch / name, scratch=scratch)
    return scratch / name


def _write_dependencies(chart: Chart, folder: Path, entries: list[dict[str, Any]]) -> None:
    """Write dependencies where Helm keeps them: requirements.yaml for apiVersion v1, Chart.yaml for v2."""
    requirements = folder / "requirements.yaml"
    if chart.metadata.get("apiVersion") == "v2":
        metadata: dict[str, Any] = {**chart.metadata, "dependencies": entries}
        (folder / "Chart.yaml").write_text(yaml.safe_dump(metadata, sort_keys=False), "utf-8")
        requirements.unlink(missing_ok=True)
    else:
        requirements.write_text(yaml.safe_dump({"dependencies": entries}, sort_keys=False), "utf-8")


def _packaging_error(chart: Chart, words: str) -> ExtensionError:
    return ExtensionError(
        f"the chart {chart.name} cannot be packaged: {HelmError(words).line}",
        last_seen=words,
        evidence=str(chart.directory),
        fix="fix the chart; `helm dep up && helm package .` in its folder must work",
    )
