"""An extension's source tree, read statically by the rules of the platform (build 3, 4.2 to 4.4, 18.3)."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.errors import ExtensionError
from harness.extension import charts, copies, dockerfiles, trees
from harness.extension import edk as kit
from harness.extension.charts import Chart
from harness.extension.contents import INSTALL_ROOT, DagImageContents, InstalledFile
from harness.extension.copies import Copied
from harness.extension.dockerfiles import Container
from harness.findings import Finding, installing

# the top folders that the installer accepts (build 6)
_ACCEPTED = frozenset({"dags", "plugins", "mounted_scripts", "extensions"})
_INSTALLER_BASE = "base-installer"


@dataclasses.dataclass(frozen=True)
class ExtensionSource:
    """What one source tree holds.

    Attributes:
        root: absolute path.
        chart: the workflow chart that is installed.
        charts: all charts of the tree, the workflow chart first.
        dag_image: the container that carries the DAG files.
        processing_images: the other containers in the order of their paths, ``local-only`` ones first.
        contents: everything that the DAG image installs, as far as its Dockerfile says.
        unread: lines of that Dockerfile that may install more: the built image shows what.
        findings: what an author should know.
    """

    root: Path
    chart: Chart
    charts: tuple[Path, ...]
    dag_image: Container
    processing_images: tuple[Container, ...]
    contents: DagImageContents
    unread: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def mentioning(self, text: str) -> tuple[str, ...]:
        """Return the names of processing images whose folders have a file with this text; binary files are skipped."""
        found = []
        for container in self.processing_images:
            for path in trees.walk(container.directory):
                with contextlib.suppress(ExtensionError):
                    if text in trees.read_text(self.root, path):
                        found.append(container.image)
                        break
        return tuple(found)


def read(path: str | os.PathLike[str], *, edk: bool = False) -> ExtensionSource:
    """Read an extension's source tree.

    Args:
        path: the folder with ``extension/`` and ``processing-containers/``.
        edk: by the rules of the development kit in place of the build script's.

    Raises:
        ExtensionError: the tree is not an extension that the platform could build and install.
    """
    root = trees.check_root(path)
    if edk:
        kit.check_one_chart(root)
    chart, folders = _chart(root)
    containers, findings = _containers(root, edk)
    dag_image = _dag_image(root, chart, containers)
    rest = [container for container in containers if container is not dag_image]
    files, copied = _installed_files(root, dag_image)
    source = ExtensionSource(
        root=root,
        chart=chart,
        charts=(chart.directory, *(folder for folder in folders if folder != chart.directory)),
        dag_image=dag_image,
        processing_images=tuple(sorted(rest, key=lambda container: not container.local)),
        contents=DagImageContents(files),
        unread=copied.unread,
        findings=findings,
    )
    if not (source.contents.dag_files or source.unread):
        raise ExtensionError(
            f"{dag_image.dockerfile} installs no DAG file, so no DAG would appear",
            last_seen="\n".join(_describe_copied(root, source.contents, copied)),
            fix="COPY the DAG file to /kaapana/tmp/dags/ (it must mention both airflow and dag)",
        )
    return source


def _describe_copied(root: Path, contents: DagImageContents, copied: Copied) -> Iterator[str]:
    yield "installed: " + (", ".join(file.installed for file in contents.files) or "nothing")
    if copied.ignored:
        names = ", ".join(path.relative_to(root).as_posix() for path in copied.ignored[:20])
        yield f"left out by the .dockerignore: {names}"


def _chart(root: Path) -> tuple[Chart, list[Path]]:
    folders = charts.find(root)
    if not folders:
        raise ExtensionError(
            f"{root} has no Chart.yaml, so there is nothing to install",
            last_seen=f"found: {', '.join(sorted(entry.name for entry in root.iterdir())[:20]) or 'nothing'}",
            fix="write the chart to extension/<name>-workflow/Chart.yaml, or give the extension's own folder",
        )
    # charts of applications may be in processing-containers/ (build 18.3)
    workflows = folders if len(folders) == 1 else [f for f in folders if charts.is_workflow(root, f)]
    if len(workflows) != 1:
        listed = ", ".join(str(folder.relative_to(root)) for folder in workflows or folders)
        raise ExtensionError(
            f"{root} has {len(workflows)} workflow charts; an extension has exactly one",
            last_seen=f"charts: {listed}",
            fix="give the folder of one extension",
        )
    chart = charts.read(root, workflows[0])
    others = {str(trees.read_mapping(root, f / "Chart.yaml").get("name")): f for f in folders if f != chart.directory}
    return dataclasses.replace(chart, neighbours=others), folders


def _containers(root: Path, edk: bool) -> tuple[list[Container], tuple[Finding, ...]]:
    """Return all Dockerfiles; outside the platform's own repository only the exact file name counts (build 4.2)."""
    if edk:
        found = kit.read_containers(root)
    else:
        found = [dockerfiles.read(root, path) for path in trees.walk(root) if path.name == "Dockerfile"]
    if not found:
        raise ExtensionError(
            f"{root} has no Dockerfile, so there is no DAG image to install from",
            fix="write extension/docker/Dockerfile on local-only/base-installer:latest",
        )
    first: dict[tuple[bool, str | None, str], Container] = {}
    findings = []
    for container in found:
        if container.refused_bases and not edk:
            findings.append(_report_refused(root, container))
        other = first.setdefault((container.local, container.registry, container.image), container)
        if other is container:
            continue
        if edk:
            raise ExtensionError(
                f"{other.dockerfile} and {container.dockerfile} are two Dockerfiles for the image "
                f"{container.image}: the development kit pushes one over the other",
                fix="give each its own LABEL IMAGE",
            )
        findings.append(_report_dropped(root, container, other))
    return list(first.values()), tuple(findings)


def _report_dropped(root: Path, container: Container, kept: Container) -> Finding:
    return installing.DROPPED_DOCKERFILE.report(
        container.dockerfile.relative_to(root).as_posix(),
        f"the platform's build script drops it, with a logged error: {kept.dockerfile.relative_to(root)} has the same "
        f"LABEL IMAGE {container.image} and comes first",
    )


def _report_refused(root: Path, container: Container) -> Finding:
    return installing.REFUSED_BASE.report(
        container.dockerfile.relative_to(root).as_posix(),
        "the platform's build script takes the second word of each FROM line for an image with a tag, and aborts on "
        + ", ".join(container.refused_bases),
    )


def _dag_image(root: Path, chart: Chart, containers: list[Container]) -> Container:
    for container in containers:
        if container.image == chart.image and not container.local:
            return container
    listed = "\n".join(f"{c.image}  ({c.dockerfile.relative_to(root)})" for c in containers)
    fix = "make global.image equal to the LABEL IMAGE of extension/docker/Dockerfile"
    if passed_over := [str(path.relative_to(root)) for path in trees.walk(root) if path.name.startswith("Dockerfile.")]:
        fix = f"the build script reads files named Dockerfile only: rename {', '.join(passed_over)}"
    raise ExtensionError(
        f"no Dockerfile has LABEL IMAGE={chart.image!r}, which {chart.directory / 'values.yaml'} names as "
        "global.image: on the platform the installer's pod ends in ErrImagePull",
        last_seen=f"images of this tree:\n{listed}",
        fix=fix,
    )


def _installed_files(root: Path, container: Container) -> tuple[tuple[InstalledFile, ...], Copied]:
    files = []
    copied = copies.find_copies(root, container.dockerfile, below=INSTALL_ROOT, base=_INSTALLER_BASE)
    for copy in copied.files:
        destination = PurePosixPath(copy.destination)
        if not destination.is_relative_to(INSTALL_ROOT) or destination == INSTALL_ROOT:
            continue
        relative = destination.relative_to(INSTALL_ROOT)
        if relative.parts[0] not in _ACCEPTED:
            raise ExtensionError(
                f"{container.dockerfile} copies to {destination}: the installer aborts on the folder "
                f"{relative.parts[0]!r}",
                fix="below /kaapana/tmp/ only dags/, plugins/, mounted_scripts/ and extensions/ are accepted",
            )
        shown = copy.source.relative_to(root).as_posix()
        if len(relative.parts) == 1 and copied.unread:
            # a line that only the built image shows the result of may have made the folder
            continue
        if len(relative.parts) == 1:
            raise ExtensionError(
                f"{container.dockerfile} copies {shown} to a file named {destination}, because no line before it has "
                "made a folder of that name: the installer fails where the folder is mounted",
                fix=f"end the target with a slash: COPY ... {destination}/",
            )
        files.append(InstalledFile(relative.as_posix(), shown, functools.partial(trees.read_text, root, copy.source)))
    return tuple(files), copied
