"""Build a container of an extension: its bases first, and nothing when nothing has changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness import engine
from harness.common import documents
from harness.common.locking import lock_image
from harness.common.progress import OnProgress, quiet
from harness.common.references import split_reference
from harness.errors import BuildError
from harness.images import features
from harness.images.build import build_image
from harness.images.builders import check_features
from harness.images.context import Context, make_author_context
from harness.images.dockerfile import Dockerfile
from harness.images.named_images import (
    LOCAL_BASES,
    find_named_images,
    list_references,
    name_local_bases,
    replace_images,
)
from harness.images.pull import pull
from harness.images.resolve import ensure
from harness.images.site import SiteSettings
from harness.images.substitutes import Substitute, Substituted, find_base, replace_urls
from harness.settings import how_to_set

if TYPE_CHECKING:
    from harness.settings.builds import BuildSettings

_RENAMED = {
    "dag-installer": ("base-installer", "0.2.0"),
    "mitk-base": ("base-mitk", "0.4.0"),
    "mitk-phenotyping": ("base-mitk", "0.4.0"),
    "base-mitk-phenotyping": ("base-mitk", "0.4.0"),
    "no-vnc-base": ("base-desktop", "0.4.0"),
    "base-nnunet": ("base-nnunet-v2", "0.4.0"),
    "base-python-alpine": ("base-python-cpu", "0.1.3"),
    "base-dcmtk": ("base-python-cpu", "0.1.3"),
    "dcmtk-base": ("base-python-cpu", "0.1.3"),
}
"""Bases of older releases, their replacements, and the release of the change (shapes 1.2)."""

EXTENSION_REPOSITORY = "kaapana-harness/extension"
"""Every image that was built for an extension is also kept under this name, with its inputs as the tag."""


def build_extension_image(
    folder: Path,
    tag: str,
    *,
    settings: BuildSettings,
    on_line: OnProgress = quiet,
    on_notice: OnProgress | None = None,
    dockerfile: str = "Dockerfile",
    buildargs: Mapping[str, str] | None = None,
) -> str:
    """Build a container of an extension as its author wrote it.

    The Dockerfile is used untouched, but for bases that have the name which the development kit gives them, for what
    the site replaces (:func:`find_substitutes`), and for stages that the last one does not need: certificates and
    package indexes come with the ``local-only`` bases, proxies as predefined build arguments.
    Nothing is sent to the engine when an image with the same inputs exists.

    Args:
        folder: the build context.
        tag: reference of the result.
        settings: time limit, CA bundle.
        on_line: gets the lines of the builder.
        on_notice: gets a line for each deviation from the Dockerfile; ``on_line`` by default.
        dockerfile: path of the Dockerfile relative to ``folder``.
        buildargs: ARG values.

    Returns:
        The image id.

    Raises:
        BuildError: no Dockerfile, a base that can neither be found nor pulled, or a step that fails.
        EngineError: it needs BuildKit, or a newer one, and that is not there.
        ImageError: a base image of the harness cannot be made.
    """
    context = make_author_context(folder, dockerfile)
    entry = context.entries[dockerfile]
    if entry.path is None:
        raise BuildError(f"{folder / dockerfile} is not a regular file", fix="put the Dockerfile itself there")
    asked = _read_asked(entry.path, buildargs or {}, settings)
    # before the bases, which take minutes the first time
    _check_builder(asked, entry.path, settings, buildargs or {})
    changed = dataclasses.replace(entry, content=asked.text.encode("utf-8"), path=None)
    context = Context([*context.entries.values(), *asked.entries, changed])
    bases = list_references(asked.text, buildargs or {})
    identities = [_ensure_base(base, folder / dockerfile, settings, on_line) for base in bases]
    arguments = [f"{name}={value}" for name, value in sorted((buildargs or {}).items())]
    inputs = context.digest(dockerfile, *identities, *arguments)
    kept = f"{EXTENSION_REPOSITORY}:{inputs[:12]}"
    api = engine.connect_api()
    try:
        with lock_image(f"extension-{inputs[:12]}", settings):
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
                    on_notice=on_notice,
                    error=BuildError,
                    shown=str(folder / dockerfile),
                    added=asked.added,
                )
                found = engine.find_image(api, kept)
                assert found is not None, kept
            else:
                on_line(f"{tag}: nothing has changed")
            if tag not in (found.get("RepoTags") or []):
                api.tag(found["Id"], *split_reference(tag))
            return str(found["Id"])
    finally:
        api.close()


def require_builder(dockerfile: Path, *, settings: BuildSettings) -> None:
    """Check that the builder supports all features of an author's Dockerfile, without building.

    Raises:
        BuildError: it cannot be read, or makes an image for other machines than the platform's.
        EngineError: it needs BuildKit, or a newer one, and that is not there.
    """
    _check_builder(_read_asked(dockerfile, {}, settings), dockerfile, settings, {})


def find_substitutes(dockerfile: Path, *, settings: BuildSettings) -> tuple[Substitute, ...]:
    """Return the replacements of the site's settings in an author's Dockerfile, without building.

    Raises:
        BuildError: it cannot be read, or a replacement is missing.
    """
    return _read_asked(dockerfile, {}, settings).replaced


def _check_builder(asked: Substituted, path: Path, settings: BuildSettings, buildargs: Mapping[str, str]) -> None:
    dockerfile = Dockerfile(asked.text)
    if foreign := features.find_foreign_platform(dockerfile.stages(buildargs)):
        raise BuildError(
            f"{path}:{foreign[1]}: FROM --platform={foreign[0]} makes an image that cannot run: "
            "the platform's machines are linux/amd64",
            fix="leave --platform out, or write --platform=linux/amd64",
        )
    # every builder knows what most Dockerfiles ask for: then the site's settings need not be read
    if any(features.find_required(dockerfile.instructions)):
        check_features(dockerfile, SiteSettings.detect(ca_bundle=settings.ca_bundle), str(path))


def _read_asked(dockerfile: Path, buildargs: Mapping[str, str], settings: BuildSettings) -> Substituted:
    """Return an author's Dockerfile with our bases and the site's, and without the stages that nothing needs."""
    try:
        text = documents.read_text(dockerfile)
    except documents.DocumentError as error:
        raise BuildError(f"{dockerfile} cannot be read: {error}") from None
    needed = Dockerfile(name_local_bases(text, buildargs)).without_unneeded_stages(buildargs)
    replaced = [
        Substitute(image.instruction.line, image.reference, taken)
        for image in find_named_images(needed, buildargs)
        if (taken := find_base(image.reference, settings.base_images))
    ]
    of_site = replace_images(needed.text, buildargs, lambda image: find_base(image, settings.base_images))
    result = replace_urls(Dockerfile(of_site), dockerfile, settings.build_urls)
    return dataclasses.replace(result, replaced=(*replaced, *result.replaced))


def _ensure_base(reference: str, dockerfile: Path, settings: BuildSettings, on_line: OnProgress) -> str:
    """Return the image id of a base, which is made or pulled first."""
    local, _, name = reference.partition("local-only/")
    base, _ = split_reference(name)
    if not local and base in LOCAL_BASES:
        if not name.endswith(":latest"):
            raise BuildError(
                f"{dockerfile}: {reference}: local-only images have the tag latest",
                fix=f"write local-only/{base}:latest",
            )
        ensure(base, settings=settings, on_progress=on_line)
    api = engine.connect_api()
    try:
        image = engine.find_image(api, reference)
        if image is None:
            reason = "the name is reserved for images that are built on this machine"
            if "local-only/" not in reference:
                reason = pull(reference, on_line)
                image = engine.find_image(api, reference)
        if image is None:
            raise BuildError(
                f"{dockerfile}: the image {reference} is not on this machine and cannot be obtained",
                last_seen=reason,
                fix=_advice_for_base(name.partition(":")[0]),
            )
        return str(image["Id"])
    finally:
        api.close()


def _advice_for_base(name: str) -> str:
    of_site = f"name one of this site: {how_to_set('base_images')}"
    if name in _RENAMED:
        new, since = _RENAMED[name]
        return f"write local-only/{new}:latest, as it is called since release {since}, or {of_site}"
    return f"use one of {', '.join(f'local-only/{base}:latest' for base in LOCAL_BASES)}, load it first, or {of_site}"
