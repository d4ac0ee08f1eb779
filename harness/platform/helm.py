"""Helm behind a small Protocol: the ``helm`` program on PATH, or Helm's own library from a wheel.

Both give the same objects; the tests run on whichever of them a machine has.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.common import documents
from harness.kube import Manifest
from harness.platform import helm_limits, manifests
from harness.platform.helm_limits import CANNOT_START, MOST_OUTPUT_BYTES, TIMEOUT_S
from harness.platform.helm_process import HelmError, HelmProcess, is_out_of_memory
from harness.wire.polling import Polling

_MOST_WORDS_BYTES = 8 << 10
_POLL_S = 0.005
_SOURCE = re.compile(r"^---\n# Source: (.*)\n", re.MULTILINE)

__all__ = ["Helm", "HelmError", "HelmLibrary", "HelmProgram", "find"]


class Helm(Protocol):
    """The few verbs of Helm that the platform needs. All raise :class:`HelmError`."""

    name: str

    def dependency_update(self, chart: Path) -> None:
        """Put the dependencies of a chart folder into its ``charts/``."""

    def package(self, chart: Path, destination: Path) -> Path:
        """Write ``<name>-<version>.tgz`` into ``destination`` and return its path."""

    def render(self, chart: Path, values: Mapping[str, Any], *, release: str, namespace: str) -> list[Manifest]:
        """Return all objects of a chart folder or package, hooks among them, in no particular order."""

    def show_chart(self, chart: Path) -> dict[str, Any]:
        """Return the Chart.yaml of a chart folder or package."""


@functools.lru_cache(maxsize=1)
def find() -> Helm:
    """Return the ``helm`` program on PATH (Helm 3 or 4), or the library."""
    program = shutil.which("helm")
    return HelmProgram(program) if program else HelmLibrary()


class HelmProgram:
    """The ``helm`` program, each time within limits.

    Args:
        program: its path.
        timeout_s: seconds that one verb may take.
    """

    name = "program"

    def __init__(self, program: str, timeout_s: float = TIMEOUT_S) -> None:
        self._program = program
        self._timeout_s = timeout_s

    def _run(self, arguments: Sequence[str]) -> str:
        # charts of the harness need no repositories; a broken user configuration must not matter
        environ = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
        verb = arguments[0]
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            try:
                child = subprocess.Popen(
                    [sys.executable, "-I", helm_limits.__file__, str(os.getpid()), self._program, *arguments],
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    start_new_session=True,
                )
            except OSError as error:
                raise HelmError(f"helm cannot be started: {error}") from None
            status = self._wait(child)
            if status is None:
                raise HelmError(f"helm {verb} did not end within {self._timeout_s:.0f} s")
            if output.seek(0, os.SEEK_END) > MOST_OUTPUT_BYTES:
                raise HelmError(f"helm {verb} gives more than {MOST_OUTPUT_BYTES >> 20} MiB")
            output.seek(0)
            errors.seek(0)
            if status:
                words = errors.read(_MOST_WORDS_BYTES).decode("utf-8", "replace").strip()
                raise HelmError(_explain(verb, status, words))
            return output.read().decode("utf-8", "replace")

    def _wait(self, child: subprocess.Popen[bytes]) -> int | None:
        """Wait for the end, and kill its children; return its status, ``None`` if it takes too long."""
        polling = Polling(timeout_s=self._timeout_s, pause_s=_POLL_S)
        ended = None
        try:
            # not reaped yet: so long its group can be no other's
            while ended is None and polling.again():
                ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            status = child.wait()
        return None if ended is None else status

    def dependency_update(self, chart: Path) -> None:
        self._run(["dependency", "update", "--skip-refresh", str(chart)])

    def package(self, chart: Path, destination: Path) -> Path:
        destination.mkdir(parents=True, exist_ok=True)
        self._run(["package", "--destination", str(destination), str(chart)])
        metadata = self.show_chart(chart)
        return destination / f"{metadata['name']}-{metadata['version']}.tgz"

    def render(self, chart: Path, values: Mapping[str, Any], *, release: str, namespace: str) -> list[Manifest]:
        # a file and not --set: values hold passwords, and a command line is public
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".json", prefix="kh-values-") as file:
            json.dump(values, file)
            file.flush()
            text = self._run(["template", release, str(chart), "--namespace", namespace, "--values", file.name])
        return _parse(_by_source(text))

    def show_chart(self, chart: Path) -> dict[str, Any]:
        return _mapping(self._run(["show", "chart", str(chart)]))


class HelmLibrary:
    """Helm's Go library through the wheel ``helm-python-sdk``, in a process that is started when it is first needed."""

    name = "library"

    def __init__(self) -> None:
        if importlib.util.find_spec("helm_python") is None:
            raise HelmError("neither the helm program nor its library is installed")
        self._process = _library_process()

    def dependency_update(self, chart: Path) -> None:
        self._process.ask("dependency_update", chart=_absolute(chart))

    def package(self, chart: Path, destination: Path) -> Path:
        destination.mkdir(parents=True, exist_ok=True)
        return Path(self._process.ask("package", chart=_absolute(chart), destination=_absolute(destination)))

    def render(self, chart: Path, values: Mapping[str, Any], *, release: str, namespace: str) -> list[Manifest]:
        chosen = dict(values)
        return _parse(
            self._process.ask("render", chart=_absolute(chart), values=chosen, release=release, namespace=namespace)
        )

    def show_chart(self, chart: Path) -> dict[str, Any]:
        return dict(self._process.ask("show_chart", chart=_absolute(chart)))


@functools.lru_cache(maxsize=1)
def _library_process() -> HelmProcess:
    return HelmProcess()


def _absolute(path: Path) -> str:
    """Return an absolute path: the process has another working directory."""
    return str(path.absolute())


def _explain(verb: str, status: int, words: str) -> str:
    """Return the error of a failed call, in Helm's words if it wrote any."""
    if status == CANNOT_START:
        return f"helm cannot be started: {words}"
    if is_out_of_memory(words):
        return f"helm {verb} needs more than {helm_limits.MEMORY_BYTES >> 20} MiB of memory"
    if status < 0:
        last = words.splitlines()[-1].strip()[:200] if words else ""
        return f"helm {verb} was ended by signal {-status}" + (f": {last}" if last else "")
    return words.removeprefix("Error: ") or f"helm {verb} ended with status {status}"


def _by_source(text: str) -> Iterator[tuple[str, str]]:
    """Yield the documents of ``helm template`` with the file of the chart that each comes from."""
    # text before the first one belongs to no template
    before, *rest = _SOURCE.split(text)
    yield "", before
    yield from zip(rest[::2], rest[1::2], strict=True)


def _parse(texts: Iterable[tuple[str, str]]) -> list[Manifest]:
    found: list[Manifest] = []
    for path, text in texts:
        try:
            found += manifests.parse_documents(text)
        except ValueError as error:
            raise HelmError(f"{path}: {error}" if path else str(error)) from None
    return found


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = documents.parse_yaml(text)
    except documents.DocumentError as error:
        raise HelmError(str(error)) from None
    return dict(found[0]) if found and isinstance(found[0], dict) else {}
