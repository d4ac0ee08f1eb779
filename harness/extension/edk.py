"""A source tree by the rules of the development kit, which reads less of it than the build script does (build 16)."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Final

from harness.errors import ExtensionError
from harness.extension import dockerfiles, trees
from harness.extension.dockerfiles import Container
from harness.settings import how_to_set

ADVICE: Final = f"deliver='edk', or {how_to_set('deliver', 'edk')}, installs it as the development kit would"
"""What to do where an image of the kit's registry is wanted, and the extension was delivered in another way."""
# the kit reads the name in this form only
_LABEL = re.compile(r'^\s*LABEL IMAGE="([^"\n]+)"', re.MULTILINE)
_WORD = re.compile(r"[a-z]+")
# the kit's substitution knows no other form of the line
_QUOTED_VERSION = re.compile(r'^version: "[^"\n]*"', re.MULTILINE)


def check_one_chart(root: Path) -> None:
    """Check that the tree has no second Chart.yaml, not even one of an application or a sub-chart.

    Raises:
        ExtensionError: it has several.
    """
    found = [path for path in trees.walk(root) if path.name == "Chart.yaml"]
    if len(found) > 1:
        raise ExtensionError(
            f"{root} has {len(found)} files named Chart.yaml: build_extension.sh of the development kit takes only one",
            last_seen="\n".join(path.relative_to(root).as_posix() for path in found),
            fix=f"keep the other charts outside of the folder, or deliver it with {how_to_set('deliver', 'registry')}",
        )


def read_containers(root: Path) -> list[Container]:
    """Return the containers that the kit builds: ``Dockerfile`` and ``*.Dockerfile``, with their folders as contexts.

    All of them go to the kit's registry: ``LABEL REGISTRY`` and ``LABEL BUILD_IGNORE`` mean nothing to the kit.

    Raises:
        ExtensionError: one has no name that the kit reads.
    """
    names = (path for path in trees.walk(root) if path.name == "Dockerfile" or path.name.endswith(".Dockerfile"))
    return [_container(root, path) for path in names]


def _container(root: Path, dockerfile: Path) -> Container:
    text = trees.read_text(root, dockerfile)
    label = _LABEL.search(text)
    if label is None:
        near = [line.strip() for line in text.splitlines() if {"label", "image"} <= set(_WORD.findall(line.lower()))]
        raise ExtensionError(
            f"{dockerfile} has no image name that the development kit reads (Image name is required)",
            last_seen="\n".join(near) or "no line starts with LABEL IMAGE=",
            fix='write a line of its own, with double quotes: LABEL IMAGE="<name>"',
        )
    found = dockerfiles.read(root, dockerfile)
    return dataclasses.replace(found, image=label[1], registry=None, local=False, ignored=False)


def set_version(chart_yaml: str, version: str) -> str:
    """Return the text of a Chart.yaml with the platform's version, where the kit finds one to replace.

    Args:
        chart_yaml: the author's text; a version without double quotes stays.
        version: ``KAAPANA_BUILD_VERSION``.
    """
    return _QUOTED_VERSION.sub(lambda _: f'version: "{version}"', chart_yaml)
