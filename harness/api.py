"""What a test holds in its hands: the platform with one project, an installed extension, and its runs.

Outside of pytest::

    with Kaapana.open() as kaapana:
        otsus = kaapana.install("scenarios/otsus-method/extension")
        run = otsus.run(dataset="my/dicom/folder", form={"threshold_bins": 64})
        print(run.state, run.directory)
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.run.follow import Lines, Listener
from harness.run.paths import unused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.platform.environment import Environment
    from harness.platform.install import Deployment
    from harness.platform.projects import Project
    from harness.run.findings import GivenArgument
    from harness.run.results import Run
    from harness.settings import Settings


class Kaapana:
    """The emulated platform, bound to one project.

    Args:
        environment: the running platform.
        project: where extensions may run, and where their results go.
        evidence: folder below which each run gets a folder of its own.
        listener: is told what happens in a run; by default lines on standard error.
    """

    def __init__(
        self, environment: Environment, project: Project, *, evidence: Path, listener: Listener | None = None
    ) -> None:
        self.environment = environment
        self.project = project
        self.evidence = evidence
        self._listener = listener
        self._given: set[Path] = set()
        self._giving = threading.Lock()
        self.runs: list[Run] = []
        """Every finished run, in the order in which they ended."""

    @classmethod
    @contextlib.contextmanager
    def open(
        cls, settings: Settings | None = None, *, project: str | None = None, evidence: Path | None = None
    ) -> Iterator[Kaapana]:
        """A platform for as long as the ``with`` block lasts; with ``reuse`` it stays, and only the project goes.

        Args:
            settings: by default from the environment and ``pyproject.toml``.
            project: name of the project; by default a new one.
            evidence: folder for the evidence; by default that of the settings, or ``kaapana-report``.

        Raises:
            EnvironmentError_: the platform could not be made.
        """
        from harness.platform.environment import Environment
        from harness.settings import Settings

        settings = settings or Settings.load()
        folder = evidence or settings.report or Path("kaapana-report")
        environment = Environment.up(settings)
        try:
            created = environment.create_project(project)
            try:
                yield cls(environment, created, evidence=folder)
            finally:
                environment.remove_project(created)
        finally:
            environment.down(keep=settings.reuse)

    def _run_folder(self, dag_id: str) -> Path:
        """A folder for the evidence of one run; runs may be started in several threads at once."""
        with self._giving:
            folder = unused(self.evidence, dag_id, self._given)
            self._given.add(folder)
        return folder

    def __repr__(self) -> str:
        return f"<Kaapana {self.environment.settings.platform} with project {self.project.name}>"

    def install(
        self,
        path: str | os.PathLike[str],
        *,
        add_to_project: bool = True,
        deliver: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> InstalledExtension:
        """Build, deliver and install an extension, as its author would.

        Args:
            path: the extension's source tree.
            add_to_project: False leaves out "Add Software to Project"; the platform then refuses to start its DAGs.
            deliver: ``registry`` or ``tar``; by default as in the settings.
            params: ``extension_params`` by name; the others have what the platform's dialog starts with.

        Raises:
            ExtensionError, BuildError: something in the tree is wrong.
            FormError: the dialog would not take the parameters.
            InstallError: it was built but does not become runnable.
        """
        from harness.platform.install import deploy
        from harness.platform.loss import named

        with _told(self._listener) as listener, named(self.environment.cluster):
            project = self.project if add_to_project else None
            deployment = deploy(
                self.environment, path, project, deliver=deliver, params=params, on_progress=listener.say
            )
        return InstalledExtension(self, deployment)


@dataclasses.dataclass(frozen=True, repr=False)
class InstalledExtension:
    """An extension on the platform. As a context manager it is uninstalled at the end of the block."""

    kaapana: Kaapana = dataclasses.field(repr=False)
    deployment: Deployment = dataclasses.field(repr=False)

    def __repr__(self) -> str:
        return f"<InstalledExtension with {', '.join(self.dag_ids)}>"

    @property
    def dag_ids(self) -> tuple[str, ...]:
        """Its DAGs."""
        return self.deployment.dag_ids

    @property
    def images(self) -> Mapping[str, str]:
        """Image name to the reference under which pods pull it."""
        return self.deployment.images

    @property
    def params(self) -> Mapping[str, Any]:
        """The ``extension_params`` as they were posted, those that were left as they are included."""
        return self.deployment.params

    def __enter__(self) -> InstalledExtension:
        return self

    def __exit__(self, *_: object) -> None:
        self.uninstall()

    def uninstall(self) -> None:
        """Remove it from the platform with its DAG files."""
        with _told(self.kaapana._listener) as listener:
            self.deployment.uninstall(on_progress=listener.say)

    def run(
        self,
        dataset: Any = None,
        form: Mapping[str, Any] | None = None,
        *,
        dag: str | None = None,
        timeout_s: float | None = None,
        form_text: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Run:
        """Start a DAG with form values on a dataset, follow it to its end and collect what it left.

        Args:
            dataset: a series, a folder with DICOM files, or a list of series; ``None`` for a DAG that takes none.
            form: values by property name, or by form; what is not given gets its default.
            dag: which DAG, when the extension brings several.
            timeout_s: seconds until the run is aborted; by default ``run_timeout`` of the settings.
            form_text: values as text, typed by the DAG's form; they win over ``form``.
            directory: folder for the evidence; by default a new one.

        Returns:
            the run, also when it failed: ``assert run.succeeded`` says why.

        Raises:
            UsageError: several DAGs and no choice; form or dataset do not fit the DAG.
            RunError: the platform refused to start it.
        """
        from harness.platform.loss import named
        from harness.run.execute import Request, execute
        from harness.run.trigger import choose_dag

        environment = self.kaapana.environment
        settings = environment.settings
        dag_id = choose_dag(self.deployment.visible_dag_ids if dag is None else self.dag_ids, dag)
        request = Request(
            dag_id=dag_id,
            directory=directory or self.kaapana._run_folder(dag_id),
            dataset=dataset,
            form=form or {},
            form_text=form_text or {},
            timeout_s=settings.run_timeout if timeout_s is None else timeout_s,
            platform=settings.platform,
            cluster=settings.cluster,
            given_arguments=self._given_arguments(),
            notes=self.deployment.notes,
            parameter_remarks=self.deployment.remarks,
            input_readers=self.deployment.source.mentioning("OPERATOR_IN_DIR"),
        )
        with _told(self.kaapana._listener) as listener, named(environment.cluster):
            run = execute(
                environment,
                self.kaapana.project,
                request,
                listener=listener,
                registry_tags=_registry_tags(environment.registry),
            )
            listener.say(str(run.cause).splitlines()[0] if run.cause else f"evidence in {run.directory}")
        self.kaapana.runs.append(run)
        return run

    def _given_arguments(self) -> list[GivenArgument]:
        """Arguments in the installed Python files that not every release passes on."""
        from harness.run.findings import given_arguments

        found: list[GivenArgument] = []
        for file in self.deployment.source.files:
            if file.source.suffix == ".py":
                text = file.source.read_text("utf-8", errors="replace")
                found.extend(given_arguments(text, str(file.source.relative_to(self.deployment.source.root))))
        return found


@contextlib.contextmanager
def _told(listener: Listener | None) -> Iterator[Listener]:
    """The given listener, or lines on standard error for the length of the block."""
    if listener is not None:
        yield listener
        return
    lines = Lines()
    try:
        yield lines
    finally:
        lines.close()


def _registry_tags(registry: str) -> Callable[[str], Sequence[str] | None]:
    def tags(repository: str) -> Sequence[str] | None:
        from harness.images.registry import RegistryClient

        with RegistryClient(registry) as client:
            return client.tags(repository) if repository in client.catalog() else None

    return tags
