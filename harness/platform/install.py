"""The life of an extension on the platform, step by step as its guide has it.

build, push (or images.tar), package, upload, install, DAG visible, add to project; later uninstall. What was built
elsewhere begins with the upload.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import extension
from harness.artefacts.sources import ImageSource
from harness.contract import edk
from harness.errors import UsageError
from harness.findings import Finding
from harness.platform import delivery, helm, installation, packaging, planning, registries, releases, upload
from harness.platform import edk as kit
from harness.platform.delivery import PodImage
from harness.platform.installation import Installable
from harness.platform.planning import PlatformNames
from harness.progress import OnProgress, quiet
from harness.settings import check_delivery

if TYPE_CHECKING:
    import os

    from harness.artefacts.package import ChartPackage
    from harness.extension import Container, Contents
    from harness.platform.environment import Environment
    from harness.platform.projects import Project


@dataclasses.dataclass(frozen=True)
class Deployment:
    """An extension that is installed and can be run.

    Attributes:
        contents: what its DAG image has installed.
        dag_ids: all DAGs of the extension, sorted.
        visible_dag_ids: those that a user can choose.
        images: the images of its own that pods pull.
        release: name of the Helm release.
        chart: file name of the package.
        findings: what an author should know.
        notes: what a user would miss, one sentence each.
        input_readers: names of the images whose programs read OPERATOR_IN_DIR, where there is a source tree.
        installed: False when nothing had to be installed because it was there unchanged.
    """

    environment: Environment = dataclasses.field(repr=False)
    contents: Contents = dataclasses.field(repr=False)
    dag_ids: tuple[str, ...]
    visible_dag_ids: tuple[str, ...]
    images: tuple[PodImage, ...]
    release: str
    chart: str
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    input_readers: tuple[str, ...] = ()
    installed: bool = True

    def add_to(self, project: Project) -> None:
        """ "Add Software to Project": without it the platform refuses to start the DAGs there."""
        self.environment.services.add_software(project, list(self.dag_ids))

    def uninstall(self, *, hooks: bool = True, on_progress: OnProgress = quiet) -> None:
        """Remove the extension; the project's software list stays as it is, as on the platform.

        Args:
            hooks: False is "Force Uninstall": the DAG files stay behind.

        Raises:
            InstallError: the removing pod failed; the release is stuck as ``uninstalling``.
        """
        existing = releases.find(self.environment.cluster.api, self.release)
        if existing is not None:
            installation.uninstall(self.environment, existing, hooks, on_progress)


def deploy(
    environment: Environment,
    path: str | os.PathLike[str],
    project: Project | None,
    *,
    deliver: str | None = None,
    on_progress: OnProgress = quiet,
    params: Mapping[str, Any] | None = None,
    chart_dir: Path | None = None,
    dag_image_tag: str | None = None,
) -> Deployment:
    """Build, deliver and install an extension, and allow it in a project.

    Args:
        path: the extension's source tree.
        project: where it may run; ``None`` leaves out "Add Software to Project".
        deliver: ``registry``, ``tar`` or ``edk``; by default as in the settings.
        params: chosen ``extension_params``; by default what the dialog starts with.
        chart_dir: keep the package there.
        dag_image_tag: tag for the DAG image instead of the one that the cluster will pull.

    Raises:
        UsageError: there is no such way of delivery.
        ExtensionError, BuildError: something in the tree is wrong.
        InstallError: it was built but does not become runnable.
    """
    way = _checked(deliver or environment.settings.deliver)
    by_edk, version = way == "edk", environment.platform_version
    source = extension.read(path, edk=by_edk)
    with tempfile.TemporaryDirectory(prefix="kh-package-") as scratch:
        tool = helm.find()
        on_progress(f"packaging {source.chart.name}")
        folder = chart_dir or Path(scratch)
        package = packaging.package(source.chart, folder, helm=tool, edk_version=version if by_edk else None)
        uploaded = upload.check(tool, package, environment.platform_globals)
        chosen = upload.default_parameters(package.values) if params is None else params
        rendered, merged = upload.render(tool, uploaded, environment.platform_globals, chosen)
    pulled = planning.dag_reference_of(rendered, package)
    tag, findings = pulled.rpartition(":")[2], tuple[Finding, ...]()
    if by_edk:
        tag, findings = _edk_tag(environment, package, pulled)
    tag = dag_image_tag or tag

    def reference(container: Container) -> str:
        registry = edk.REGISTRY if by_edk else registries.registry_of(environment, source, container)
        return f"{registry}/{container.image}:{tag if container is source.dag_image else version}"

    images = delivery.build([*source.processing_images, source.dag_image], reference, environment.settings, on_progress)
    if way == "tar":
        delivery.hand_over_archive(images, environment.cluster, on_progress)
    else:
        if by_edk:
            kit.serve(environment.platform_registry)
        registries.serve(environment, (image.reference for image in images))
        delivery.push(images, environment.platform_registry, on_progress)
        environment.cluster.withdraw_images(image.reference for image in images)
    wanted = Installable(package, rendered, merged, source.contents, images, by_edk)
    readers = source.mentioning("OPERATOR_IN_DIR")
    return _deploy(environment, wanted, project, on_progress, findings=findings, input_readers=readers)


def _checked(way: str) -> str:
    try:
        return check_delivery(way)
    except ValueError as error:
        raise UsageError(f"there is no way of delivery {way!r}", fix=f"{error} (deliver, --deliver)") from None


def _edk_tag(environment: Environment, package: ChartPackage, pulled: str) -> tuple[str, tuple[Finding, ...]]:
    """The tag of the kit's DAG image: the platform's version, or what the cluster pulls where the guide counts."""
    version = environment.platform_version
    repository, _, tag = pulled.rpartition(":")
    if tag == version or not planning.tagged_by_platform(environment.profile):
        return version, ()
    return tag, (planning.tag_finding(package, pulled, f"{repository}:{version}"),)


def deploy_built(
    environment: Environment,
    package: ChartPackage,
    given: Sequence[ImageSource],
    project: Project | None,
    *,
    deliver: str | None = None,
    on_progress: OnProgress = quiet,
    params: Mapping[str, Any] | None = None,
) -> Deployment:
    """Deliver and install an extension that was built elsewhere, and allow it in a project.

    Args:
        package: its chart.
        given: where its images are.
        project: where it may run; ``None`` leaves out "Add Software to Project".
        deliver: ``registry`` pushes also the images of archives; by default these are uploaded to the nodes. ``edk``
            pushes what lies in the development kit's registry by its name there.
        params: chosen ``extension_params``; by default what the dialog starts with.

    Raises:
        UsageError: there is no such way of delivery.
        ExtensionError: the package is not what the platform accepts, or images are missing.
        InstallError: it does not become runnable.
    """
    by_edk = deliver is not None and _checked(deliver) == "edk"
    if by_edk:
        kit.serve(environment.platform_registry)
    names = PlatformNames(
        environment.registry, environment.platform_version, environment.profile, environment.platform_globals, by_edk
    )
    plan = planning.plan(
        package, given, names, helm.find(), params=params, present=environment.has_image, say=on_progress
    )
    registries.serve(environment, (image.reference for image in plan.images))
    images = delivery.deliver_found(
        environment.cluster, environment.platform_registry, plan.images, push_all=deliver == "registry", say=on_progress
    )
    wanted = Installable(package, plan.rendered, plan.merged, plan.contents, images, by_edk)
    return _deploy(environment, wanted, project, on_progress, findings=plan.findings)


def _deploy(
    environment: Environment,
    wanted: Installable,
    project: Project | None,
    say: OnProgress,
    *,
    findings: tuple[Finding, ...] = (),
    input_readers: tuple[str, ...] = (),
) -> Deployment:
    found, installed = installation.install(environment, wanted, say)
    deployment = Deployment(
        environment=environment,
        contents=wanted.contents,
        dag_ids=found.ids,
        visible_dag_ids=found.visible,
        images=tuple(wanted.images),
        release=wanted.package.name,
        chart=wanted.package.path.name,
        findings=findings,
        notes=found.notes,
        input_readers=input_readers,
        installed=installed,
    )
    if project is not None:
        deployment.add_to(project)
    return deployment
