"""Read the extension's Helm chart, and check the platform's demands before anything is built (build 3, 4.4, 12)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.common.documents import abridge
from harness.errors import ExtensionError
from harness.extension import params, trees
from harness.settings.values import is_registry
from harness.wire import keywords
from harness.wire.naming import DNS_LABEL

INSTALLER = "dag-installer-chart"
# what Helm takes as the name of a release
_CHART_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?")
# of a chart that another one requires, which Helm makes the name of a file
_DEPENDENCY_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
# semantic version 2, with the lenient beginnings that Helm reads
_VERSION = re.compile(r"v?[0-9]{1,18}(\.[0-9]{1,18}){0,2}(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?")
_MOST_DEPENDENCIES = 100


@dataclasses.dataclass(frozen=True)
class Dependency:
    """One entry of ``dependencies``.

    Attributes:
        version: empty when not given.
        repository: the same.
        more: other keys that Helm reads.
    """

    name: str
    version: str
    repository: str
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Chart:
    """An extension's chart.

    Attributes:
        directory: its folder; the folder's name has no meaning.
        image: ``global.image``, the DAG image's name and the name of the installer's Job.
        requirements: the charts that it depends on, in order.
        parameters: those of the install dialog (build 11).
        neighbours: folders of the other charts of the tree by their names.
    """

    directory: Path
    name: str
    version: str
    metadata: dict[str, Any]
    values: dict[str, Any]
    image: str
    requirements: tuple[Dependency, ...]
    parameters: tuple[params.Parameter, ...] = ()
    neighbours: Mapping[str, Path] = dataclasses.field(default_factory=dict)

    @property
    def keywords(self) -> tuple[str, ...]:
        """``keywords`` of Chart.yaml; without ``kaapanaworkflow`` the platform never lists the chart."""
        return tuple(str(word) for word in self.metadata.get("keywords") or ())


def find(root: Path) -> list[Path]:
    """Return folders with a Chart.yaml, without sub-charts in the ``charts/`` folder of another chart."""
    folders = [path.parent for path in trees.walk(root) if path.name == "Chart.yaml"]
    return [
        folder
        for folder in folders
        if not any(folder.is_relative_to(other / "charts") for other in folders if other != folder)
    ]


def is_workflow(root: Path, folder: Path) -> bool:
    """Return whether a chart is a workflow: its first requirement is the installer, or it has the keyword."""
    path = folder / "requirements.yaml"
    requirements = read_dependencies(trees.read_mapping(root, path), str(path)) if path.is_file() else ()
    if requirements and requirements[0].name == INSTALLER:
        return True
    words = trees.read_mapping(root, folder / "Chart.yaml").get("keywords")
    return isinstance(words, list) and keywords.WORKFLOW in words


def read(root: Path, folder: Path) -> Chart:
    """Read and check one workflow chart.

    Raises:
        ExtensionError: something is missing or wrong; the error tells how the platform would react.
    """
    metadata = trees.read_mapping(root, folder / "Chart.yaml")
    check_metadata(metadata, str(folder / "Chart.yaml"))
    requirements = _installer_requirement(root, folder, metadata)
    values, image = _values(root, folder)
    parameters = params.read(values, folder / "values.yaml")
    return Chart(folder, metadata["name"], metadata["version"], metadata, values, image, requirements, parameters)


def check_metadata(metadata: Mapping[str, Any], shown: str) -> None:
    """Check the keys that a Chart.yaml must have.

    Args:
        metadata: its content.
        shown: how messages name the file.

    Raises:
        ExtensionError: name, version or apiVersion is missing or cannot be used.
    """
    for key in ("name", "version"):
        given = metadata.get(key)
        if not isinstance(given, str) or not given:
            raise ExtensionError(
                f"{shown} has no {key}" if given is None else f"{shown}: {key} must be text, got {abridge(given)}",
                fix=f'add a line {key}: "..."',
            )
    if not _CHART_NAME.fullmatch(metadata["name"]):
        raise ExtensionError(
            f"{shown}: name {abridge(metadata['name'])} cannot be a release name",
            fix="use lower-case letters, digits and dashes, at most 53 characters",
        )
    if not _VERSION.fullmatch(metadata["version"]):
        raise ExtensionError(
            f"{shown}: version {abridge(metadata['version'])} is not a version that Helm reads",
            fix="write the version as three numbers, e.g. 0.1.0",
        )
    words = metadata.get("keywords") or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ExtensionError(
            f"{shown}: keywords must be a list of texts, not {abridge(words)}", fix="keywords:\n  - kaapanaworkflow"
        )
    if metadata.get("apiVersion") not in ("v1", "v2"):
        raise ExtensionError(f"{shown}: apiVersion must be v1 or v2", fix="apiVersion: v2")


def _installer_requirement(root: Path, folder: Path, metadata: Mapping[str, Any]) -> tuple[Dependency, ...]:
    path = _dependencies_file(folder, metadata)
    if path is None:
        raise ExtensionError(
            f"{folder} has no requirements.yaml: the chart would install nothing",
            last_seen=f"files there: {', '.join(sorted(entry.name for entry in folder.iterdir()))}",
            fix=f"add requirements.yaml with the dependency {INSTALLER}",
        )
    requirements = read_dependencies(trees.read_mapping(root, path), str(path))
    if not requirements:
        raise ExtensionError(
            f"{path} names no dependencies: the chart would install nothing",
            fix=f"add the dependency {INSTALLER} with its version and its file:// repository",
        )
    names = [dependency.name for dependency in requirements]
    if INSTALLER not in names:
        raise ExtensionError(
            f"{path} does not depend on {INSTALLER}, so no DAG would be installed",
            last_seen=f"its dependencies: {', '.join(names)}",
            fix=f"name the dependency exactly {INSTALLER}",
        )
    # with the keyword the build script takes the chart for a workflow in any case (build 4.4)
    if keywords.WORKFLOW not in (metadata.get("keywords") or ()) and names[0] != INSTALLER:
        raise ExtensionError(
            f"{path}: without the keyword {keywords.WORKFLOW} {INSTALLER} must be the first dependency: the platform's "
            "build looks only there",
            last_seen=f"its first dependency: {names[0]}",
            fix=f"add the keyword {keywords.WORKFLOW} to Chart.yaml",
        )
    return requirements


def _dependencies_file(folder: Path, metadata: Mapping[str, Any]) -> Path | None:
    """Return the file that names the dependencies: requirements.yaml if it exists, otherwise Chart.yaml."""
    if (folder / "requirements.yaml").is_file():
        return folder / "requirements.yaml"
    return folder / "Chart.yaml" if metadata.get("dependencies") else None


def read_dependencies(document: Mapping[str, Any], shown: str) -> tuple[Dependency, ...]:
    """Return the entries of ``dependencies`` in a requirements.yaml or Chart.yaml.

    Args:
        document: its content.
        shown: how messages name the file.

    Raises:
        ExtensionError: it is not a list, or an entry has no name.
    """
    entries = document.get("dependencies") or []
    if not isinstance(entries, list):
        raise ExtensionError(f"{shown}: dependencies must be a list, not {abridge(entries)}")
    if len(entries) > _MOST_DEPENDENCIES:
        raise ExtensionError(f"{shown} has {len(entries)} dependencies, at most {_MOST_DEPENDENCIES} are allowed")
    found = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise ExtensionError(f"{shown}: dependency {number} has no name", last_seen=abridge(entry))
        check_dependency_name(entry["name"], f"{shown}: dependency {number}")
        version = _text(entry, "version", f"{shown}: dependency {number}")
        repository = _text(entry, "repository", f"{shown}: dependency {number}")
        more = {key: entry[key] for key in ("alias", "condition", "tags", "import-values") if entry.get(key)}
        found.append(Dependency(entry["name"], version, repository, more))
    return tuple(found)


def check_dependency_name(name: str, where: str) -> None:
    """Check that the name of a required chart can be that of a file and a folder.

    Raises:
        ExtensionError: it could lead elsewhere.
    """
    if not _DEPENDENCY_NAME.fullmatch(name) or ".." in name:
        raise ExtensionError(
            f"{where} is named {abridge(name)}, which is not a name of a chart",
            fix="letters, digits, dashes, dots and underscores",
        )


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ExtensionError(f"{where}: {key} must be text, not {abridge(value)}")
    text = str(value)
    if len(text) > 1000 or not text.isprintable():
        raise ExtensionError(f"{where}: {key} {abridge(text)} has characters that it cannot have, or too many")
    return text


def _values(root: Path, folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / "values.yaml"
    if not path.is_file():
        raise ExtensionError(
            f"{folder} has no values.yaml, so the installer does not know the DAG image",
            fix='add values.yaml with\nglobal:\n  image: "<dag image>"\n  action: "copy"',
        )
    values = trees.read_mapping(root, path)
    return values, read_dag_image(values, str(path))


def read_dag_image(values: Mapping[str, Any], shown: str) -> str:
    """Return ``global.image``, the name of the DAG image and of the installer's Job.

    Args:
        values: content of a values.yaml.
        shown: how messages name the file.

    Raises:
        ExtensionError: it is missing or cannot be used.
    """
    platform = values.get("global")
    if not isinstance(platform, dict) or not platform:
        raise ExtensionError(
            f"{shown} has no map `global`: the platform's extension list breaks on such a chart",
            fix='add\nglobal:\n  image: "<dag image>"\n  action: "copy"',
        )
    image = platform.get("image")
    if not isinstance(image, str) or not image:
        raise ExtensionError(
            f"{shown}: global.image "
            + ("is missing" if image in (None, "") else f"must be text, not {abridge(image)}"),
            fix="set it to the LABEL IMAGE of extension/docker/Dockerfile",
        )
    custom = platform.get("custom_registry_url")
    if custom and not (isinstance(custom, str) and is_registry(custom)):
        raise ExtensionError(
            f"{shown}: global.custom_registry_url {abridge(custom)} is not a registry",
            fix="write it as it is written in image references, such as registry.site:5000/team",
        )
    if not DNS_LABEL.fullmatch(image):
        raise ExtensionError(
            f"{shown}: global.image {abridge(image)} cannot name the installer's Job",
            fix="use lower-case letters, digits and dashes only, without registry and tag",
        )
    return image
