"""Plan an installation from packaged charts and image sources; report all missing images at once.

Nothing is started for it. The images that pods will pull are those that the rendered charts name, and those of the
operators in the DAG image, which is pulled or loaded into the engine to be read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from harness.artefacts import image_files
from harness.artefacts.package import ChartPackage
from harness.artefacts.sources import FoundImage, ImageSource, Route
from harness.common.progress import OnProgress, quiet
from harness.common.references import find_last_part, split_reference
from harness.errors import ExtensionError, PlatformError
from harness.extension import DagImageContents
from harness.extension import params as extension_params
from harness.findings import Finding
from harness.findings.releases import DAG_IMAGE_TAG
from harness.images import manifests as remote
from harness.platform import missing_images, parameters, upload
from harness.platform.edk import KitSource
from harness.platform.helm import Helm
from harness.platform.manifests import Rendered, describe, find_images
from harness.platform.missing_images import MissingImage
from harness.platform.platform_names import PlatformNames
from harness.profiles import Profile
from harness.settings import how_to_set


@dataclasses.dataclass(frozen=True)
class InstallPlan:
    """One package with everything that its installation needs.

    Attributes:
        package: the chart.
        params: the posted ``extension_params``.
        rendered: its objects.
        merged: the values that they were rendered with.
        dag_reference: under which the installer's Job pulls the DAG image.
        contents: the files of the DAG image.
        images: the given images that pods pull.
        findings: what an author should know.
    """

    package: ChartPackage
    params: Mapping[str, Any]
    rendered: Rendered
    merged: Mapping[str, Any]
    dag_reference: str
    contents: DagImageContents
    images: tuple[FoundImage, ...]
    findings: tuple[Finding, ...]


def plan(
    package: ChartPackage,
    given: Sequence[ImageSource],
    platform: PlatformNames,
    helm: Helm,
    *,
    params: Mapping[str, Any] | None = None,
    say: OnProgress = quiet,
) -> InstallPlan:
    """Find everything that a package needs.

    Args:
        package: a workflow chart.
        given: where its images are.
        platform: registry and version of the emulated platform.
        helm: renders the chart.
        params: chosen ``extension_params``; the others keep the dialog's defaults.
        say: gets a line for each step that takes seconds.

    Raises:
        FormError: the dialog would not take the parameters.
        ExtensionError: the package would not be accepted, or images are missing: all of them are named.
        UsageError: an image is not for this engine's architecture.
    """
    if platform.has_edk:
        given = [KitSource(source) for source in given]
    uploaded = upload.check(helm, package, platform.platform_globals)
    posted = extension_params.check(package.parameters, params or {})
    rendered, merged, odd = parameters.render(helm, package.parameters, uploaded, platform.platform_globals, posted)
    needs = find_needs(rendered)
    dag_reference = find_dag_reference(rendered, package)
    search = _Search(given, platform)
    dag_image, findings = search.dag_image(dag_reference, package)
    if dag_image is None:
        # without it the operators are unknown; all other missing images are still reported
        absent = search.list_missing(needs)
        raise (
            missing_images.make_error(package, absent, given, platform)
            if absent
            else _unread_error(package, dag_reference)
        )
    contents = image_files.read_contents(dag_image.load(say), dag_reference)
    needs += find_dag_needs(contents, platform.registry, platform.version)
    absent = search.list_missing(needs)
    if absent:
        raise missing_images.make_error(package, absent, given, platform)
    found = tuple(search.found.values())
    return InstallPlan(package, posted, rendered, merged, dag_reference, contents, found, (*findings, *odd))


def find_chart_images(
    package: ChartPackage,
    rendered: Rendered,
    given: Sequence[ImageSource],
    platform: PlatformNames,
) -> tuple[FoundImage, ...]:
    """Return the given images that a chart without DAGs names.

    Raises:
        ExtensionError: some are missing: all of them are named.
    """
    search = _Search(given, platform)
    absent = search.list_missing(find_needs(rendered))
    if absent:
        raise missing_images.make_error(package, absent, given, platform)
    return tuple(search.found.values())


def _unread_error(package: ChartPackage, reference: str) -> ExtensionError:
    registry = reference.rpartition("/")[0]
    return ExtensionError(
        f"the DAG image of {package.path.name} is in a registry that was not given: {reference}",
        last_seen="the image has to be read: its DAG files name the operators and their images",
        fix=f"name the registry: {how_to_set('images', registry)}",
    )


def find_needs(rendered: Rendered) -> list[MissingImage]:
    """Return the images that the pods of a chart's objects pull."""
    everything = [*rendered.objects, *rendered.hooks]
    return [MissingImage(image, f"{describe(manifest)} of the chart") for manifest, image in find_images(everything)]


def find_dag_needs(contents: DagImageContents, registry: str, version: str) -> list[MissingImage]:
    """Return the images that pods of the DAG files pull, as far as this is known without running them.

    Args:
        contents: the files of the DAG image.
        registry: ``DEFAULT_REGISTRY``.
        version: ``KAAPANA_BUILD_VERSION``.
    """
    return [
        MissingImage(image.resolve(registry, version), f"{image.file} line {image.line}")
        for image in contents.imported_images
        if "{?}" not in image.reference
    ]


def find_dag_reference(rendered: Rendered, package: ChartPackage) -> str:
    """Return the reference under which the installer's Job pulls the DAG image.

    Raises:
        ExtensionError: there is no such Job.
    """
    for manifest, image in find_images(rendered.objects):
        if manifest["metadata"]["name"] == package.dag_image and find_last_part(image) == package.dag_image:
            return image
    raise ExtensionError(
        f"{package.path.name} has no Job named {package.dag_image} that copies DAG files: nothing would be installed",
        last_seen="its objects: " + ", ".join(describe(manifest) for manifest in rendered.objects),
        fix="global.action must be copy, and the dag-installer-chart inside must be the platform's",
    )


def is_tagged_by_platform(profile: Profile) -> bool:
    """Return whether the cluster pulls the DAG image with the platform's version as its tag (build 2)."""
    return bool(profile.value("installer.dag_image_tag") == "platform")


def report_tag(package: ChartPackage, reference: str, taken: str) -> Finding:
    """Return the finding that the guide's tag was accepted although the package asks for another.

    Args:
        package: the chart.
        reference: under which its installer pulls the DAG image.
        taken: the name that the image has.
    """
    return DAG_IMAGE_TAG.report(
        package.path.name,
        f"its installer pulls {reference}; {taken} was used, as the guide promises. "
        f"{', '.join(DAG_IMAGE_TAG.platforms())} take the version of the dag-installer-chart inside the package as the "
        "tag and end in ErrImagePull",
        fix=f"also tag the DAG image {reference}",
    )


class _Search:
    """Looks up references and remembers the results."""

    def __init__(self, given: Sequence[ImageSource], platform: PlatformNames) -> None:
        self._given = given
        self._platform = platform
        self.found: dict[str, FoundImage] = {}

    def find(self, reference: str) -> FoundImage | None:
        """Return the image, from the first source that has it."""
        if reference not in self.found:
            image = self._find(reference)
            if image is None:
                return None
            self.found[reference] = image
        return self.found[reference]

    def _find(self, reference: str) -> FoundImage | None:
        registry = self._platform.registry
        for number, source in enumerate(self._given):
            if image := source.find(reference, registry):
                before = self._given[:number]
                if image.route is Route.PRESENT and any(other.similar(reference, registry) for other in before):
                    # it was given under another name: an older one must not take its place
                    return None
                return image
        return None

    def dag_image(self, reference: str, package: ChartPackage) -> tuple[FoundImage | None, list[Finding]]:
        """Return the DAG image; where the guide's tag counts, the one with the platform's version will do (build 2)."""
        if image := self.find(reference):
            return image, []
        repository, tag = split_reference(reference)
        version = self._platform.version
        if tag == version or not is_tagged_by_platform(self._platform.profile):
            return None, []
        image = self.find(f"{repository}:{version}")
        if image is None:
            return None, []
        del self.found[f"{repository}:{version}"]
        # it is not under this name where it is now
        route = Route.PUSH if image.route in {Route.PRESENT, Route.PULL} else image.route
        self.found[reference] = dataclasses.replace(image, reference=reference, route=route)
        return self.found[reference], [report_tag(package, reference, image.name)]

    def list_missing(self, needs: Sequence[MissingImage]) -> list[MissingImage]:
        """Return the images that neither the sources, nor the platform, nor another registry has."""
        wanted = {need.reference: need for need in reversed(needs) if not self._platform.provides(need.reference)}
        return [
            need
            for reference, need in wanted.items()
            if self.find(reference) is None and not self._is_elsewhere(reference)
        ]

    def _is_elsewhere(self, reference: str) -> bool:
        """Return whether a registry that is not the platform's has it."""
        if self._platform.serves(reference):
            return False
        try:
            return remote.exists(reference)
        except PlatformError:
            return False
