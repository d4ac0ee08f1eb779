"""The extension's Helm chart, checked for what the platform needs before anything is built (build 3, 4.4, 12)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.contract import keywords
from harness.errors import ExtensionError
from harness.extension import params, trees

INSTALLER = "dag-installer-chart"
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class Dependency:
    """One entry of ``dependencies``; ``version`` and ``repository`` are empty when not given."""

    name: str
    version: str
    repository: str


@dataclasses.dataclass(frozen=True)
class Chart:
    """An extension's chart.

    Attributes:
        directory: its folder; the folder's name has no meaning.
        image: ``global.image``, the DAG image's name and the name of the installer's Job.
        requirements: the entries of requirements.yaml in order.
        parameters: what the install dialog asks for (build 11).
    """

    directory: Path
    name: str
    version: str
    metadata: dict[str, Any]
    values: dict[str, Any]
    image: str
    requirements: tuple[Dependency, ...]
    parameters: tuple[params.Parameter, ...] = ()

    @property
    def keywords(self) -> tuple[str, ...]:
        """``keywords`` of Chart.yaml; without ``kaapanaworkflow`` the platform never lists the chart."""
        return tuple(str(word) for word in self.metadata.get("keywords") or ())


def find(root: Path) -> list[Path]:
    """Folders with a Chart.yaml; what lies in the ``charts/`` folder of another chart is a sub-chart."""
    folders = [path.parent for path in trees.walk(root) if path.name == "Chart.yaml"]
    return [
        folder
        for folder in folders
        if not any(folder.is_relative_to(other / "charts") for other in folders if other != folder)
    ]


def is_workflow(root: Path, folder: Path) -> bool:
    """The build script's rule: first requirement is the installer, or the keyword ``kaapanaworkflow``."""
    requirements = _requirements(root, folder) if (folder / "requirements.yaml").is_file() else ()
    if requirements and requirements[0].name == INSTALLER:
        return True
    return keywords.WORKFLOW in (trees.read_mapping(root, folder / "Chart.yaml").get("keywords") or ())


def read(root: Path, folder: Path) -> Chart:
    """Read and check one workflow chart.

    Raises:
        ExtensionError: what is missing or wrong, and what the platform would have made of it.
    """
    metadata = trees.read_mapping(root, folder / "Chart.yaml")
    check_metadata(metadata, str(folder / "Chart.yaml"))
    requirements = _installer_requirement(root, folder)
    values, image = _values(root, folder)
    parameters = params.read(values, folder / "values.yaml")
    return Chart(folder, metadata["name"], metadata["version"], metadata, values, image, requirements, parameters)


def check_metadata(metadata: Mapping[str, Any], shown: str) -> None:
    """Check what a Chart.yaml must have.

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
                f"{shown} has no {key}" if given is None else f"{shown}: {key} must be text, got {given!r}",
                fix=f'add a line {key}: "..."',
            )
    if not _DNS_LABEL.fullmatch(metadata["name"]):
        raise ExtensionError(
            f"{shown}: name {metadata['name']!r} cannot be a release name",
            fix="use lower-case letters, digits and dashes, at most 53 characters",
        )
    if metadata.get("apiVersion") not in {"v1", "v2"}:
        raise ExtensionError(f"{shown}: apiVersion must be v1 or v2", fix="apiVersion: v2")


def _installer_requirement(root: Path, folder: Path) -> tuple[Dependency, ...]:
    path = folder / "requirements.yaml"
    if not path.is_file():
        raise ExtensionError(
            f"{folder} has no requirements.yaml: the chart would install nothing",
            last_seen=f"files there: {', '.join(sorted(entry.name for entry in folder.iterdir()))}",
            fix=f"add requirements.yaml with the dependency {INSTALLER}",
        )
    requirements = _requirements(root, folder)
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
    if names[0] != INSTALLER:
        raise ExtensionError(
            f"{path}: {INSTALLER} must be the first dependency, the platform's build looks only there",
            last_seen=f"its first dependency: {names[0]}",
            fix=f"move {INSTALLER} to the top of the list",
        )
    return requirements


def _requirements(root: Path, folder: Path) -> tuple[Dependency, ...]:
    path = folder / "requirements.yaml"
    return dependencies(trees.read_mapping(root, path), str(path))


def dependencies(document: Mapping[str, Any], shown: str) -> tuple[Dependency, ...]:
    """Return the entries of ``dependencies`` in a requirements.yaml or Chart.yaml.

    Args:
        document: its content.
        shown: how messages name the file.

    Raises:
        ExtensionError: it is no list, or an entry has no name.
    """
    entries = document.get("dependencies") or []
    if not isinstance(entries, list):
        raise ExtensionError(f"{shown}: dependencies must be a list")
    found = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise ExtensionError(f"{shown}: dependency {number} has no name", last_seen=repr(entry))
        version, repository = entry.get("version"), entry.get("repository")
        found.append(
            Dependency(
                entry["name"],
                "" if version is None else str(version),
                "" if repository is None else str(repository),
            )
        )
    return tuple(found)


def _values(root: Path, folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / "values.yaml"
    if not path.is_file():
        raise ExtensionError(
            f"{folder} has no values.yaml, so the installer does not know the DAG image",
            fix='add values.yaml with\nglobal:\n  image: "<dag image>"\n  action: "copy"',
        )
    values = trees.read_mapping(root, path)
    return values, dag_image_of(values, str(path))


def dag_image_of(values: Mapping[str, Any], shown: str) -> str:
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
            f"{shown}: global.image is missing", fix="set it to the LABEL IMAGE of extension/docker/Dockerfile"
        )
    if not _DNS_LABEL.fullmatch(image):
        raise ExtensionError(
            f"{shown}: global.image {image!r} cannot name the installer's Job",
            fix="use lower-case letters, digits and dashes only, without registry and tag",
        )
    return image
