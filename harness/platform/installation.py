"""Installing what was built: the release, its installer's pod, and the way to a DAG that users see; and removing it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.artefacts.package import ChartPackage
from harness.contract import edk
from harness.errors import InstallError
from harness.extension import Contents
from harness.extension.charts import INSTALLER
from harness.kube import pullsecrets
from harness.kube.troubles import Trouble
from harness.platform import dags, installer, releases
from harness.platform.dags import Dags
from harness.platform.delivery import PodImage
from harness.platform.installer import Explanation
from harness.platform.manifests import Rendered
from harness.platform.releases import Release
from harness.progress import OnProgress

if TYPE_CHECKING:
    from harness.platform.environment import Environment
    from harness.platform.manifests import Manifest


@dataclasses.dataclass(frozen=True)
class Installable:
    """One extension that was built, here or elsewhere, and whose images are where pods will find them.

    Attributes:
        package: its chart.
        rendered: the chart's objects.
        values: what they were rendered with.
        contents: what its DAG image brings.
        images: the images of its own that pods pull.
        by_edk: it was delivered as the development kit does it.
    """

    package: ChartPackage
    rendered: Rendered
    values: Mapping[str, Any]
    contents: Contents
    images: Sequence[PodImage]
    by_edk: bool = False

    @property
    def edk_images(self) -> tuple[str, ...]:
        """Names of the images that the development kit has pushed to its own registry."""
        return tuple(image.image for image in self.images if self.by_edk and edk.holds(image.reference))

    @property
    def dag_image(self) -> PodImage | None:
        """The image that carries the DAG files; ``None`` where it was not built (LABEL BUILD_IGNORE)."""
        return next((image for image in self.images if image.image == self.package.dag_image), None)

    @property
    def fingerprint(self) -> str:
        """What must be equal for an installed release to be the same: objects, values and the DAG image."""
        dag_image = self.dag_image.image_id if self.dag_image else ""
        known = [list(self.rendered.objects), self.values, dag_image]
        return hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()


def install(environment: Environment, wanted: Installable, say: OnProgress) -> tuple[Dags, bool]:
    """Install an extension, unless exactly this is installed already; another one of its name is removed first.

    Returns:
        Its DAGs, and whether anything was installed.

    Raises:
        InstallError: the installer fails, or no DAG appears that a user can start; nothing of it stays.
    """
    package = wanted.package
    existing = releases.find(environment.cluster.api, package.name)
    if existing is not None:
        found = _unchanged(environment, wanted, existing)
        if found is not None:
            say(f"{package.name} is installed already")
            return found, False
        say(f"{existing.name} is {existing.status} from an earlier install: reinstalling")
        # a release that never got to the end has nothing to remove in an orderly way
        uninstall(environment, existing, existing.status == "deployed", say)
    release = Release(package.name, package.name, package.version, "pending-install", wanted.rendered, wanted.values)
    return _install(environment, wanted, release, say), True


def _install(environment: Environment, wanted: Installable, release: Release, say: OnProgress) -> Dags:
    api = environment.cluster.api
    job = _installer_job(wanted)

    def explain(trouble: Trouble) -> Explanation:
        return _explain(environment, wanted, trouble)

    say(f"installing {release.name}")
    done = releases.install(api, release, on_hook=_hook_waiter(environment))
    if job is not None:
        try:
            installer.wait(
                api,
                job,
                timeout_s=environment.settings.install_timeout,
                what=f"the installer of {wanted.package.dag_image}",
                registry=environment.platform_registry,
                explain=explain,
            )
        except InstallError as error:
            # the platform shows it as installed but not ready; a kept environment must not hold the broken pod
            releases.uninstall(api, done, hooks=False)
            raise error
    say("waiting for the DAG to appear in Airflow")
    try:
        found = dags.collect(wanted.package.name, wanted.contents, environment.airflow, wanted.edk_images)
    except InstallError:
        # the files must not trouble the next extension that is installed into this environment
        uninstall(environment, done, True, say)
        raise
    note = {"fingerprint": wanted.fingerprint, "dags": dataclasses.asdict(found)}
    releases.record(api, dataclasses.replace(done, note=json.dumps(note)))
    return found


def _installer_job(wanted: Installable) -> Manifest | None:
    for manifest in wanted.rendered.objects:
        if manifest["kind"] == "Job" and manifest["metadata"]["name"] == wanted.package.dag_image:
            return manifest
    return None


def uninstall(environment: Environment, release: Release, hooks: bool, say: OnProgress) -> None:
    """Remove a release with its DAG files, or with ``hooks`` False without them ("Force Uninstall").

    Raises:
        InstallError: the removing pod failed; the release is stuck as ``uninstalling``.
    """
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


def _unchanged(environment: Environment, wanted: Installable, release: Release) -> Dags | None:
    """The DAGs of an earlier install of exactly this, when they are still there."""
    try:
        note = json.loads(release.note)
        recorded = Dags(**{key: tuple(value) for key, value in note["dags"].items()})
    except (ValueError, KeyError, TypeError):
        return None
    if release.status != "deployed" or note["fingerprint"] != wanted.fingerprint:
        return None
    bag = environment.airflow.refresh()
    dags.raise_import_errors(wanted.contents, bag)
    return recorded if dags.ids_of(wanted.contents, bag) == recorded.ids else None


def _explain(environment: Environment, wanted: Installable, trouble: Trouble) -> Explanation:
    """Why the DAG image cannot be pulled, in terms of the tag rule of build 2."""
    if not trouble.pull_failed:
        return Explanation()
    if edk.holds(trouble.image) and not wanted.by_edk:
        return Explanation(edk.ADVICE, "that is the registry of the development kit")
    if trouble.unauthorized:
        return Explanation(pullsecrets.ADVICE)
    package, own = wanted.package, wanted.dag_image.reference if wanted.dag_image else ""
    if trouble.image.rpartition(":")[0].rpartition("/")[2] != package.dag_image or not own:
        return Explanation("push or import this image, or name another one")
    wanted_registry, _, wanted_tag = trouble.image.rpartition(":")
    given_registry, _, given_tag = own.rpartition(":")
    if wanted_registry != given_registry and wanted.by_edk:
        return Explanation(
            f'set custom_registry_url: "{edk.REGISTRY}" below global in values.yaml', f"the kit pushes it as {own}"
        )
    if wanted_registry != given_registry:
        return Explanation(
            f"global.custom_registry_url of values.yaml names another registry: the DAG image was delivered as {own}"
        )
    if wanted_tag != given_tag:
        return _other_tag(environment, wanted, wanted_tag, given_tag)
    return Explanation(
        "the image was delivered under this name; see whether the pull policy Always asks for a registry"
    )


def _other_tag(environment: Environment, wanted: Installable, wanted_tag: str, given_tag: str) -> Explanation:
    version, inside = environment.platform_version, wanted.package.subcharts[INSTALLER]
    chart = f"set the version of dag-installer-chart and of its entry in requirements.yaml to {version}"
    rule = f"since platform 0.5.1 the tag is the version of dag-installer-chart inside the package ({inside})"
    if wanted.by_edk:
        return Explanation(
            f"{chart}, in a copy of that chart outside of the extension's folder; or in the kit push the DAG image "
            f"once more: build_image.sh --dir <its folder> --image-version {wanted_tag}",
            f"the kit pushes it with the tag {given_tag}, but {rule}",
        )
    return Explanation(
        f"the DAG image was delivered with the tag {given_tag}, the cluster pulls {wanted_tag}: {rule}, "
        f"not the platform version ({version}). Tag the DAG image {wanted_tag}, or {chart}"
    )
