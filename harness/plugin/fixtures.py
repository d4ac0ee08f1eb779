"""Implement the fixtures of the pytest plugin: the session's environment, and views of a project."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import Kaapana, check_artefacts, open_artefacts
from harness.checks.questions import observe
from harness.errors import PlatformError
from harness.report.conclusion import QuestionLog, conclude
from harness.run.follow import Lines, Listener
from harness.run.paths import safe_name
from harness.run.trigger import read_dataset, upload

if TYPE_CHECKING:
    from harness.artefacts.bundle import Artefacts
    from harness.platform.environment import Environment
    from harness.platform.projects import Project
    from harness.settings import Settings


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a test ended (``passed``, ``failed``, ``skipped``, ``unfinished``), and what pytest shows of a failure."""

    outcome: str = "unfinished"
    failure: str = ""


class Session:
    """One environment for all tests of a process, made when the first test asks for it.

    Args:
        settings: of the session.
        make: makes the environment with these settings, or raises.
        report: folder for the evidence; must exist before the first test.
    """

    def __init__(self, settings: Settings, make: Callable[[Settings], Any], report: Path | None) -> None:
        self.settings = settings
        self.report = report
        self._make = make
        self._artefacts: Artefacts | None = None
        self._environment: Environment | None = None
        self._error: Exception | None = None
        self._kept: list[str] = []

    def environment(self) -> Environment:
        """Return the running environment.

        Raises:
            Exception: it could not be made. The first test gets the whole story, later ones one line.
        """
        if self._error is not None:
            first = str(self._error).splitlines()[0] if str(self._error) else type(self._error).__name__
            raise PlatformError(f"{first} (as reported by the first test that needed the platform)")
        if self._environment is None:
            try:
                settings = self.settings
                self._artefacts = open_artefacts(settings.chart, settings.images, settings.state)
                self.settings = check_artefacts(settings, self._artefacts)
                self._environment = self._make(self.settings)
            except Exception as error:
                self._error = error
                raise
        return self._environment

    @contextlib.contextmanager
    def facade(
        self,
        test: str,
        ended: Callable[[], Ended],
        listener: Listener | None = None,
        questions: QuestionLog | None = None,
    ) -> Iterator[Kaapana]:
        """Yield the platform with a fresh project, for one test; its end writes the reports of its runs.

        Args:
            test: the test's id; names the folder of its evidence.
            ended: asked at the end how the test has ended.
            listener: receives the events of runs.
            questions: collects the test's questions about results.
        """
        assert self.report is not None
        environment = self.environment()
        project = environment.create_project()
        folder = self.report / safe_name(test)
        if folder.exists():
            # evidence of an earlier pytest run would be mistaken for this one's
            shutil.rmtree(folder)
        facade = Kaapana(
            environment, project, evidence=folder, listener=listener, artefacts=self._artefacts, concluded=True
        )
        questions = questions or QuestionLog()
        try:
            with observe(questions):
                yield facade
        finally:
            end = ended()
            try:
                if self.settings.keep_on_failure and end.outcome == "failed":
                    self._kept.append(f"{project.name} of {test}")
                else:
                    facade.close()
                    environment.remove_project(project)
            finally:
                conclude(folder, test, end.outcome, end.failure, runs=facade.runs, questions=questions.seen)
                # pytest keeps its items, and with them these masks, to the end of the session
                questions.seen.clear()

    def notes(self) -> list[str]:
        """Return lines for the end of the test session."""
        lines = []
        if self.report is not None and self.report.exists() and any(self.report.iterdir()):
            lines.append(f"kaapana: evidence in {self.report}")
        if self._environment is not None and (self._kept or self.settings.reuse):
            lines.append(
                "kaapana: the platform stays up; `kaapana-harness status` shows it, `kaapana-harness down` ends it"
            )
        lines.extend(f"kaapana: kept project {name}" for name in self._kept)
        return lines

    def close(self) -> None:
        """End the environment, unless the options keep it."""
        environment, self._environment = self._environment, None
        if environment is not None:
            environment.down(keep=self.settings.reuse or bool(self._kept))
        if self.report is not None and self.report.exists() and not any(self.report.iterdir()):
            self.report.rmdir()


class _Uncaptured:
    """Standard error as the user sees it, although pytest captures what a test writes."""

    def __init__(self, capture: Any) -> None:
        self._capture = capture
        self._begun = False

    def isatty(self) -> bool:
        """Return false: a line that is rewritten would disturb pytest's own progress."""
        return False

    def write(self, text: str) -> int:
        """Write past the capture; the first text starts on a new line, after pytest's progress."""
        with self._capture.global_and_fixture_disabled():
            sys.stderr.write(text if self._begun else f"\n{text}")
            sys.stderr.flush()
        self._begun = True
        return len(text)

    def flush(self) -> None:
        """Do nothing: each write is flushed."""


def uncaptured_lines(capture: Any) -> Lines:
    """Return a listener whose lines appear at once, although a test's output is captured.

    Args:
        capture: pytest's capture manager.
    """
    return Lines(_Uncaptured(capture))


class Pacs:
    """The archive as a project sees it."""

    def __init__(self, environment: Environment, project: Project) -> None:
        self._environment = environment
        self._project = project

    def add(self, dataset: Any) -> str:
        """Add series as if they had been sent to the platform, and return the name of the dataset.

        Args:
            dataset: a series, a folder or a list of series.
        """
        return upload(self._environment, self._project, read_dataset(dataset))

    @property
    def datasets(self) -> Any:
        """Return the project's datasets."""
        return self._environment.services.datasets(self._project)


class ObjectStore:
    """The bucket of a project.

    Args:
        client: a ``minio.Minio`` with all rights.
        bucket: name of the bucket.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys of the objects below a prefix, sorted."""
        return sorted(item.object_name for item in self.client.list_objects(self.bucket, prefix=prefix, recursive=True))

    def read(self, key: str) -> bytes:
        """Return the content of an object."""
        response = self.client.get_object(self.bucket, key)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Store an object."""
        self.client.put_object(self.bucket, key, io.BytesIO(content), len(content), content_type=content_type)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; missing ones are skipped."""
        for key in keys:
            self.client.remove_object(self.bucket, key)
