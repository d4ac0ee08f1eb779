"""The error for missing images: each with the place that names it, and with similar images that exist."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from harness.artefacts.package import ChartPackage
from harness.artefacts.sources import ImageSource
from harness.common.references import find_last_part, is_digest, split_reference
from harness.errors import ExtensionError
from harness.extension.edk import ADVICE
from harness.platform.platform_names import PlatformNames
from harness.settings import how_to_set
from harness.wire import edk


@dataclasses.dataclass(frozen=True)
class MissingImage:
    """A reference that pods will pull, and where it was found."""

    reference: str
    where: str


def make_error(
    package: ChartPackage, absent: Sequence[MissingImage], given: Sequence[ImageSource], platform: PlatformNames
) -> ExtensionError:
    """Return the error for missing images, each with the place that names it and similar images."""
    references = sorted(need.reference for need in absent)
    lines: list[str] = []
    needs_edk = not platform.has_edk and any(edk.is_in_registry(reference) for reference in references)
    hints = [ADVICE] if needs_edk else []
    for need in sorted(absent, key=lambda need: need.reference):
        similar = [name for source in given for name in source.similar(need.reference, platform.registry)]
        lines.append(
            f"{need.reference}: named by {need.where}" + (f"; there is {', '.join(similar)}" if similar else "")
        )
        hints += _hints(need.reference, similar, package, platform)
    shown = " and ".join(source.title for source in given)
    verb = "do not have" if len(given) > 1 else "does not have"
    lack = f"which {shown} {verb}" if given else "but no images were given"
    return ExtensionError(
        f"{package.path.name} needs {', '.join(references)}, {lack}: on the platform this ends in ErrImagePull",
        last_seen="\n".join(lines),
        fix="\n".join(dict.fromkeys(hints)) or _ways_to_give(platform),
    )


def _ways_to_give(platform: PlatformNames) -> str:
    return (
        f"build these images and say where they are: {how_to_set('images', 'images.tar')} for an archive of "
        f"`docker save`; {platform.registry} for a registry that has them; or engine"
    )


def _hints(reference: str, similar: Sequence[str], package: ChartPackage, platform: PlatformNames) -> Iterator[str]:
    """Yield hints on images that are there under another name."""
    for name in similar:
        there, there_tag = split_reference(name)
        wanted, wanted_tag = split_reference(reference)
        if is_digest(wanted_tag):
            # no other name makes one image another
            continue
        if there != wanted and wanted.startswith(f"{platform.registry}/"):
            suffix = wanted.removeprefix(platform.registry)
            own = there.removesuffix(suffix) if there.endswith(suffix) else there.rpartition("/")[0]
            yield _retag(reference, "registry", own)
        elif platform.has_edk and there != wanted and edk.is_in_registry(reference) and there_tag == wanted_tag:
            own = there.rpartition("/")[0]
            yield _retag(reference, "registry", own)
        elif there_tag != wanted_tag and package.is_workflow and find_last_part(reference) == package.dag_image:
            yield (
                f"tag it {reference}: since platform 0.5.1 the DAG image's tag is the version of the "
                f"dag-installer-chart inside the package ({wanted_tag}), not the platform's version"
            )
        elif there_tag != wanted_tag:
            yield _retag(reference, "version", there_tag)


def _retag(reference: str, what: str, value: str) -> str:
    """Return the two ways to make an image and the platform agree: another tag of the image, or a setting."""
    setting = how_to_set(f"platform_{what}", value)
    return f"tag it {reference}, or say that the platform's {what} is {value}: {setting}"
