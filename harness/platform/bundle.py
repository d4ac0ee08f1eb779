"""Make what an upload to a platform needs: the packaged chart, one archive with all images, and instructions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.common.progress import OnProgress
from harness.errors import UsageError
from harness.extension.charts import INSTALLER
from harness.platform import build_ignored, delivery, packaging, planning, source_registry
from harness.platform.missing_images import MissingImage
from harness.settings import OPTIONS
from harness.settings.option import TABLE

if TYPE_CHECKING:
    from harness.artefacts.package import ChartPackage
    from harness.extension import Container, ExtensionSource
    from harness.platform.delivery import PodImage
    from harness.settings.builds import BuildSettings

# names of images that are not uploaded
_NO_REGISTRY = "kaapana-harness/built"


@dataclasses.dataclass(frozen=True)
class Bundle:
    """One extension, built.

    Attributes:
        chart: its package.
        images: every reference under which a platform pulls an image of it; one image may have several.
        archive: the archive with all of them, or ``None`` if none was written.
    """

    chart: ChartPackage
    images: Sequence[PodImage]
    archive: Path | None

    def instructions(self) -> list[str]:
        """Return the steps to take on the platform, a line each (guide, steps 5 to 8)."""
        lines = []
        if self.archive is not None:
            lines.append(f"upload {self.archive} under Extensions, field 'Upload chart or container files'")
        else:
            pushed = ", ".join(image.reference for image in self.images)
            lines.append(f"push the images to the platform's registry: {pushed}")
        lines.append(f"upload {self.chart.path} in the same place, and keep its name")
        if "kaapanaexperimental" in self.chart.keywords:
            lines.append("tick Experimental in the filter Maturity: experimental extensions are hidden")
        lines.append(f"install {self.chart.name} {self.chart.version}")
        lines.append("since 0.5.0: System > Projects, choose the project, 'Add Software to Project'")
        return [f"{number}. {line}" for number, line in enumerate(lines, 1)]


def make(
    source: ExtensionSource,
    settings: BuildSettings,
    *,
    version: str,
    registry: str,
    archive: Path | None,
    chart_dir: Path,
    say: OnProgress,
) -> Bundle:
    """Build all containers of an extension and package its chart.

    Args:
        source: the extension.
        settings: of the builds.
        version: ``KAAPANA_BUILD_VERSION`` of the platform.
        registry: ``DEFAULT_REGISTRY`` of the platform; empty where it is not known.
        archive: file for all images; its folder exists.
        chart_dir: folder for the package.
        say: gets a line for each step that takes seconds.

    Raises:
        UsageError: an archive is wanted, and an image has no name without the platform's registry.
        ExtensionError, BuildError: something in the tree is wrong.
    """
    wanted = [container for container in (*source.processing_images, source.dag_image) if not container.local]
    # the platform has the one that the chart names, or the extension could not start there
    custom = source_registry.find_custom_registry(source)
    others = (custom,) if custom else ()
    nameless = [
        container.image
        for container in wanted
        if not source_registry.find_registry(source, container, registry, others)
    ]
    if archive is not None and nameless:
        raise UsageError(
            f"the names of {', '.join(nameless)} begin with the platform's registry, which is not known: the platform "
            "looks imported images up by their full name",
            fix=f"give it with --registry, or once for all as {OPTIONS['platform_registry'].key} in {TABLE}; the "
            "platform shows it as `About`",
        )
    chart = packaging.package(source.chart, chart_dir)

    def reference(container: Container) -> str:
        own = source_registry.find_registry(source, container, registry or _NO_REGISTRY, others)
        return f"{own}/{container.image}:{version}"

    containers = [*source.processing_images, source.dag_image]
    needs = planning.find_dag_needs(source.contents, registry or _NO_REGISTRY, version)
    needs.append(MissingImage(reference(source.dag_image), f"global.image of {source.chart.directory / 'values.yaml'}"))
    build_ignored.check(containers, reference, needs, lambda _: False)
    images = delivery.build(containers, reference, settings, say)
    dag_image = next(image for image in images if image.image == source.dag_image.image)
    # since 0.5.1 the installer's version is the tag, before and in the guide it is the platform's (build 2)
    other = f"{dag_image.reference.rpartition(':')[0]}:{chart.subcharts[INSTALLER]}"
    if other != dag_image.reference:
        images.append(dataclasses.replace(dag_image, reference=other))
    if archive is not None:
        delivery.write_archive(images, archive, say)
    return Bundle(chart, images, archive)
