"""Small DAG files with the platform's answers (``tests/differential/table``), read and run on release 0.6.0."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

# reads the environment when it is first imported, which some rows change
import kaapana.operators.KaapanaBaseOperator  # noqa: F401
import pytest
import tomllib
from airflow.exceptions import AirflowSkipException
from airflow.models import DagBag

from tests.differential.entries import Entry, all_entries

from .conftest import context_for
from .fake_kube import FakeKube

# mounted beside the tests
PROFILES = Path(__file__).parents[4] / "profiles"
ENTRIES = all_entries("dag")
HEADER = """\
from datetime import timedelta
from airflow.models import DAG
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from kaapana.operators.KaapanaBranchPythonBaseOperator import KaapanaBranchPythonBaseOperator
from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

dag = DAG("my-dag", schedule=None)
"""
CONF = {"project_form": {"kubernetes_namespace": "project-a", "name": "a", "id": "1"}}


class Pod:
    """The pod that a task has made."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.manifest = manifest
        self.spec: dict[str, Any] = manifest["spec"]
        (self.container_fields,) = self.spec["containers"]
        self.name, self.namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        self.labels: dict[str, str] = manifest["metadata"]["labels"]
        self.env = {entry["name"]: entry.get("value") for entry in self.container_fields["env"]}
        self.refs = {
            entry["name"]: list(entry["valueFrom"]["secretKeyRef"].values())
            for entry in self.container_fields["env"]
            if "valueFrom" in entry
        }
        self.requests = self.container_fields["resources"].get("requests", {})
        self.limits = self.container_fields["resources"].get("limits", {})
        sources = {volume["name"]: next(key for key in volume if key != "name") for volume in self.spec["volumes"]}
        self.mounts = [
            [mount["name"], mount["mountPath"], sources[mount["name"]]]
            for mount in self.container_fields["volumeMounts"]
        ]


class Stage:
    """What the answers of the table are asked with.

    Args:
        kube: the cluster.
    """

    def __init__(self, kube: FakeKube) -> None:
        self._kube = kube

    def pod(self, operator: Any, *, attempt: int = 1, run_id: str = "my-dag-1", **conf: Any) -> Pod:
        """Run a task to its end, well or not; the last pod that it made."""
        before = len(self._kube.pods())
        self.ends(operator, attempt=attempt, run_id=run_id, **conf)
        return Pod(self._kube.pods()[before:][-1])

    def ends(self, operator: Any, *, attempt: int = 1, run_id: str = "my-dag-1", **conf: Any) -> list[str]:
        """Run a task; its end, the type of the exception, its text."""
        for key in [key for key in self._kube.objects if key[1] == "pods"]:
            del self._kube.objects[key]
        try:
            operator.execute(context_for(operator, conf={**CONF, **conf}, run_id=run_id, attempt=attempt))
        except AirflowSkipException as skipped:
            return ["skipped", type(skipped).__name__, str(skipped)]
        except Exception as error:
            return ["failed", type(error).__name__, str(error)]
        return ["success", "", ""]

    def made(self, kind: str) -> int:
        """How many objects of a kind were made."""
        return sum(manifest["kind"] == kind for manifest in self._kube.created)

    def order(self) -> list[str]:
        """Kinds of the objects that were made, in their order."""
        return [manifest["kind"] for manifest in self._kube.created]

    def deleted(self) -> list[str]:
        """Names of the objects that were deleted."""
        return list(self._kube.deleted)

    def config(self) -> dict[str, Any]:
        """The ConfigMap that was made first."""
        return next(manifest for manifest in self._kube.created if manifest["kind"] == "ConfigMap")


def parsed(path: Path) -> tuple[str, ModuleType | None]:
    """Read a DAG file as Airflow does; the import error, and the module if it has none."""
    bag = DagBag(str(path), include_examples=False)
    errors = "\n".join(bag.import_errors.values())
    modules = [module for module in sys.modules.values() if getattr(module, "__file__", None) == str(path)]
    return errors, modules[0] if modules and not errors else None


def plain(value: Any) -> Any:
    """Return a value of the types that the table has."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_the_answer_is_the_platforms(
    entry: Entry, kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tomllib.loads((PROFILES / f"{entry.given.get('release', '0.6.0')}.toml").read_text("utf-8"))
    monkeypatch.setenv("KAAPANA_HARNESS_PROFILE", json.dumps(release))
    for name, value in entry.given.get("environ", {}).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    if entry.given.get("gpu"):
        # read from the environment when the module was imported
        monkeypatch.setattr("kaapana.operators.KaapanaBaseOperator.GPU_SUPPORT", True)
    path = tmp_path / f"dag_{entry.id.replace('-', '_')}.py"
    path.write_text(HEADER + entry.given["dag"])
    error, module = parsed(path)
    stage = Stage(kube)
    names = {name: getattr(stage, name) for name in ("pod", "ends", "made", "order", "deleted", "config")}
    if "import" in entry.answer:
        assert re.search(entry.expected["import"], error, re.DOTALL), error or "the file was imported"
        return
    assert module is not None, error
    scope = {**vars(module), **names}
    found = {text: plain(eval(text, scope)) for text in entry.expected}
    assert found == entry.expected
    # a difference that no longer exists must leave the fidelity page
    assert all(entry.answer[text] != value for text, value in entry.here.items())
