"""An extension that is on the platform: running it, and what comes after the first install."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.errors import UsageError
from harness.run.follow import Lines, Listener, Redacting

if TYPE_CHECKING:
    from harness.extension import DagImageContents
    from harness.findings import Finding
    from harness.platform.environment import Environment
    from harness.platform.install import Deployment
    from harness.platform.projects import Project
    from harness.run.findings import GivenArgument
    from harness.run.results import Run


class BoundPlatform(Protocol):
    """What an installed extension needs of a platform that is bound to a project: :class:`harness.Kaapana` is one."""

    environment: Environment
    project: Project
    listener: Listener | None
    runs: list[Run]
    concluded: bool

    def new_run_folder(self, dag_id: str) -> Path:
        """Return a folder for the evidence of one run, which no other run gets."""


@dataclasses.dataclass(frozen=True, repr=False)
class InstalledExtension:
    """An extension on the platform. As a context manager it is uninstalled at the end of the block."""

    kaapana: BoundPlatform = dataclasses.field(repr=False)
    deployments: tuple[Deployment, ...] = dataclasses.field(repr=False)

    def __repr__(self) -> str:
        return f"<InstalledExtension with {', '.join(self.dag_ids)}>"

    @property
    def dag_ids(self) -> tuple[str, ...]:
        """Its DAGs."""
        return tuple(dag_id for deployment in self.deployments for dag_id in deployment.dag_ids)

    @property
    def images(self) -> Mapping[str, str]:
        """Image name to the reference under which pods pull it."""
        return {image.image: image.reference for deployment in self.deployments for image in deployment.images}

    @property
    def params(self) -> Mapping[str, Any]:
        """The ``extension_params`` as posted, including unchanged ones."""
        return {name: value for deployment in self.deployments for name, value in deployment.params.items()}

    def __enter__(self) -> InstalledExtension:
        return self

    def __exit__(self, *_: object) -> None:
        self.uninstall()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What its author should know although it is installed."""
        return tuple(finding for deployment in self.deployments for finding in deployment.findings)

    def in_project(self, kaapana: BoundPlatform) -> InstalledExtension:
        """Return the same extension, to be run in the project of another :class:`harness.Kaapana`."""
        return dataclasses.replace(self, kaapana=kaapana)

    def add_to(self, target: BoundPlatform | Project, *, acting: BoundPlatform | Project | None = None) -> None:
        """Add the extension's DAGs to a project, which then offers and starts them ("Add Software to Project").

        Args:
            target: the project.
            acting: the project whose user does it; by default that of ``target``.

        Raises:
            RunError: that user may not.
        """
        for deployment in self.deployments:
            deployment.add_to(_project_of(target), acting=_project_of(acting or target))

    def remove_from(self, target: BoundPlatform | Project, *, acting: BoundPlatform | Project | None = None) -> None:
        """Remove its DAGs from a project's software: they are no longer offered there, and cannot be started.

        Args:
            target: the project.
            acting: the project whose user does it; by default that of ``target``.

        Raises:
            RunError: that user may not.
        """
        for deployment in self.deployments:
            deployment.remove_from(_project_of(target), acting=_project_of(acting or target))

    def uninstall(self, *, hooks: bool = True) -> tuple[Finding, ...]:
        """Remove it from the platform with its DAG files.

        Args:
            hooks: False is "Force Uninstall": the DAG files stay behind.

        Returns:
            What is still there of it, and what other extensions have lost with it.

        Raises:
            InstallError: the removing pod failed; the release is stuck until it is forced.
        """
        with report_to(self.kaapana.listener) as listener:
            return tuple(
                finding
                for deployment in reversed(self.deployments)
                for finding in deployment.uninstall(hooks=hooks, on_progress=listener.say)
            )

    def run(
        self,
        dataset: Any = None,
        form: Mapping[str, Any] | None = None,
        *,
        dag: str | None = None,
        timeout_s: float | None = None,
        form_text: Mapping[str, str] | None = None,
        directory: Path | None = None,
        conf: Mapping[str, Any] | None = None,
    ) -> Run:
        """Start a DAG with form values on a dataset, follow it to its end and collect its results.

        Args:
            dataset: a series, a folder with DICOM files, or a list of series; ``None`` for a DAG that takes none.
            form: values by property name, or by form; the others get their defaults.
            dag: which DAG, if the extension has several.
            timeout_s: seconds until the run is aborted; by default ``run_timeout`` of the settings.
            form_text: values as text, typed by the DAG's form; they win over ``form``.
            directory: folder for the evidence; by default a new one.
            conf: the document of an API client, instead of ``form``: the ``conf_data`` or the whole body.
                The DAG gets it unchanged, without defaults or checks; a ``data_form`` without dataset and identifiers
                means the series of ``dataset``.

        Returns:
            the run, also when it failed: ``assert run.succeeded`` says why.

        Raises:
            UsageError: several DAGs and no choice; form or dataset do not fit the DAG.
            RunError: the platform refused to start it.
        """
        from harness.platform.lost_cluster import explain_lost_cluster
        from harness.run.execute import RunRequest, execute
        from harness.run.posted_forms import read_posted
        from harness.run.trigger import check_offered, choose_dag

        post = None if conf is None else read_posted(conf)
        if post is not None and post.dag_id is not None:
            if dag not in (None, post.dag_id):
                raise UsageError(f"the conf names the DAG {post.dag_id!r}, but {dag!r} is chosen beside it")
            dag = post.dag_id

        environment = self.kaapana.environment
        settings = environment.settings
        visible = [dag_id for deployment in self.deployments for dag_id in deployment.visible_dag_ids]
        dag_id = choose_dag(self.dag_ids, dag, visible)
        if post is None:
            check_offered(dag_id, visible)
        deployment = next(entry for entry in self.deployments if dag_id in entry.dag_ids)
        request = RunRequest(
            dag_id=dag_id,
            directory=directory or self.kaapana.new_run_folder(dag_id),
            dataset=dataset,
            form=form or {},
            form_text=form_text or {},
            posted=post,
            timeout_s=settings.run_timeout if timeout_s is None else timeout_s,
            platform=settings.platform,
            cluster=settings.cluster,
            given_arguments=_given_arguments(deployment.contents),
            findings=deployment.findings,
            images=deployment.images,
            input_readers=deployment.input_readers,
            pictures=not self.kaapana.concluded,
        )
        with report_to(self.kaapana.listener) as listener, explain_lost_cluster(environment.cluster):
            run = execute(
                environment,
                self.kaapana.project,
                request,
                listener=listener,
                registry=environment.platform_registry,
            )
            listener.say(str(run.cause).splitlines()[0] if run.cause else f"evidence in {run.directory}")
        self.kaapana.runs.append(run)
        return run


def _given_arguments(contents: DagImageContents) -> list[GivenArgument]:
    """Return the arguments in the installed Python files that some releases ignore."""
    from harness.run.findings import find_given_arguments

    files = [file for file in contents.files if file.is_python]
    return [found for file in files for found in find_given_arguments(file.readable(), file.shown)]


def _project_of(target: BoundPlatform | Project) -> Project:
    from harness.platform.projects import Project

    return target if isinstance(target, Project) else target.project


@contextlib.contextmanager
def report_to(listener: Listener | None) -> Iterator[Listener]:
    """Yield the given listener, or lines on standard error for the length of the block."""
    if listener is not None:
        yield Redacting(listener)
        return
    lines = Lines()
    try:
        yield lines
    finally:
        lines.close()
