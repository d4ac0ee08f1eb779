"""Dockerfiles as the platform's build script reads them: labels and base images, line by line (build 4.3)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from harness.common.documents import abridge
from harness.errors import ExtensionError
from harness.extension import trees
from harness.settings.values import is_registry

LOCAL_REGISTRY = "local-only"
_MOST_PARTS = 4
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
        refused_bases: words of ``FROM`` lines on which the build script aborts.
    """

    directory: Path
    dockerfile: Path
    image: str
    registry: str | None
    local: bool
    ignored: bool
    bases: tuple[str, ...]
    refused_bases: tuple[str, ...] = ()

    @property
    def local_reference(self) -> str:
        """The reference under which a ``local-only`` image is built, and named by ``FROM``."""
        return f"{LOCAL_REGISTRY}/{self.image}:latest"


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
    refused: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        for name in ("REGISTRY", "IMAGE", "VERSION", "BUILD_IGNORE"):
            if line.startswith(f"LABEL {name}="):
                labels[name] = _value(line)
        if line.startswith("FROM") and "#ignore" not in line:
            refused += [word for word in line.split()[1:2] if not _is_base(word.strip("\"'"))]
            words = [word for word in line.split()[1:] if not word.startswith("--")]
            if words:
                base = words[0].strip("\"'")
                if base not in stages:
                    bases.append(base)
                if len(words) >= 3 and words[1].upper() == "AS":
                    stages.add(words[2])
    image = labels.get("IMAGE", "")
    if not image:
        raise ExtensionError(f"{dockerfile} has no LABEL IMAGE", last_seen=_explain(text), fix=_LABEL_FIX)
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
        refused_bases=tuple(refused),
    )


def _is_base(word: str) -> bool:
    """Return whether the build script can split a word into registry, project, name and tag."""
    name, colon, _ = word.rpartition(":")
    return bool(colon) and (LOCAL_REGISTRY in name or name.count("/") < _MOST_PARTS)


# a repository of image references, without registry and tag
_IMAGE = re.compile(r"[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)*")
_LONGEST_IMAGE = 128


def _check_names(dockerfile: Path, image: str, labels: Mapping[str, str]) -> None:
    """Refuse values that would change the meaning of a reference."""
    if len(image) > _LONGEST_IMAGE or not _IMAGE.fullmatch(image):
        raise ExtensionError(
            f"{dockerfile}: LABEL IMAGE={abridge(image)} cannot be the name of an image",
            fix="use lower-case letters, digits and dashes only, without registry and tag",
        )
    registry = labels.get("REGISTRY", "")
    if registry and LOCAL_REGISTRY not in registry and not is_registry(registry):
        raise ExtensionError(
            f"{dockerfile}: LABEL REGISTRY={abridge(registry)} is not a registry",
            fix="write it as it is written in image references, such as registry.site:5000/team",
        )


_LABEL_FIX = 'write a line of its own: LABEL IMAGE="<name>" (the platform reads no other form)'


def _explain(text: str) -> str:
    """Return lines that resemble the label but are not read: several labels on a line, blanks, lower case."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\bimage\b\s*=", line, re.IGNORECASE) and not line.strip().startswith("#"):
            return f"line {number} is not understood by the platform's build script: {line.strip()}"
    return "no line starts with LABEL IMAGE="
