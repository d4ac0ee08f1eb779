"""Dockerfiles as the platform's build script reads them (build 4.3), and what they copy where.

Two readings live here side by side: the labels and base images by the build script's line rules, and the
``COPY`` instructions by Docker's own rules, because the files that reach the DAG folder are decided by Docker.
"""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from harness.common.documents import shown as in_short
from harness.errors import ExtensionError
from harness.extension import trees, wildcards
from harness.settings import is_registry

LOCAL_REGISTRY = "local-only"
_LONGEST_NAME = 255
_TRUE = frozenset({"true", "yes", "1"})


@dataclasses.dataclass(frozen=True)
class Container:
    """One Dockerfile.

    Attributes:
        directory: the build context, the Dockerfile's folder.
        image: value of ``LABEL IMAGE``.
        registry: value of ``LABEL REGISTRY`` that replaces the default registry, or ``None``.
        local: True for ``local-only`` images: tag ``latest``, never pushed.
        ignored: True for ``LABEL BUILD_IGNORE`` true; the build script does not build it.
        bases: the base images of all stages; names of earlier stages are left out.
    """

    directory: Path
    dockerfile: Path
    image: str
    registry: str | None
    local: bool
    ignored: bool
    bases: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Copy:
    """One file that a Dockerfile copies from its context: absolute path in the image, and the source."""

    destination: str
    source: Path


def _value(line: str) -> str:
    return line.split("=", 1)[1].strip().strip("\"'")


def read(root: Path, dockerfile: Path) -> Container:
    """Read one Dockerfile.

    Raises:
        ExtensionError: no ``LABEL IMAGE`` in the one form that the build script understands.
    """
    text = trees.read_text(root, dockerfile)
    labels: dict[str, str] = {}
    bases: list[str] = []
    stages: set[str] = set()
    for raw in text.splitlines():
        line = raw.strip()
        for name in ("REGISTRY", "IMAGE", "VERSION", "BUILD_IGNORE"):
            if line.startswith(f"LABEL {name}="):
                labels[name] = _value(line)
        if line.startswith("FROM") and "#ignore" not in line:
            words = [word for word in line.split()[1:] if not word.startswith("--")]
            if words:
                base = words[0].strip("\"'")
                if base not in stages:
                    bases.append(base)
                if len(words) >= 3 and words[1].upper() == "AS":
                    stages.add(words[2])
    image = labels.get("IMAGE", "")
    if not image:
        raise ExtensionError(f"{dockerfile} has no image name", last_seen=_why(text), fix=_LABEL_FIX)
    _check_names(dockerfile, image, labels)
    registry = labels.get("REGISTRY")
    local = registry is not None and LOCAL_REGISTRY in registry
    return Container(
        directory=dockerfile.parent,
        dockerfile=dockerfile,
        image=image,
        registry=None if local else registry or None,
        local=local,
        ignored=labels.get("BUILD_IGNORE", "").lower() in _TRUE,
        bases=tuple(bases),
    )


# a repository as it is written in image references, without registry and tag
_IMAGE = re.compile(r"[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)*")
_LONGEST_IMAGE = 128


def _check_names(dockerfile: Path, image: str, labels: Mapping[str, str]) -> None:
    """Refuse what would become part of a reference that names something else."""
    if len(image) > _LONGEST_IMAGE or not _IMAGE.fullmatch(image):
        raise ExtensionError(
            f"{dockerfile}: LABEL IMAGE={in_short(image)} cannot be the name of an image",
            fix="use lower-case letters, digits and dashes only, without registry and tag",
        )
    registry = labels.get("REGISTRY", "")
    if registry and LOCAL_REGISTRY not in registry and not is_registry(registry):
        raise ExtensionError(
            f"{dockerfile}: LABEL REGISTRY={in_short(registry)} is not a registry",
            fix="write it as it is written in image references, such as registry.site:5000/team",
        )


_LABEL_FIX = 'write a line of its own: LABEL IMAGE="<name>" (the platform reads no other form)'


def _why(text: str) -> str:
    """Return what looks like the label but is not read: several labels on a line, blanks, lower case."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\bimage\b\s*=", line, re.IGNORECASE) and not line.strip().startswith("#"):
            return f"line {number} is not understood by the platform's build script: {line.strip()}"
    return "no line starts with LABEL IMAGE="


def copies(root: Path, container: Container) -> list[Copy]:
    """Return the files that reach the image by ``COPY`` and ``ADD`` from the context, in the order of the Dockerfile.

    A later copy to the same destination replaces an earlier one. Sources that do not exist make the build
    fail later with Docker's own message, so they are left out here.
    """
    placed: dict[str, Path] = {}
    workdir = "/"
    for keyword, arguments in _instructions(trees.read_text(root, container.dockerfile)):
        if keyword == "WORKDIR":
            workdir = posixpath.join(workdir, arguments.strip().strip("\"'"))
        if keyword not in {"COPY", "ADD"}:
            continue
        words = _words(arguments)
        flags = [word for word in words if word.startswith("--")]
        paths = [word for word in words if not word.startswith("--")]
        if len(paths) < 2 or any(flag.startswith("--from") for flag in flags):
            continue
        *sources, target = paths
        for destination, source in _place(root, container.directory, sources, target, workdir):
            placed[destination] = source
    return [Copy(destination, source) for destination, source in placed.items()]


def _place(root: Path, context: Path, sources: list[str], target: str, workdir: str) -> Iterator[tuple[str, Path]]:
    base = posixpath.normpath(posixpath.join(workdir, target))
    into_folder = target.endswith("/") or target in {".", ".."} or len(sources) > 1
    for pattern in sources:
        for match in _matches(root, context, pattern):
            source = trees.inside(root, match)
            if source.is_dir():
                # Docker copies the content of a folder, not the folder itself
                for file in trees.walk(source):
                    yield posixpath.join(base, file.relative_to(source).as_posix()), file
            elif source.is_file():
                yield posixpath.join(base, match.name) if into_folder else base, source


def _matches(root: Path, context: Path, pattern: str) -> list[Path]:
    """The paths that a source of ``COPY`` names. It cannot leave the context: Docker cuts a leading ``..`` off."""
    parts = PurePosixPath(posixpath.normpath("/" + pattern)).parts[1:]
    if "\0" in pattern or any(len(part) > _LONGEST_NAME for part in parts):
        return []
    relative = "/".join(parts)
    if not wildcards.has_wildcard(relative):
        path = context / relative
        return [path] if path.exists() else []
    paths = list(trees.walk(context))
    # a pattern may name a folder; the folders of a source tree have files
    folders = {parent for path in paths for parent in path.parents if parent != context and context in parent.parents}
    return sorted(
        path for path in {*paths, *folders} if wildcards.matches(relative, path.relative_to(context).as_posix())
    )


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    pending = ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        keyword, _, arguments = (pending + line).strip().partition(" ")
        pending = ""
        yield keyword.upper(), arguments.strip()


def _words(arguments: str) -> list[str]:
    if arguments.startswith("["):
        try:
            words = json.loads(arguments)
        except (ValueError, RecursionError):
            return []
        return [word for word in words if isinstance(word, str)]
    try:
        return shlex.split(arguments)
    except ValueError:
        return arguments.split()
