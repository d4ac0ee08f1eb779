"""Helm behind a small Protocol: the ``helm`` program where there is one, else Helm's own library in a wheel.

Both give the same objects; the tests run on whichever of them a machine has.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from harness.platform.manifests import Manifest, documents

_TIMEOUT_S = 60.0


class HelmError(Exception):
    """What Helm said, in its own words."""


class Helm(Protocol):
    """The few verbs of Helm that the platform needs. All raise :class:`HelmError`."""

    name: str

    def dependency_update(self, chart: Path) -> None:
        """Put the dependencies of a chart folder into its ``charts/``."""

    def package(self, chart: Path, destination: Path) -> Path:
        """Write ``<name>-<version>.tgz`` into ``destination`` and return its path."""

    def render(self, chart: Path, values: Mapping[str, Any], *, release: str, namespace: str) -> list[Manifest]:
        """All objects of a chart folder or package, hooks among them, in no particular order."""

    def show_chart(self, chart: Path) -> dict[str, Any]:
        """Chart.yaml of a chart folder or package."""

    def show_values(self, chart: Path) -> dict[str, Any]:
        """The chart's own values.yaml."""


@functools.lru_cache(maxsize=1)
def find() -> Helm:
    """The ``helm`` program on PATH (Helm 3 or 4), else the library."""
    program = shutil.which("helm")
    return HelmProgram(program) if program else HelmLibrary()


class HelmProgram:
    """The ``helm`` program."""

    name = "program"

    def __init__(self, program: str) -> None:
        self._program = program

    def _run(self, arguments: Sequence[str]) -> str:
        # charts of the harness need no repositories; a broken user configuration must not matter
        environ = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
        try:
            done = subprocess.run(
                [self._program, *arguments], env=environ, capture_output=True, text=True, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise HelmError(f"helm {arguments[0]} did not end within {_TIMEOUT_S:.0f} s") from None
        except OSError as error:
            raise HelmError(f"helm cannot be started: {error}") from None
        if done.returncode:
            raise HelmError(done.stderr.strip().removeprefix("Error: ") or f"helm {arguments[0]} failed")
        return done.stdout

    def dependency_update(self, chart: Path) -> None:
        self._run(["dependency", "update", "--skip-refresh", str(chart)])

    def package(self, chart: Path, destination: Path) -> Path:
        destination.mkdir(parents=True, exist_ok=True)
        self._run(["package", "--destination", str(destination), str(chart)])
        metadata = self.show_chart(chart)
        return destination / f"{metadata['name']}-{metadata['version']}.tgz"

    def render(self, chart: Path, values: Mapping[str, Any], *, release: str, namespace: str) -> list[Manifest]:
        # a file and not --set: values hold passwords, and a command line is public
        with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="kh-values-") as file:
            json.dump(values, file)
            file.flush()
            text = self._run(["template", release, str(chart), "--namespace", namespace, "--values", file.name])
        return _parsed(text)

    def show_chart(self, chart: Path) -> dict[str, Any]:
        return dict(yaml.safe_load(self._run(["show", "chart", str(chart)])) or {})

    def show_values(self, chart: Path) -> dict[str, Any]:
        return dict(yaml.safe_load(self._run(["show", "values", str(chart)])) or {})


class HelmLibrary:
    """Helm's Go library through the wheel ``helm-python-sdk``; loaded when it is first needed (0.3 s)."""

    name = "library"

    def __init__(self) -> None:
        try:
            import helm_python
        except ImportError as error:
            raise HelmError(f"neither a helm program nor its library is there: {error}") from None
        self._helm = helm_python

    def dependency_update(self, chart: Path) -> None:
        try:
            self._helm.dependency_update(chart, skip_refresh=True)
        except self._helm.HelmError as error:
            raise HelmError(str(error)) from None

    def package(self, chart: Path, destination: Path) -> Path:
        destination.mkdir(parents=True, exist_ok=True)
        try:
            return Path(self._helm.package(chart, destination=destination))
        except self._helm.HelmError as error:
            raise HelmError(str(error)) from None

    def render(self, chart: Path, values: Mapping[str, Any], *, release: str, namespace: str) -> list[Manifest]:
        try:
            with self._helm.Chart.load(chart) as loaded:
                loaded.validate_schema(dict(values))
                texts = loaded.render(dict(values), name=release, namespace=namespace, is_install=True)
                # what lies in crds/ is installed as it is
                crds = [crd["data"] for crd in loaded.crds]
        except self._helm.HelmError as error:
            raise HelmError(str(error)) from None
        rendered = [text for path, text in sorted(texts.items()) if not path.endswith("NOTES.txt")]
        return [manifest for text in [*crds, *rendered] for manifest in _parsed(text)]

    def show_chart(self, chart: Path) -> dict[str, Any]:
        try:
            with self._helm.Chart.load(chart) as loaded:
                return dict(loaded.metadata)
        except self._helm.HelmError as error:
            raise HelmError(str(error)) from None

    def show_values(self, chart: Path) -> dict[str, Any]:
        try:
            with self._helm.Chart.load(chart) as loaded:
                return dict(loaded.values)
        except self._helm.HelmError as error:
            raise HelmError(str(error)) from None


def _parsed(text: str) -> list[Manifest]:
    try:
        return documents(text)
    except ValueError as error:
        raise HelmError(str(error)) from None
