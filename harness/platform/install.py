"""The life of an extension on the platform, step by step as its guide has it.

build, push (or images.tar), package, upload, install, DAG visible, add to project; later uninstall.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import extension
from harness.errors import InstallError
from harness.kube import pullsecrets
from harness.kube.troubles import Trouble
from harness.platform import dags, delivery, helm, installer, packaging, registries, releases, upload
from harness.platform.dags import Dags
from harness.platform.delivery import Built
from harness.platform.packaging import Package
from harness.platform.releases import Release
from harness.progress import OnProgress, quiet

if TYPE_CHECKING:
    import os

    from harness.extension import Container, ExtensionSource
    from harness.platform.environment import Environment
    from harness.platform.manifests import Manifest
    from harness.platform.projects import Project


@dataclasses.dataclass(frozen=True)
class Deployment:
    """An extension that is installed and can be run.

    Attributes:
        dag_ids: all DAGs of the extension, sorted.
        visible_dag_ids: those that a user can choose.
        images: image name to the reference under which pods pull it.
        chart: file name of the package.
        notes: what a user would miss, one sentence each.
        installed: False when nothing had to be installed because it was there unchanged.
    """

    environment: Environment = dataclasses.field(repr=False)
    source: ExtensionSource = dataclasses.field(repr=False)
    dag_ids: tuple[str, ...]
    visible_dag_ids: tuple[str, ...]
    images: Mapping[str, str]
    release: str
    chart: str
    notes: tuple[str, ...] = ()
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
            _uninstall(self.environment, existing, hooks, on_progress)


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
        deliver: ``registry`` or ``tar``; by default as in the settings.
        params: chosen ``extension_params``; by default what the dialog starts with.
        chart_dir: keep the package there.
        dag_image_tag: tag for the DAG image instead of the one that the cluster will pull.

    Raises:
        ExtensionError, BuildError: something in the tree is wrong.
        InstallError: it was built but does not become runnable.
    """
    source = extension.read(path)
    api = environment.cluster.api
    with tempfile.TemporaryDirectory(prefix="kh-package-") as scratch:
        tool = helm.find()
        on_progress(f"packaging {source.chart.name}")
        package = packaging.package(source.chart, chart_dir or Path(scratch), helm=tool)
        uploaded = upload.check(tool, package, environment.platform_globals)
        if params is None:
            params = upload.default_parameters(source.chart.values)
        rendered, merged = upload.render(tool, uploaded, environment.platform_globals, params)
    tag = dag_image_tag or _dag_tag(environment, package)
    images = delivery.build(
        [*source.processing_images, source.dag_image],
        lambda container: _reference(environment, source, container, tag),
        environment.settings,
        on_progress,
    )
    deliver = deliver or environment.settings.deliver
    if deliver == "tar":
        delivery.hand_over_archive(images, environment.cluster, on_progress)
    else:
        registries.serve(environment, (image.reference for image in images))
        delivery.push(images, environment.platform_registry, on_progress)
        environment.cluster.withdraw_images(image.reference for image in images)
    fingerprint = _fingerprint(rendered.objects, [image for image in images if image.image == source.dag_image.image])
    release = Release(package.name, package.name, package.version, "pending-install", rendered, merged)
    found, existing = None, releases.find(api, package.name)
    if existing is not None:
        found = _unchanged(environment, source, existing, fingerprint)
        if found is None:
            on_progress(f"{existing.name} is {existing.status} from an earlier install: reinstalling")
            # a release that never got to the end has nothing to remove in an orderly way
            _uninstall(environment, existing, existing.status == "deployed", on_progress)
    if found is None:
        found = _install(environment, source, package, release, images, fingerprint, on_progress)
        new = True
    else:
        on_progress(f"{package.name} is installed already")
        new = False
    deployment = Deployment(
        environment=environment,
        source=source,
        dag_ids=found.ids,
        visible_dag_ids=found.visible,
        images={image.image: image.reference for image in images},
        release=package.name,
        chart=package.path.name,
        notes=found.notes,
        installed=new,
    )
    if project is not None:
        deployment.add_to(project)
    return deployment


def _dag_tag(environment: Environment, package: Package) -> str:
    """The tag that the cluster will pull for the DAG image (build 2).

    The guide promises the platform's version. Releases since 0.5.1 use the version of the installer chart inside
    the package, and so does an installer chart of the author's own clone.
    """
    rule = environment.profile.data["installer"]["dag_image_tag"]
    return environment.platform_version if rule == "platform" and package.replaced else package.installer_version


def _reference(environment: Environment, source: ExtensionSource, container: Container, dag_tag: str) -> str:
    registry = registries.registry_of(environment, source, container)
    tag = dag_tag if container is source.dag_image else environment.platform_version
    return f"{registry}/{container.image}:{tag}"


def _install(
    environment: Environment,
    source: ExtensionSource,
    package: Package,
    release: Release,
    images: list[Built],
    fingerprint: str,
    say: OnProgress,
) -> Dags:
    api = environment.cluster.api
    job = _installer_job(release, source)

    def explain(trouble: Trouble) -> str:
        return _explain(environment, package, source, images, trouble)

    say(f"installing {release.name}")
    done = releases.install(api, release, on_hook=_hook_waiter(environment))
    if job is not None:
        try:
            installer.wait(
                api,
                job,
                timeout_s=environment.settings.install_timeout,
                what=f"the installer of {source.dag_image.image}",
                registry=environment.platform_registry,
                explain=explain,
            )
        except InstallError as error:
            # the platform shows it as installed but not ready; a kept environment must not hold the broken pod
            releases.uninstall(api, done, hooks=False)
            raise error
    say("waiting for the DAG to appear in Airflow")
    try:
        found = dags.collect(source, environment.airflow)
    except InstallError:
        # the files must not trouble the next extension that is installed into this environment
        _uninstall(environment, done, True, say)
        raise
    note = {"fingerprint": fingerprint, "dags": dataclasses.asdict(found)}
    releases.record(api, dataclasses.replace(done, note=json.dumps(note)))
    return found


def _installer_job(release: Release, source: ExtensionSource) -> Manifest | None:
    for manifest in release.rendered.objects:
        if manifest["kind"] == "Job" and manifest["metadata"]["name"] == source.chart.image:
            return manifest
    return None


def _uninstall(environment: Environment, release: Release, hooks: bool, say: OnProgress) -> None:
    say(f"uninstalling {release.name}")
    releases.uninstall(environment.cluster.api, release, hooks=hooks, on_hook=_hook_waiter(environment))
    # the platform drops the DAGs of removed files by a daily job (build 6)
    environment.airflow.refresh()


def _hook_waiter(environment: Environment) -> Callable[[Manifest], None]:
    def wait(hook: Manifest) -> None:
        if hook["kind"] != "Job":
            return
        try:
            installer.wait(
                environment.cluster.api,
                hook,
                timeout_s=environment.settings.install_timeout,
                what=f"the hook {hook['metadata']['name']}",
                registry=environment.platform_registry,
            )
        except InstallError as error:
            events = hook["metadata"]["annotations"]["helm.sh/hook"]
            if "pre-delete" in events:
                error.fix = (
                    "the release is stuck as `uninstalling` and its files stay in the DAG folder; mend the image, or "
                    "uninstall with hooks=False (Force Uninstall)"
                )
            raise

    return wait


def _unchanged(environment: Environment, source: ExtensionSource, release: Release, fingerprint: str) -> Dags | None:
    """The DAGs of an earlier install of exactly this, when they are still there."""
    try:
        note = json.loads(release.note)
        recorded = Dags(**{key: tuple(value) for key, value in note["dags"].items()})
    except (ValueError, KeyError, TypeError):
        return None
    if release.status != "deployed" or note["fingerprint"] != fingerprint:
        return None
    bag = environment.airflow.refresh()
    dags.raise_import_errors(source, bag)
    return recorded if dags.ids_of(source, bag) == recorded.ids else None


def _fingerprint(objects: tuple[Manifest, ...], images: list[Built]) -> str:
    content = json.dumps([list(objects), [image.image_id for image in images]], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def _explain(
    environment: Environment, package: Package, source: ExtensionSource, images: list[Built], trouble: Trouble
) -> str:
    """Why the DAG image cannot be pulled, in terms of the tag rule of build 2."""
    if not trouble.pull_failed:
        return ""
    if trouble.unauthorized:
        return pullsecrets.ADVICE
    own = next((image.reference for image in images if image.image == source.dag_image.image), "")
    if trouble.image.rpartition(":")[0].rpartition("/")[2] != source.dag_image.image or not own:
        return "push or import this image, or name another one"
    wanted_registry, _, wanted_tag = trouble.image.rpartition(":")
    given_registry, _, given_tag = own.rpartition(":")
    if wanted_registry != given_registry:
        return (
            f"global.custom_registry_url of values.yaml names another registry: the DAG image was delivered as {own}. "
            "A registry that kaapana.add_registry has added gets it"
        )
    if wanted_tag != given_tag:
        return (
            f"the DAG image was delivered with the tag {given_tag}, the cluster pulls {wanted_tag}: since platform "
            f"0.5.1 the tag is the version of dag-installer-chart inside the package ({package.installer_version}), "
            f"not the platform version ({environment.platform_version}). Tag the DAG image {wanted_tag}, or set the "
            "version of dag-installer-chart and of its entry in requirements.yaml to the platform version"
        )
    return "the image was delivered under this name; see whether the pull policy Always asks for a registry"
