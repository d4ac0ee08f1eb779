"""Builds a container of an extension: bases first, nothing at all when nothing has changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness import documents
from harness.errors import BuildError
from harness.images import engine
from harness.images.build import build_image
from harness.images.context import author_context
from harness.images.pull import pull
from harness.images.resolve import ensure
from harness.locking import making_image
from harness.progress import OnProgress, quiet

if TYPE_CHECKING:
    from harness.settings import Settings

LOCAL_BASES = ("base-python-cpu", "base-python-gpu", "base-installer")
"""What ``FROM local-only/<name>:latest`` can name without the author having built it."""

EXTENSION_REPOSITORY = "kaapana-harness/extension"
"""Every image that was built for an extension is also kept under this name, with its inputs as the tag."""

_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE)


def build_extension_image(
    folder: Path,
    tag: str,
    *,
    settings: Settings,
    on_line: OnProgress = quiet,
    dockerfile: str = "Dockerfile",
    buildargs: Mapping[str, str] | None = None,
) -> str:
    """Build a container of an extension as its author wrote it.

    The Dockerfile is used untouched: certificates and package indexes come with the ``local-only`` bases, proxies
    as predefined build arguments. Nothing is sent to the engine when an image with the same inputs exists.

    Args:
        folder: the build context.
        tag: reference of the result.
        settings: time limit, CA bundle.
        on_line: gets the lines of the builder.
        dockerfile: path of the Dockerfile relative to ``folder``.
        buildargs: ARG values.

    Returns:
        The image id.

    Raises:
        BuildError: no Dockerfile, a base that can neither be found nor pulled, or a step that fails.
        ImageError: a base image of the harness cannot be made.
    """
    context = author_context(folder, dockerfile)
    entry = context.entries[dockerfile]
    if entry.path is None:
        raise BuildError(f"{folder / dockerfile} is no regular file", fix="put the Dockerfile itself there")
    try:
        text = documents.read_text(entry.path)
    except documents.DocumentError as error:
        raise BuildError(f"{entry.path} cannot be read: {error}") from None
    bases = base_references(text, buildargs or {})
    identities = [_ensure_base(base, folder / dockerfile, settings, on_line) for base in bases]
    arguments = [f"{name}={value}" for name, value in sorted((buildargs or {}).items())]
    inputs = context.digest(dockerfile, *identities, *arguments)
    kept = f"{EXTENSION_REPOSITORY}:{inputs[:12]}"
    api = engine.client()
    try:
        with making_image(f"extension-{inputs[:12]}", settings):
            found = engine.find_image(api, kept)
            if found is None:
                build_image(
                    context,
                    tag=kept,
                    settings=settings,
                    buildargs=buildargs,
                    labels={engine.LABEL_NAME: "extension"},
                    dockerfile=dockerfile,
                    on_line=on_line,
                    error=BuildError,
                )
                found = engine.find_image(api, kept)
                assert found is not None, kept
            else:
                on_line(f"{tag}: nothing has changed")
            if tag not in (found.get("RepoTags") or []):
                repository, _, version = tag.rpartition(":")
                api.tag(found["Id"], repository, version)
            return str(found["Id"])
    finally:
        api.close()


def base_references(dockerfile: str, buildargs: Mapping[str, str]) -> list[str]:
    """The images that the ``FROM`` lines name, in order, without stage names and ``scratch``."""
    values = dict(buildargs)
    stages: set[str] = set()
    result: list[str] = []
    for line in re.sub(r"\\\s*\n", " ", dockerfile).splitlines():
        if argument := _ARG.match(line):
            if not result:
                values.setdefault(argument[1], argument[2].strip("\"'"))
        elif found := _FROM.match(line):
            reference = re.sub(r"\$\{?(\w+)\}?", lambda m: values.get(m[1], m[0]), found[1]).strip("\"'")
            if reference.lower() not in stages and reference != "scratch" and reference not in result:
                result.append(reference)
            if found[2]:
                stages.add(found[2].lower())
    return result


def _ensure_base(reference: str, dockerfile: Path, settings: Settings, on_line: OnProgress) -> str:
    """The image id of a base, which is made or pulled first."""
    local, _, name = reference.partition("local-only/")
    if not local and name.partition(":")[0] in LOCAL_BASES:
        if not name.endswith(":latest"):
            raise BuildError(
                f"{dockerfile}: FROM {reference}: local-only images have the tag latest",
                fix=f"write FROM local-only/{name.partition(':')[0]}:latest",
            )
        ensure(name.partition(":")[0], settings=settings, on_progress=on_line)
    api = engine.client()
    try:
        image = engine.find_image(api, reference)
        if image is None:
            reason = "the name is reserved for images that are built on this machine"
            if "local-only/" not in reference:
                reason = pull(reference, on_line)
                image = engine.find_image(api, reference)
        if image is None:
            raise BuildError(
                f"{dockerfile}: the base image {reference} is not on this machine and cannot be had",
                last_seen=reason,
                fix="use one of "
                + ", ".join(f"local-only/{base}:latest" for base in LOCAL_BASES)
                + ", or load the image into the engine first",
            )
        return str(image["Id"])
    finally:
        api.close()
