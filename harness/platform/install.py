"""The life of an extension on the platform, step by step as its guide has it.

build, push (or images.tar), package, upload, install, DAG visible, add to project; later uninstall. What was built
elsewhere begins with the upload.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import extension
from harness.artefacts.bundle import select_params
from harness.artefacts.sources import ImageSource
from harness.common.progress import OnProgress, quiet
from harness.common.references import split_reference
from harness.errors import HarnessError, UsageError
from harness.extension import DagImageContents
from harness.extension import params as extension_params
from harness.findings import Finding
from harness.platform import (
    applications,
    build_ignored,
    built_contents,
    delivery,
    dependencies,
    helm,
    installation,
    packaging,
    parameters,
    planning,
    releases,
    upload,
)
from harness.platform import edk as kit
from harness.platform.applications import ApplicationPlan
from harness.platform.dags import Dags
from harness.platform.delivery import PodImage
from harness.platform.installation import Installable, Installed
from harness.platform.planning import InstallPlan
from harness.platform.platform_names import PlatformNames
from harness.settings.values import delivery as check_delivery
from harness.wire import edk

if TYPE_CHECKING:
    import os

    from harness.artefacts.package import ChartPackage
    from harness.extension import Container
    from harness.platform.environment import Environment
    from harness.platform.projects import Project


@dataclasses.dataclass(frozen=True)
class Deployment:
    """An extension that is installed and can be run.

    Attributes:
        contents: what its DAG image has installed.
        dag_ids: all DAGs of the extension, sorted.
        visible_dag_ids: those that a user can choose.
        images: its own images that pods pull.
        release: name of the Helm release; empty for a chart that is only uploaded.
        chart: file name of the package.
        params: the ``extension_params`` as they were posted.
        findings: what an author should know.
        input_readers: names of the images whose programs read OPERATOR_IN_DIR, where there is a source tree.
        installed: False when nothing had to be installed because it was there unchanged.
    """

    environment: Environment = dataclasses.field(repr=False)
    contents: DagImageContents = dataclasses.field(repr=False)
    dag_ids: tuple[str, ...]
    visible_dag_ids: tuple[str, ...]
    images: tuple[PodImage, ...]
    release: str
    chart: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    input_readers: tuple[str, ...] = ()
    installed: bool = True

    def add_to(self, project: Project, *, acting: Project | None = None) -> None:
        """Add the DAGs to a project ("Add Software to Project"); without it the platform does not start them there.

        Args:
            acting: the project whose user does it; by default the same.

        Raises:
            RunError: that user may not.
        """
        self.environment.services.add_software(project, list(self.dag_ids), acting=acting)

    def remove_from(self, project: Project, *, acting: Project | None = None) -> None:
        """Remove the DAGs from a project's software: they are no longer offered there (build 15).

        Raises:
            RunError: the user of ``acting`` may not.
        """
        self.environment.services.remove_software(project, list(self.dag_ids), acting=acting)

    def uninstall(self, *, hooks: bool = True, on_progress: OnProgress = quiet) -> tuple[Finding, ...]:
        """Remove the extension; the project's software list stays unchanged, as on the platform.

        Args:
            hooks: False is "Force Uninstall": the DAG files stay behind.

        Returns:
            What is still there of it, and what other extensions have lost with it.

        Raises:
            InstallError: the removing pod failed; the release is stuck as ``uninstalling``.
        """
        existing = releases.find(self.environment.cluster.api, self.release) if self.release else None
        if existing is None:
            return ()
        return installation.uninstall(self.environment, existing, hooks, on_progress)


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
        params: chosen ``extension_params``; the others keep the dialog's defaults.
        chart_dir: keep the package there.
        dag_image_tag: tag for the DAG image instead of the one that the cluster will pull.

    Raises:
        UsageError: there is no such way of delivery.
        ExtensionError, BuildError: something in the tree is wrong.
        FormError: the dialog would not take the parameters.
        InstallError: it was built but does not become runnable.
    """
    way = _check_way(deliver or environment.settings.deliver)
    by_edk, version = way == "edk", environment.platform_version
    source = extension.read(path, edk=by_edk)
    posted = extension_params.check(source.chart.parameters, params or {})
    with tempfile.TemporaryDirectory(prefix="kh-package-") as scratch:
        tool = helm.find()
        on_progress(f"packaging {source.chart.name}")
        folder = chart_dir or Path(scratch)
        package = packaging.package(source.chart, folder, helm=tool, edk_version=version if by_edk else None)
        uploaded = upload.check(tool, package, environment.platform_globals)
        rendered, merged, odd = parameters.render(
            tool, package.parameters, uploaded, environment.platform_globals, posted
        )
    pulled = planning.find_dag_reference(rendered, package)
    tag, findings = split_reference(pulled)[1], tuple[Finding, ...]()
    if by_edk:
        tag, findings = _edk_tag(environment, package, pulled)
    tag = dag_image_tag or tag

    def reference(container: Container) -> str:
        registry = edk.REGISTRY if by_edk else environment.custom_registries.registry_of(source, container)
        return f"{registry}/{container.image}:{tag if container is source.dag_image else version}"

    containers = (*source.processing_images, source.dag_image)
    needs = [*planning.find_needs(rendered), *planning.find_dag_needs(source.contents, environment.registry, version)]
    build_ignored.check(containers, reference, needs, lambda name: _is_there(environment, name))
    images = delivery.build([*source.processing_images, source.dag_image], reference, environment.settings, on_progress)
    if way == "tar":
        delivery.hand_over_archive(images, environment.cluster, environment.settings.scratch, on_progress)
    else:
        if by_edk:
            kit.serve(environment.platform_registry)
        environment.custom_registries.serve(image.reference for image in images)
        delivery.push(images, environment.platform_registry, on_progress)
        environment.cluster.withdraw_images(image.reference for image in images)
    contents = source.contents
    dag_image = next((image for image in images if image.image == package.dag_image), None)
    if source.unread and dag_image is not None:
        contents = built_contents.read(source, dag_image)
    wanted = Installable(package, package.name, rendered, merged, contents, images, posted, by_edk=by_edk)
    readers = source.mentioning("OPERATOR_IN_DIR")
    found = (*source.findings, *dependencies.collect_findings(source.chart), *findings, *odd)
    deployment = _deploy(environment, wanted, on_progress, findings=found, input_readers=readers)
    if project is not None:
        deployment.add_to(project)
    return deployment


def _check_way(way: str) -> str:
    try:
        return check_delivery(way)
    except ValueError as error:
        raise UsageError(f"there is no way of delivery {way!r}", fix=f"{error}") from None


def _is_there(environment: Environment, reference: str) -> bool:
    return environment.platform_registry.find(reference, environment.registry) is not None


def _edk_tag(environment: Environment, package: ChartPackage, pulled: str) -> tuple[str, tuple[Finding, ...]]:
    """Return the tag of the kit's DAG image: the platform's version, or the pulled one where the guide applies."""
    version = environment.platform_version
    repository, tag = split_reference(pulled)
    if tag == version or not planning.is_tagged_by_platform(environment.profile):
        return version, ()
    return tag, (planning.report_tag(package, pulled, f"{repository}:{version}"),)


def deploy_built(
    environment: Environment,
    packages: Sequence[ChartPackage],
    given: Sequence[ImageSource],
    project: Project,
    *,
    add_to_project: bool = True,
    deliver: str | None = None,
    on_progress: OnProgress = quiet,
    params: Mapping[str, Any] | None = None,
) -> tuple[Deployment, ...]:
    """Deliver and install the charts of an extension that was built elsewhere, in the given order.

    Everything that one of them lacks is found before anything is installed. Where a later one fails, those before it
    are uninstalled.

    Args:
        packages: its charts: workflows, and applications that belong to them.
        given: where its images are.
        project: where its DAGs may run, and where applications are launched.
        add_to_project: False leaves out "Add Software to Project".
        deliver: ``registry`` pushes also the images of archives; by default these are uploaded to the nodes. ``edk``
            pushes images of the development kit's registry by their names there.
        params: chosen ``extension_params``; the others keep the dialog's defaults.

    Raises:
        UsageError: there is no such way of delivery.
        FormError: the dialog would not take the parameters.
        ExtensionError: a package is not what the platform accepts, or images are missing.
        InstallError: it does not become runnable.
    """
    by_edk = deliver is not None and _check_way(deliver) == "edk"
    if by_edk:
        kit.serve(environment.platform_registry)
    names = PlatformNames(
        environment.registry, environment.platform_version, environment.profile, environment.platform_globals, by_edk
    )
    # images of an earlier delivery need not be delivered again
    places = [*given, environment.platform_registry]
    tool, chosen = helm.find(), select_params(packages, params or {})
    plans: list[InstallPlan | ApplicationPlan] = []
    for package in packages:
        own = chosen[package.name]
        if package.is_workflow:
            plans.append(planning.plan(package, places, names, tool, params=own, say=on_progress))
        else:
            where = (project.id, project.name)
            plans.append(applications.plan(package, places, names, tool, project=where, params=own))
    done: list[Deployment] = []
    try:
        for number, plan in enumerate(plans):
            environment.custom_registries.serve(image.reference for image in plan.images)
            images = delivery.deliver_found(
                environment.cluster,
                environment.platform_registry,
                plan.images,
                push_all=deliver == "registry",
                say=on_progress,
            )
            wanted = _installable(plan, images, plans[number + 1 :], by_edk)
            done.append(_deploy(environment, wanted, on_progress, findings=plan.findings))
            if add_to_project:
                done[-1].add_to(project)
    except HarnessError:
        for deployment in reversed(done):
            if deployment.installed:
                with contextlib.suppress(HarnessError):
                    deployment.uninstall(on_progress=on_progress)
        raise
    return tuple(done)


def _installable(
    plan: InstallPlan | ApplicationPlan,
    images: Sequence[PodImage],
    later: Sequence[InstallPlan | ApplicationPlan],
    by_edk: bool = False,
) -> Installable:
    if isinstance(plan, ApplicationPlan):
        return Installable(
            plan.package, plan.release, plan.rendered, plan.merged, DagImageContents(()), images, plan.params
        )
    coming = {
        module: entry.package.name
        for entry in later
        if isinstance(entry, InstallPlan)
        for module in entry.contents.modules
    }
    return Installable(
        plan.package, plan.package.name, plan.rendered, plan.merged, plan.contents, images, plan.params, coming, by_edk
    )


def _deploy(
    environment: Environment,
    wanted: Installable,
    say: OnProgress,
    *,
    findings: tuple[Finding, ...] = (),
    input_readers: tuple[str, ...] = (),
) -> Deployment:
    if wanted.release:
        done = installation.install(environment, wanted, say)
    else:
        say(f"{wanted.package.name} is uploaded but not installed: a task launches it")
        done = Installed(Dags((), ()), False, ())
    return Deployment(
        environment=environment,
        contents=wanted.contents,
        dag_ids=done.dags.ids,
        visible_dag_ids=done.dags.visible,
        images=tuple(wanted.images),
        release=wanted.release,
        chart=wanted.package.path.name,
        params=wanted.params,
        findings=(*findings, *upload.collect_findings(wanted.package), *done.findings, *done.dags.findings),
        input_readers=input_readers,
        installed=done.moved,
    )
