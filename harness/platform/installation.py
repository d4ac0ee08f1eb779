"""Install a built extension: the release, its installer's pod, until users see its DAG; and remove it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.artefacts.package import ChartPackage
from harness.common.progress import OnProgress
from harness.common.references import find_last_part, split_reference
from harness.errors import HarnessError, InstallError
from harness.extension import DagImageContents
from harness.extension.charts import INSTALLER
from harness.extension.edk import ADVICE
from harness.findings import Finding
from harness.kube import pullsecrets
from harness.kube.troubles import Trouble
from harness.platform import airflow_leftovers, dags, installer, releases
from harness.platform.dags import Dags
from harness.platform.delivery import PodImage
from harness.platform.installer import Explanation
from harness.platform.manifests import Rendered
from harness.platform.notes import Note
from harness.platform.releases import HelmRelease
from harness.wire import edk
from harness.wire.messages import join_names

if TYPE_CHECKING:
    from harness.kube import Manifest
    from harness.platform.environment import Environment


@dataclasses.dataclass(frozen=True)
class Installable:
    """A built chart whose images are where pods will find them.

    Attributes:
        package: the chart.
        release: name of its release.
        rendered: the chart's objects.
        values: those of its templates.
        contents: the files of its DAG image; empty for other charts than workflows.
        images: its own images that pods pull.
        params: the ``extension_params`` as they were posted.
        coming: modules that extensions bring which are installed later, with the name of each one's chart.
        by_edk: it was delivered as the development kit does it.
    """

    package: ChartPackage
    release: str
    rendered: Rendered
    values: Mapping[str, Any]
    contents: DagImageContents
    images: Sequence[PodImage]
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    coming: Mapping[str, str] = dataclasses.field(default_factory=dict)
    by_edk: bool = False

    @property
    def edk_images(self) -> tuple[str, ...]:
        """Names of the images that the development kit has pushed to its own registry."""
        return tuple(image.image for image in self.images if self.by_edk and edk.is_in_registry(image.reference))

    @property
    def dag_image(self) -> PodImage | None:
        """The image that carries the DAG files; ``None`` where it was not built (LABEL BUILD_IGNORE)."""
        return next((image for image in self.images if image.image == self.package.dag_image), None)

    @property
    def fingerprint(self) -> str:
        """What must be equal for an installed release to be the same: objects, parameters and what its pods run."""
        # Jobs of the author's templates may run other images than the DAG image
        shown = json.dumps(self.rendered.objects, default=str)
        pulled = [image for image in self.images if image is self.dag_image or image.reference in shown]
        known = [list(self.rendered.objects), [image.image_id for image in pulled], dict(self.params)]
        return hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Installed:
    """What became of an installation.

    Attributes:
        dags: those of the extension.
        moved: False when exactly this was installed already.
        findings: about what other installations have left.
    """

    dags: Dags
    moved: bool
    findings: tuple[Finding, ...]


def install(environment: Environment, wanted: Installable, say: OnProgress) -> Installed:
    """Install a chart, unless exactly this is installed already; another release of its name is removed first.

    The platform itself would answer "Chart is already installed" and change nothing (build 10.3).

    Raises:
        InstallError: the installer fails, or no DAG appears that a user can start; everything is removed again.
    """
    api = environment.cluster.api
    existing = releases.find(api, wanted.release)
    earlier = None if existing is None else Note.of(existing)
    if existing is not None:
        if earlier is not None and _is_unchanged(environment, wanted, existing, earlier, say):
            say(f"{existing.name} is installed already")
            return Installed(earlier.dags, False, _findings(environment, wanted, earlier))
        say(_describe_reinstall(existing))
        # a release that never got to the end has nothing to remove in an orderly way
        uninstall(environment, existing, existing.status == "deployed", say)
    package = wanted.package
    release = HelmRelease(
        wanted.release, package.name, package.version, "pending-install", wanted.rendered, wanted.values
    )
    if package.is_workflow:
        done, found = _install_workflow(environment, wanted, release, say)
    else:
        # that the API has accepted its objects is success (build 10.3)
        done, found = _apply(environment, release, say), Dags((), ())
    note = _note(environment, wanted, found, earlier)
    releases.record(api, dataclasses.replace(done, note=note.text()))
    return Installed(found, True, _findings(environment, wanted, note))


def _describe_reinstall(existing: HelmRelease) -> str:
    if existing.status != "deployed":
        return f"{existing.name} is {existing.status} from an earlier install: reinstalling"
    return (
        f"{existing.name} is installed with other content (version {existing.chart_version}): uninstalling that first. "
        'The platform would answer "Chart is already installed" and change nothing'
    )


def _note(environment: Environment, wanted: Installable, found: Dags, earlier: Note | None) -> Note:
    names = [file.installed for file in wanted.contents.files]
    present = environment.airflow.files().digests if names else {}
    files = {name: present.get(name, "") for name in names}
    old = () if earlier is None else {*earlier.files, *earlier.left}
    return Note(wanted.fingerprint, found, files, tuple(sorted(set(old) - set(files))))


def _findings(environment: Environment, wanted: Installable, note: Note) -> tuple[Finding, ...]:
    """Return findings about leftovers of other installations."""
    if not note.files:
        return ()
    airflow, installed = environment.airflow, releases.find_all(environment.cluster.api)
    left = (
        airflow_leftovers.find_left(wanted.release, note.left, installed, airflow.files().digests) if note.left else []
    )
    stale = [airflow_leftovers.report_stale(wanted.release, left, airflow.refresh())] if left else []
    return (*stale, *airflow_leftovers.find_clashes(wanted.release, note.files, installed))


def _install_workflow(
    environment: Environment, wanted: Installable, release: HelmRelease, say: OnProgress
) -> tuple[HelmRelease, Dags]:
    api = environment.cluster.api
    job = _installer_job(wanted)

    def explain(trouble: Trouble) -> Explanation:
        return _explain(environment, wanted, trouble)

    done = _apply(environment, release, say)
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
    others = [manifest for manifest in wanted.rendered.objects if manifest is not job]
    try:
        installer.wait_for_jobs(
            api,
            others,
            timeout_s=environment.settings.install_timeout,
            registry=environment.platform_registry,
            explain=explain,
            say=say,
        )
        say("waiting for the DAG to appear in Airflow")
        found = dags.collect(
            wanted.package.name,
            wanted.contents,
            environment.airflow,
            coming=wanted.coming,
            edk_images=wanted.edk_images,
        )
        return done, found
    except InstallError:
        # the files must not trouble the next extension that is installed into this environment
        uninstall(environment, done, True, say)
        raise


def _apply(environment: Environment, release: HelmRelease, say: OnProgress) -> HelmRelease:
    """Apply the objects of a chart; if one is refused, remove them all."""
    say(f"installing {release.name}")
    try:
        return releases.install(environment.cluster.api, release, on_hook=_hook_waiter(environment))
    except HarnessError:
        with contextlib.suppress(HarnessError):
            releases.uninstall(environment.cluster.api, release, hooks=False)
        raise


def _installer_job(wanted: Installable) -> Manifest | None:
    for manifest in wanted.rendered.objects:
        if manifest["kind"] == "Job" and manifest["metadata"]["name"] == wanted.package.dag_image:
            return manifest
    return None


def uninstall(environment: Environment, release: HelmRelease, hooks: bool, say: OnProgress) -> tuple[Finding, ...]:
    """Remove a release with its DAG files, or with ``hooks`` False without them ("Force Uninstall").

    Returns:
        What is still there of it, and what other extensions have lost with it.

    Raises:
        InstallError: the removing pod failed; the release is stuck as ``uninstalling``.
    """
    api = environment.cluster.api
    say(f"uninstalling {release.name}")
    releases.uninstall(api, release, hooks=hooks, on_hook=_hook_waiter(environment))
    # the platform drops the DAGs of removed files by a daily job (build 6)
    environment.airflow.refresh()
    found = airflow_leftovers.check_removal(release, releases.find_all(api), environment.airflow.files().digests)
    for finding in found:
        say(str(finding))
    return found


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
                    "the release is stuck as `uninstalling` and its files stay in the DAG folder; fix the image, or "
                    "uninstall with hooks=False (Force Uninstall)"
                )
            raise

    return wait


def _is_unchanged(
    environment: Environment, wanted: Installable, release: HelmRelease, note: Note, say: OnProgress
) -> bool:
    """Return whether exactly this is installed, and its files and DAGs are still there as they were."""
    if release.status != "deployed" or note.fingerprint != wanted.fingerprint:
        return False
    if not wanted.package.is_workflow:
        return True
    present = environment.airflow.files()
    changed = sorted(name for name, digest in note.files.items() if present.digests.get(name, "") != digest)
    if changed and present.complete:
        say(f"changed since {release.name} was installed: {join_names(changed)}")
        return False
    bag = environment.airflow.refresh()
    dags.raise_import_errors(wanted.contents, bag, coming=wanted.coming)
    return dags.find_ids(wanted.contents, bag) == note.dags.ids


def _explain(environment: Environment, wanted: Installable, trouble: Trouble) -> Explanation:
    """Return why the DAG image cannot be pulled, in terms of the tag rule of build 2."""
    if not trouble.pull_failed:
        return Explanation()
    if edk.is_in_registry(trouble.image) and not wanted.by_edk:
        return Explanation(ADVICE, "that is the registry of the development kit")
    if trouble.unauthorized:
        return Explanation(pullsecrets.ADVICE)
    package, own = wanted.package, wanted.dag_image.reference if wanted.dag_image else ""
    if find_last_part(trouble.image) != package.dag_image or not own:
        return Explanation("push or import this image, or name another one")
    wanted_registry, wanted_tag = split_reference(trouble.image)
    given_registry, given_tag = split_reference(own)
    if wanted_registry != given_registry and wanted.by_edk:
        return Explanation(
            f'set custom_registry_url: "{edk.REGISTRY}" below global in values.yaml', f"the kit pushes it as {own}"
        )
    if wanted_registry != given_registry:
        return Explanation(
            f"global.custom_registry_url of values.yaml names another registry: the DAG image was delivered as {own}. "
            "A registry that kaapana.add_registry has added gets it"
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
