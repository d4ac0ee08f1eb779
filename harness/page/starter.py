"""Start runs from the page, as ``kaapana-harness run`` does it, and keep their evidence."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.common import crash
from harness.common.documents import abridge
from harness.common.progress import OnProgress
from harness.errors import HarnessError, UsageError
from harness.kube import ApiError
from harness.page.facts import ShownExtension
from harness.page.form_drawing import DrawnForm, draw
from harness.run.execute import RunRequest, execute
from harness.run.paths import find_unused
from harness.run.trigger import Triggered, read_dataset

if TYPE_CHECKING:
    from harness.data.series import Series
    from harness.findings import Finding
    from harness.platform.environment import Environment
    from harness.platform.projects import Project

SAMPLES: Final = ("brain_mr", "small_ct")
"""Series that come with the harness, by the names of their fixtures."""

_END_S: Final = 60.0


@dataclasses.dataclass(frozen=True)
class StartRequest:
    """What the browser asks to start.

    Attributes:
        dag_id: the DAG.
        form: values by form and property; those that were left as they are need not be there.
        sample: one of :data:`SAMPLES`; empty for none.
        folder: a folder of this machine with DICOM files; empty for none.
    """

    dag_id: str
    form: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sample: str = ""
    folder: str = ""

    @classmethod
    def from_json(cls, document: Any) -> StartRequest:
        """Read the body of a request.

        Raises:
            UsageError: it is something else; the field is named.
        """
        if not isinstance(document, Mapping):
            raise UsageError(f"the request must be an object, not {abridge(document)}")
        texts = {name: document.get(name, "") for name in ("dag_id", "sample", "folder")}
        for name, value in texts.items():
            if not isinstance(value, str) or "\0" in value:
                raise UsageError(f"{name} must be a string, not {abridge(value)}")
        form = document.get("form", {})
        if not isinstance(form, Mapping):
            raise UsageError(f"form must be an object, not {abridge(form)}")
        if texts["sample"] and texts["sample"] not in SAMPLES:
            raise UsageError(f"there is no sample {abridge(texts['sample'])}; there are {', '.join(SAMPLES)}")
        return cls(form=form, **texts)

    @property
    def dataset(self) -> Any:
        """What the run is to be started on."""
        from harness import data

        if self.sample:
            return {"brain_mr": data.brain_mr, "small_ct": data.small_ct}[self.sample]()
        return Path(self.folder).expanduser() if self.folder else None


class Starter:
    """Runs that the page has started, in a project of its own. Safe to use from several threads.

    Args:
        environment: where they run.
        extensions: what is installed.
        evidence: folder below which each run gets a folder of its own.
    """

    def __init__(
        self, environment: Environment, extensions: Callable[[], Sequence[ShownExtension]], evidence: Path
    ) -> None:
        self._environment = environment
        self._extensions = extensions
        self._evidence = evidence
        self._lock = threading.Lock()
        self._project: Project | None = None
        self._folders: set[Path] = set()
        self._runs: list[tuple[threading.Thread, Future[Triggered]]] = []
        self._series: dict[str, Series] = {}
        self.failures: dict[str, str] = {}
        """Why there is no evidence of a run, by its id."""

    def sources(self) -> Sequence[Series]:
        """Return the series that runs were started on."""
        with self._lock:
            return tuple(self._series.values())

    def draw(self, dag_id: str) -> DrawnForm:
        """Return the form of a DAG.

        Raises:
            UsageError: no user can choose it.
            FormError: no page can show its form.
        """
        return draw(self._environment.services.form_schemas(self._offer(dag_id), dag_id))

    def start(self, request: StartRequest) -> Triggered:
        """Start a run, which continues in a thread.

        Raises:
            UsageError: form or dataset are not what the DAG takes.
            RunError: the platform did not start it.
            PlatformError: the platform was lost.
        """
        project = self._offer(request.dag_id)
        series = read_dataset(request.dataset)
        with self._lock:
            self._series |= {one.series_instance_uid: one for one in series}
            folder = find_unused(self._evidence, request.dag_id, self._folders)
            self._folders.add(folder)
        started: Future[Triggered] = Future()
        settings = self._environment.settings
        wanted = RunRequest(
            dag_id=request.dag_id,
            directory=folder,
            dataset=series or None,
            form=request.form,
            timeout_s=settings.run_timeout,
            platform=settings.platform,
            cluster=settings.cluster,
            findings=self._findings(request.dag_id),
        )
        thread = threading.Thread(
            target=self._execute, args=(project, wanted, started), name=f"run of {request.dag_id}", daemon=True
        )
        with self._lock:
            self._runs.append((thread, started))
        thread.start()
        return started.result()

    def _execute(self, project: Project, request: RunRequest, started: Future[Triggered]) -> None:
        try:
            execute(
                self._environment,
                project,
                request,
                registry=self._environment.platform_registry,
                on_start=started.set_result,
            )
        except Exception as error:
            if not started.done():
                started.set_exception(crash.explain(error))
                return
            self.failures.update(dict.fromkeys(started.result().run_ids, str(crash.explain(error))))

    def _findings(self, dag_id: str) -> tuple[Finding, ...]:
        return next((extension.findings for extension in self._extensions() if dag_id in extension.dags), ())

    def _offer(self, dag_id: str) -> Project:
        """Return the project of the page, in which users can choose the DAG from now on."""
        if not any(dag_id in extension.visible for extension in self._extensions()):
            raise UsageError(f"no user can choose the DAG {abridge(dag_id)}: no extension that is installed offers it")
        services = self._environment.services
        with self._lock:
            if self._project is None:
                self._project = self._environment.create_project(f"page{secrets.token_hex(3)}")
            if dag_id not in services.software(self._project):
                services.add_software(self._project, [dag_id])
            return self._project

    def close(self, say: OnProgress) -> None:
        """Abort the runs that have not ended, wait until their evidence is written, and remove the project."""
        with self._lock:
            runs = [(thread, started) for thread, started in self._runs if thread.is_alive()]
        for _, started in runs:
            if started.done() and started.exception() is None:
                self._abort(started.result(), say)
        for thread, _ in runs:
            thread.join(_END_S)
        if self._project is not None:
            self._environment.remove_project(self._project)

    def _abort(self, triggered: Triggered, say: OnProgress) -> None:
        for run_id in triggered.run_ids:
            say(f"aborting {run_id}")
            with contextlib.suppress(HarnessError, ApiError):
                self._environment.airflow.abort(triggered.dag_id, run_id)
