"""The volumes of a project on a cluster of one node; only with ``--kaapana-cluster kind``."""

from __future__ import annotations

import time
from typing import Any

import pytest

from harness.kube import KubeApi, Manifest

_SOON_S = 60.0
_GONE_S = 180.0


def _volumes(api: KubeApi, namespace: str) -> list[Manifest]:
    return [
        volume
        for volume in api.list("PersistentVolume")
        if (volume["spec"].get("claimRef") or {}).get("namespace") == namespace
    ]


def test_a_projects_volumes_are_bound_before_its_first_pod_and_are_gone_after_it(
    request: pytest.FixtureRequest, kaapana: Any
) -> None:
    if request.config.getoption("kaapana_cluster") != "kind":
        pytest.skip("only with --kaapana-cluster kind")
    cluster = kaapana.environment.cluster
    api: KubeApi = cluster.api
    if len(cluster.nodes) > 1:
        pytest.skip("on several nodes the provisioner has them")
    node = cluster.nodes[0]
    project = kaapana.environment.create_project()
    claims = {claim["metadata"]["name"] for claim in api.list("PersistentVolumeClaim", project.namespace)}
    bound: set[str] = set()
    for _, claim in api.watch("PersistentVolumeClaim", project.namespace, timeout_s=_SOON_S):
        if claim["status"].get("phase") == "Bound":
            bound.add(claim["metadata"]["name"])
        if bound == claims:
            break
    assert bound == claims != set()
    folders = [volume["spec"]["hostPath"]["path"] for volume in _volumes(api, project.namespace)]
    for folder in folders:
        # as a pod of any user leaves it, without the folder's being made by it
        node.run("setpriv", "--reuid=1000", "--clear-groups", "touch", f"{folder}/result")
    kaapana.environment.remove_project(project)
    deadline = time.monotonic() + _GONE_S
    while _volumes(api, project.namespace) and time.monotonic() < deadline:
        # the last one may go before the watch begins
        for _ in api.watch("PersistentVolume", None, timeout_s=2):
            pass
    assert _volumes(api, project.namespace) == []
    assert node.run("sh", "-c", f"ls -d {' '.join(folders)} 2>/dev/null || true") == ""
