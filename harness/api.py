"""The objects that a test works with: the platform with one project, an installed extension, and its runs.

Outside of pytest::

    with Kaapana.open() as kaapana:
        otsus = kaapana.install("scenarios/otsus-method/extension")
        run = otsus.run(dataset="my/dicom/folder", form={"threshold_bins": 64})
        print(run.state, run.directory)
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.installed import InstalledExtension, report_to
from harness.run.follow import Listener
from harness.run.paths import find_unused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.artefacts.bundle import Artefacts
    from harness.artefacts.package import ChartPackage
    from harness.platform.environment import Environment
    from harness.platform.projects import Project
    from harness.platform.registries import CustomRegistry
    from harness.run.results import Run
    from harness.settings import Settings

    _Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


class Kaapana:
    """The emulated platform, bound to one project.

    Args:
        environment: the running platform.
        project: where extensions may run, and where their results go.
        evidence: folder in which each run gets its own folder.
        listener: receives the events of a run; by default they are lines on standard error.
        artefacts: charts and images that :meth:`install` takes in place of a source tree.
        concluded: whether a caller writes the reports of the runs again when all of them have ended, so that pictures
            can wait until then.
    """

    def __init__(
        self,
        environment: Environment,
        project: Project,
        *,
        evidence: Path,
        listener: Listener | None = None,
        artefacts: Artefacts | None = None,
        concluded: bool = False,
    ) -> None:
        self.environment = environment
        self.project = project
        self.evidence = evidence
        self.listener = listener
        self._artefacts = artefacts
        self.concluded = concluded
        self._registries: list[CustomRegistry] = []
        self._given: set[Path] = set()
        self._giving = threading.Lock()
        self.runs: list[Run] = []
        """All finished runs, in the order of their ends."""

    @classmethod
    @contextlib.contextmanager
    def open(
        cls, settings: Settings | None = None, *, project: str | None = None, evidence: Path | None = None
    ) -> Iterator[Kaapana]:
        """Yield a platform for the ``with`` block; with ``reuse`` it stays, and only the project is removed.

        Args:
            settings: by default from the environment and ``pyproject.toml``.
            project: name of the project; by default a new one.
            evidence: folder for the evidence; by default that of the settings, or ``kaapana-report``.

        Raises:
            PlatformError: the platform could not be made.
        """
        from harness.platform.environment import Environment
        from harness.settings import EVIDENCE, Settings

        settings = settings or Settings.load()
        artefacts = open_artefacts(settings.chart, settings.images, settings.state)
        settings = check_artefacts(settings, artefacts)
        folder = evidence or settings.report or EVIDENCE
        with (
            Environment.up(settings) as environment,
            open_project(
                environment, project, lambda made: cls(environment, made, evidence=folder, artefacts=artefacts)
            ) as facade,
        ):
            yield facade

    @property
    def platform_registry(self) -> str:
        """``DEFAULT_REGISTRY``: the prefix of image names on this platform."""
        return self.environment.registry

    @property
    def platform_version(self) -> str:
        """``KAAPANA_BUILD_VERSION``: the tag of images on this platform."""
        return self.environment.platform_version

    def close(self) -> None:
        """Remove the registries that were added by this object; the project stays."""
        from harness.platform import lost_cluster

        while self._registries:
            with lost_cluster.ignore_lost_cluster(self.environment.cluster):
                self._registries.pop().remove()

    def add_registry(self, url: str, username: str, password: str, *, name: str = "") -> CustomRegistry:
        """Make a custom registry known, as the platform's application "New Registry" does (build 13).

        The pull secret is there for the installer, in the namespace ``services``, and not in projects. An extension
        that names the registry is delivered to it: the environment's registry takes its place, and nodes need this
        login. Without such a delivery its images come from where they really are.

        Args:
            url: the value of ``global.custom_registry_url``: ``host[:port]/path``, without scheme.
            username, password: what nodes log in with.
            name: as the administrator calls it.

        Returns:
            The registry, which can be removed before the end.

        Raises:
            UsageError: it is not a URL of a registry.
        """
        added = self.environment.custom_registries.add(url, username, password, name=name)
        self._registries.append(added)
        return added

    def new_run_folder(self, dag_id: str) -> Path:
        """Return a folder for the evidence of one run, which no other gets; runs may start in several threads."""
        with self._giving:
            folder = find_unused(self.evidence, dag_id, self._given)
            self._given.add(folder)
        return folder

    @property
    def offered_dags(self) -> list[str]:
        """The DAGs that the project's users can choose: visible, and in the project's software; sorted."""
        return self.environment.services.dags(self.project)

    @contextlib.contextmanager
    def other_project(self, name: str | None = None) -> Iterator[Kaapana]:
        """Yield the same platform with another project, for the ``with`` block.

        What is installed is there too; "Add Software to Project" is done for each project
        (:meth:`InstalledExtension.add_to`).

        Args:
            name: of the project; by default a new one.

        Raises:
            UsageError: the name is not possible, or there is such a project.
        """
        with open_project(self.environment, name, self._beside) as other:
            yield other

    def _beside(self, project: Project) -> Kaapana:
        other = Kaapana(
            self.environment,
            project,
            evidence=self.evidence / project.name,
            listener=self.listener,
            artefacts=self._artefacts,
            concluded=self.concluded,
        )
        # a test's report shows the runs of all its projects
        other.runs = self.runs
        return other

    def __repr__(self) -> str:
        return f"<Kaapana {self.environment.settings.platform} with project {self.project.name}>"

    def install(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        add_to_project: bool = True,
        deliver: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> InstalledExtension:
        """Build, deliver and install an extension, as its author would.

        Where the settings name packaged charts, the one of this extension is installed and nothing is built.

        Args:
            path: the extension's source tree; it need not be there, nor be given, where packaged charts are installed.
            add_to_project: False leaves out "Add Software to Project"; the platform then refuses to start its DAGs.
            deliver: ``registry``, ``tar``, or ``edk``: as the development kit builds, packages and delivers it; by
                default as in the settings.
            params: ``extension_params`` by name; the others keep the dialog's defaults.

        Raises:
            UsageError: there is neither a path nor a packaged chart for it.
            ExtensionError, BuildError: something in the tree is wrong.
            FormError: the dialog would not take the parameters.
            InstallError: it was built but does not become runnable.
        """
        from harness.platform.install import deploy
        from harness.platform.lost_cluster import explain_lost_cluster

        if self._artefacts is not None:
            packages = self._artefacts.packages if path is None else self._artefacts.select_packages(path)
            return self._install_built(self._artefacts, packages, add_to_project, deliver, params)
        if path is None:
            raise UsageError("no extension was given", fix="pass its folder, or set packaged charts")
        with report_to(self.listener) as listener, explain_lost_cluster(self.environment.cluster):
            project = self.project if add_to_project else None
            deployment = deploy(
                self.environment, path, project, deliver=deliver, params=params, on_progress=listener.say
            )
        return InstalledExtension(self, (deployment,))

    def install_built(
        self,
        chart: _Paths,
        images: _Paths = (),
        *,
        add_to_project: bool = True,
        deliver: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> InstalledExtension:
        """Install an extension that was built elsewhere: its packaged chart, and the images where they are.

        Args:
            chart: path of the ``.tgz`` that ``helm package`` has written, or several, which are installed in this
                order: workflows, and applications that belong to them.
            images: path of an archive (``docker save``, ``podman save``), ``registry/prefix`` or ``engine``, or
                several; the first that has an image is taken.
            add_to_project: False leaves out "Add Software to Project".
            deliver: ``registry`` pushes also the images of archives to the platform's registry; by default they are
                uploaded, and pods with the pull policy ``Always`` do not find them, as on the platform. ``edk``: the
                registry of the development kit, ``localhost:32000``, is there and gets the images that have its name.
            params: ``extension_params`` by name, of the charts that have them; the others have what the platform's
                dialog starts with.

        Raises:
            ExtensionError: the platform would not accept a package, or images are missing; the error names all of them.
            FormError: the dialog would not take the parameters.
            UsageError: an archive is damaged or for another architecture.
            InstallError: it does not become runnable.
        """
        from harness.artefacts.bundle import Artefacts

        artefacts = Artefacts.open(_as_sequence(chart), _as_sequence(images), self.environment.settings.state)
        return self._install_built(artefacts, artefacts.packages, add_to_project, deliver, params)

    def _install_built(
        self,
        artefacts: Artefacts,
        packages: Sequence[ChartPackage],
        add_to_project: bool,
        deliver: str | None,
        params: Mapping[str, Any] | None,
    ) -> InstalledExtension:
        from harness.platform.install import deploy_built
        from harness.platform.lost_cluster import explain_lost_cluster

        settings = self.environment.settings
        if deliver is None and settings.sources.get("deliver", "default") != "default":
            deliver = settings.deliver
        with report_to(self.listener) as listener, explain_lost_cluster(self.environment.cluster):
            deployments = deploy_built(
                self.environment,
                packages,
                artefacts.sources,
                self.project,
                add_to_project=add_to_project,
                deliver=deliver,
                params=params,
                on_progress=listener.say,
            )
        return InstalledExtension(self, deployments)


@contextlib.contextmanager
def open_project(environment: Environment, name: str | None, bind: Callable[[Project], Kaapana]) -> Iterator[Kaapana]:
    """Yield a running platform with a project for the ``with`` block, and remove what belongs to the project.

    Args:
        environment: the running platform; it stays.
        name: of the project; ``None`` for a new one.
        bind: returns the platform, bound to the project.

    Raises:
        UsageError: the name is not possible, or there is such a project.
    """
    project = environment.create_project(name)
    try:
        with contextlib.closing(bind(project)) as kaapana:
            yield kaapana
    finally:
        environment.remove_project(project)


def open_artefacts(charts: Sequence[str], images: Sequence[str], state: Path) -> Artefacts | None:
    """Open the charts and images that settings name; ``None`` if they name none.

    Args:
        charts: the setting ``chart``.
        images: the setting ``images``.
        state: folder for locks and logs.

    Raises:
        ExtensionError, UsageError: something is damaged.
        EngineError: no engine answers.
    """
    if not charts and not images:
        return None
    from harness.artefacts.bundle import Artefacts

    return Artefacts.open(charts, images, state)


def check_artefacts(
    settings: Settings, artefacts: Artefacts | None, params: Mapping[str, Any] | None = None
) -> Settings:
    """Find missing artefacts before anything starts, and return settings that fit them.

    Raises:
        ExtensionError, UsageError: see :func:`harness.platform.preflight.check`.
    """
    if artefacts is None:
        return settings
    from harness.platform import preflight

    with report_to(None) as listener:
        return preflight.check(settings, artefacts, params=params, say=listener.say)


def _as_sequence(given: _Paths) -> Sequence[str | os.PathLike[str]]:
    return (given,) if isinstance(given, (str, os.PathLike)) else tuple(given)
