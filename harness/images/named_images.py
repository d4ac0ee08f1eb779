"""Find and replace the images that a Dockerfile names: bases, and those that files are copied or mounted from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from harness.common.references import is_digest, split_reference
from harness.images.catalogue import CATALOGUE
from harness.images.dockerfile import Dockerfile, Instruction
from harness.wire.edk import REGISTRIES

LOCAL_BASES = tuple(name for name, spec in CATALOGUE.items() if spec.local)
"""What ``FROM local-only/<name>:latest`` can name without the author having built it."""


class NamedImage(NamedTuple):
    """An image in a Dockerfile: its reference with values of ARG put in, its text there, and the instruction."""

    reference: str
    written: str
    instruction: Instruction


def find_named_images(dockerfile: Dockerfile, buildargs: Mapping[str, str]) -> Iterator[NamedImage]:
    """Yield each image of ``FROM``, ``COPY --from`` and ``RUN --mount``, without stages and ``scratch``, in order.

    Args:
        dockerfile: the file.
        buildargs: values of ARG that may be part of a base's name.
    """
    earlier: set[str] = set()
    for number, stage in enumerate(dockerfile.stages(buildargs)):
        if stage.base and stage.base.lower() not in earlier and stage.base != "scratch":
            opening = stage.instructions[0]
            yield NamedImage(stage.base, opening.words[0], opening)
        for instruction, source in stage.sources:
            # builders put no values into this name; a trigger is for the stages of another file
            if not (instruction.onbuild or "$" in source or source.lower() in earlier or _is_stage(source, number)):
                yield NamedImage(source, source, instruction)
        earlier.add(stage.name)


def _is_stage(source: str, number: int) -> bool:
    return source.isdecimal() and int(source) < number


def list_references(dockerfile: str, buildargs: Mapping[str, str]) -> list[str]:
    """Return the images that the text of a Dockerfile names, in order, each once."""
    found = find_named_images(Dockerfile(dockerfile), buildargs)
    return list(dict.fromkeys(image.reference for image in found))


def replace_images(text: str, buildargs: Mapping[str, str], name_of: Callable[[str], str | None]) -> str:
    """Return the text of a Dockerfile with other names of its images; ``name_of`` is empty for those that stay."""
    lines = text.splitlines(keepends=True)
    for image in find_named_images(Dockerfile(text), buildargs):
        if other := name_of(image.reference):
            token = re.escape(image.written)
            before = r"\s" if image.instruction.keyword == "FROM" else r"(?:--|[,=])from="
            written = re.compile(rf"{before}(?P<name>{token})(?![^\s,])")
            for number in range(image.instruction.line - 1, image.instruction.last):
                if match := written.search(lines[number]):
                    lines[number] = lines[number][: match.start("name")] + other + lines[number][match.end("name") :]
                    break
    return "".join(lines)


def name_local_bases(dockerfile: str, buildargs: Mapping[str, str]) -> str:
    """Return a Dockerfile with ``local-only/<name>`` where it names an image as the development kit does.

    The kit writes the name of its registry into the author's files (build 16, shapes 1.2); there the bases have the
    tag ``latest``. An image with another tag was pushed by the author, and stays unchanged.

    Args:
        dockerfile: its text.
        buildargs: values of ARG that may be part of a base's name.
    """
    return replace_images(dockerfile, buildargs, _local_name)


def _local_name(reference: str) -> str:
    """Return the ``local-only`` name of a base in the kit's registry; empty for any other image."""
    registry, _, name = reference.partition("/")
    repository, tag = split_reference(name)
    if registry not in REGISTRIES or is_digest(tag) or (tag != "latest" and repository not in LOCAL_BASES):
        return ""
    return f"local-only/{repository}:{tag}"
