"""The platform and a run on a kind cluster of two nodes; only with ``--kaapana-cluster kind``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.api import Kaapana
from harness.errors import UsageError
from harness.settings import Settings

_EXTENSION = Path(__file__).parents[1] / "faults" / "extension"


def test_a_run_succeeds_on_two_nodes_that_both_take_pods(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if request.config.getoption("kaapana_cluster") != "kind":
        pytest.skip("only with --kaapana-cluster kind")
    extension = Path(shutil.copytree(_EXTENSION, tmp_path / "extension"))
    operator = extension / "extension/docker/files/faults/FaultyOperator.py"
    # a busy machine must not end the task
    operator.write_text(operator.read_text().replace("timedelta(seconds=15)", "timedelta(seconds=180)"))
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    settings = Settings.load({"cluster": "kind", "nodes": "2"})
    with Kaapana.open(settings, evidence=tmp_path / "evidence") as kaapana:
        run = kaapana.install(extension).run(form={"mode": "succeed", "ticket": "a"})
        assert run.succeeded, run.cause
        api = kaapana.environment.cluster.api
        nodes = api.list("Node")
        assert len(nodes) == 2
        # which of them gets a pod is the scheduler's choice, but none is closed to pods
        assert [node["spec"].get("taints") for node in nodes] == [None, None]
        # names are resolved on the first node, where the cluster began: a run on the other one crosses the nodes
        ours = {pod["spec"]["nodeName"] for pod in api.list("Pod", kaapana.project.namespace)}
        assert len(ours) == 1
        assert ours < {node["metadata"]["name"] for node in nodes}


def test_nodes_are_an_option_of_kind_only() -> None:
    from harness.cluster import open_cluster

    with pytest.raises(UsageError, match="nodes is 2, but the cluster docker"):
        open_cluster("docker", Settings.load({"nodes": "2"}), environment_id="x")
