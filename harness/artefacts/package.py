"""Read a packaged chart (``<name>-<version>.tgz``) that any ``helm package`` has written.

Nothing is unpacked: the archive is read in one pass, bounded, and only the few files that decide the installation
are kept. What a package must hold is what the platform needs of it (build 2, 7, 10.2, 19).
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from harness.common.documents import abridge
from harness.errors import ExtensionError
from harness.extension import charts, params, trees
from harness.extension.charts import INSTALLER, Dependency
from harness.extension.params import Parameter
from harness.wire import keywords

_MOST_FILES = 10_000
_MOST_BYTES = 64 << 20
_LONGEST_NAME = 255
_MOST_TEXT = 2 << 20
# of the chart itself, and of each chart inside
_KEPT = frozenset({"Chart.yaml", "values.yaml", "requirements.yaml"})
_REPACKAGE = "package it again: `helm dep up && helm package .` in the chart's folder"


@dataclasses.dataclass(frozen=True)
class ChartPackage:
    """One packaged chart.

    Attributes:
        path: the file.
        name: of the chart, and of its release.
        version: of the chart.
        metadata: content of Chart.yaml.
        values: content of values.yaml.
        subcharts: version of each chart in ``charts/`` by its name.
    """

    path: Path
    name: str
    version: str
    metadata: Mapping[str, Any] = dataclasses.field(repr=False)
    values: Mapping[str, Any] = dataclasses.field(repr=False)
    subcharts: Mapping[str, str] = dataclasses.field(repr=False)

    @property
    def file_name(self) -> str:
        """The name by which alone the platform finds it (build 10.2)."""
        return f"{self.name}-{self.version}.tgz"

    @property
    def keywords(self) -> tuple[str, ...]:
        """``keywords`` of Chart.yaml (build 12)."""
        return tuple(str(word) for word in self.metadata.get("keywords") or ())

    @property
    def is_workflow(self) -> bool:
        """Whether it installs DAG files: the installer chart is inside."""
        return INSTALLER in self.subcharts

    @property
    def is_listed(self) -> bool:
        """Whether the platform's list of extensions has it (build 10.2)."""
        return any(word in self.keywords for word in keywords.LISTED)

    @property
    def is_triggered(self) -> bool:
        """Whether only tasks start it, by ``launch_application_chart``, and users cannot install it (build 12)."""
        return keywords.TRIGGERED in self.keywords and not self.is_listed

    @functools.cached_property
    def dag_image(self) -> str:
        """``global.image``: the name of the DAG image and of the installer's Job.

        Raises:
            ExtensionError: it is missing or cannot be used.
        """
        return charts.read_dag_image(self.values, f"values.yaml in {self.path.name}")

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """``extension_params`` of values.yaml.

        Raises:
            ExtensionError: one is not declared as the platform's dialog needs it.
        """
        return params.read(self.values, f"values.yaml in {self.path.name}")


def read(path: str | os.PathLike[str]) -> ChartPackage:
    """Read a packaged chart and check that the platform could install it.

    Raises:
        ExtensionError: the file is not a package, is damaged or renamed, or lacks a chart that it requires.
    """
    file = Path(os.path.expanduser(path))
    top, texts, subcharts = _members(file)
    shown = f"Chart.yaml in {file.name}"
    metadata = trees.parse_mapping(texts["Chart.yaml"], shown)
    charts.check_metadata(metadata, shown)
    if metadata.get("type") == "library":
        raise ExtensionError(
            f"{file.name} is a library chart, which Helm does not install",
            last_seen=f"{shown}: type: library",
            fix="give the chart that uses it; it has the library inside",
        )
    if top != metadata["name"]:
        raise ExtensionError(
            f"{file.name} has its chart {metadata['name']} in a folder named {top}: Helm reads it, the platform's "
            "build does not make it so",
            fix=_REPACKAGE,
        )
    values = trees.parse_mapping(texts.get("values.yaml", ""), f"values.yaml in {file.name}")
    package = ChartPackage(file, metadata["name"], metadata["version"], metadata, values, subcharts)
    if file.name != package.file_name:
        raise ExtensionError(
            f"{file.name} must be named {package.file_name}: the platform finds a package by the name and version in "
            "its Chart.yaml only",
            last_seen=f"Chart.yaml: name {package.name}, version {package.version}",
            fix="do not rename the package, or package the version that its name says",
        )
    _check_requirements(package, _requirements(metadata, texts, file))
    return package


def _requirements(metadata: Mapping[str, Any], texts: Mapping[str, str], file: Path) -> list[Dependency]:
    """Return the requirements from both places where Helm looks."""
    found = list(charts.read_dependencies(metadata, f"Chart.yaml in {file.name}"))
    if "requirements.yaml" in texts:
        shown = f"requirements.yaml in {file.name}"
        found += charts.read_dependencies(trees.parse_mapping(texts["requirements.yaml"], shown), shown)
    return found


def _check_requirements(package: ChartPackage, requirements: list[Dependency]) -> None:
    missing = [entry.name for entry in requirements if entry.name not in package.subcharts]
    if missing:
        raise ExtensionError(
            f"{package.path.name} requires {', '.join(missing)}, but "
            + (f"has only {', '.join(package.subcharts)} inside" if package.subcharts else "has no chart inside"),
            last_seen="Helm: found in Chart.yaml, but missing in charts/ directory: " + ", ".join(missing),
            fix=_REPACKAGE,
        )
    if keywords.WORKFLOW in package.keywords and INSTALLER not in package.subcharts:
        raise ExtensionError(
            f"{package.path.name} does not contain {INSTALLER}, so no DAG would be installed",
            last_seen=f"charts inside: {', '.join(package.subcharts) or 'none'}",
            fix=f"require {INSTALLER} in requirements.yaml, and {_REPACKAGE}",
        )


def _members(file: Path) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return the name of the chart's folder, the texts of its own files, and the versions of the charts inside."""
    if not file.exists():
        raise ExtensionError(
            f"there is no package {file}: the path does not exist", fix="give the .tgz that `helm package` has written"
        )
    if not file.is_file():
        kind = "a folder" if file.is_dir() else "not a regular file"
        raise ExtensionError(
            f"{file} is not a packaged chart: it is {kind}", fix="give the .tgz that `helm package` has written"
        )
    texts: dict[str, str] = {}
    subcharts: dict[str, str] = {}
    tops: set[str] = set()
    try:
        # not tarfile's own mode for compressed streams, which trips over the extra field that Helm writes
        with gzip.open(file) as plain, _tar(plain) as archive:
            budget = _Budget(file)
            for parts, member in _iterate_files(archive, file, budget):
                tops.add(parts[0])
                if len(parts) == 2 and parts[1] in _KEPT:
                    texts[parts[1]] = _text(archive, member, file)
                elif len(parts) == 4 and parts[1] == "charts" and parts[3] == "Chart.yaml":
                    shown = f"{'/'.join(parts[1:])} in {file.name}"
                    inner = trees.parse_mapping(_text(archive, member, file), shown)
                    name, version = _read_name(inner, parts[2], shown)
                    subcharts[name] = version
                elif len(parts) == 3 and parts[1] == "charts" and parts[2].endswith(".tgz"):
                    name, version = _read_nested(archive, member, file, budget)
                    subcharts[name] = version
    except ExtensionError:
        raise
    except Exception as error:  # tarfile raises errors of any kind for a damaged header
        raise ExtensionError(
            f"{file} is not a packaged chart, or it was cut off or damaged on its way",
            last_seen=f"{type(error).__name__}: {error}",
            fix=_REPACKAGE,
        ) from None
    if "Chart.yaml" not in texts or len(tops) != 1:
        raise ExtensionError(
            f"{file.name} is not a Helm chart: it has no Chart.yaml in one folder at its top",
            last_seen=f"at its top: {', '.join(sorted(tops)[:20]) or 'nothing'}",
            fix=_REPACKAGE,
        )
    return tops.pop(), texts, subcharts


def _tar(plain: Any) -> tarfile.TarFile:
    return tarfile.open(fileobj=_Bounded(plain), mode="r|")  # type: ignore[call-overload,no-any-return]


class _Bounded:
    """The bytes of an unpacked archive, at most as many as a chart reasonably has."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain
        # members, and the headers and the padding around each
        self._left = _MOST_BYTES + 4 * tarfile.BLOCKSIZE * _MOST_FILES

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        data: bytes = self._plain.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError(f"it unpacks to more than {_MOST_BYTES >> 20} MiB")
        return data


class _Budget:
    """What a package and the packages in it may unpack to, together."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._files = self._bytes = 0

    def take(self, size: int) -> None:
        """Count one file.

        Raises:
            ExtensionError: that is one too many.
        """
        self._files += 1
        self._bytes += size
        if self._files > _MOST_FILES or self._bytes > _MOST_BYTES:
            raise ExtensionError(
                f"{self._file.name} unpacks to more than {_MOST_FILES} files or {_MOST_BYTES >> 20} MiB: that is not a "
                "chart"
            )


def _iterate_files(
    archive: tarfile.TarFile, file: Path, budget: _Budget
) -> Iterator[tuple[tuple[str, ...], tarfile.TarInfo]]:
    """Yield the regular files of an archive with the parts of their paths, within reasonable limits for a chart."""
    for member in archive:
        archive.members.clear()  # type: ignore[attr-defined] # they would pile up
        budget.take(member.size)
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\\" in member.name or not member.name.isprintable():
            raise ExtensionError(
                f"{file.name} has a file that leads out of its folder: {member.name!r}", fix=_REPACKAGE
            )
        if any(len(part.encode("utf-8", "surrogateescape")) > _LONGEST_NAME for part in path.parts):
            raise ExtensionError(
                f"{file.name} has a file whose name is longer than {_LONGEST_NAME} bytes: {abridge(member.name)}",
                fix=_REPACKAGE,
            )
        if member.isdir() or not path.parts:
            continue
        if not member.isreg():
            raise ExtensionError(
                f"{file.name} has a member that is not a file: {member.name!r}",
                last_seen="a link or a device",
                fix="Helm packages the files that links lead to: " + _REPACKAGE,
            )
        yield path.parts, member


def _read_name(metadata: Mapping[str, Any], folder: str, shown: str) -> tuple[str, str]:
    """Return name and version of a chart inside."""
    name, version = metadata.get("name", folder), metadata.get("version", "")
    if not isinstance(name, str) or not isinstance(version, str | int | float):
        raise ExtensionError(f"{shown}: name and version must be text, got {abridge(name)} and {abridge(version)}")
    charts.check_dependency_name(name, f"{shown}: the chart")
    return name, str(version)


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo, file: Path) -> str:
    if member.size > _MOST_TEXT:
        raise ExtensionError(f"{member.name} in {file.name} is larger than {_MOST_TEXT >> 10} KiB")
    content = archive.extractfile(member)
    assert content is not None
    try:
        return content.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExtensionError(f"{member.name} in {file.name} is not UTF-8 text: {error}") from None


def _read_nested(archive: tarfile.TarFile, member: tarfile.TarInfo, file: Path, budget: _Budget) -> tuple[str, str]:
    """Return name and version of a chart that is packaged in ``charts/``, as older versions of Helm leave it."""
    content = archive.extractfile(member)
    assert content is not None
    with gzip.open(content) as plain, _tar(plain) as inner:
        for parts, entry in _iterate_files(inner, file, budget):
            if len(parts) == 2 and parts[1] == "Chart.yaml":
                shown = f"{member.name} in {file.name}"
                return _read_name(trees.parse_mapping(_text(inner, entry, file), shown), parts[0], shown)
    raise ExtensionError(f"{member.name} in {file.name} is not a Helm chart: it has no Chart.yaml", fix=_REPACKAGE)
