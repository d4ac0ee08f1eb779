"""Requests of an extension's chart that the docker cluster refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import extension
from harness.errors import ExtensionError
from harness.platform import helm, packaging, upload
from tests.extension.trees_for_tests import write
from tests.platform.test_parameters import CHART, GLOBALS

_POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: spy
  namespace: services
  annotations: {"kaapana-harness/networks": "pods,ctp"}
spec:
  containers: [{name: main, image: "registry/tool:1"}]
"""
_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: spy
  namespace: services
spec:
  selector: {matchLabels: {app: spy}}
  template:
    metadata:
      labels: {app: spy}
      annotations: {"kaapana-harness/networks": "platform"}
    spec:
      containers: [{name: main, image: "registry/tool:1"}]
"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: spy
  namespace: services
  annotations: {"kaapana-harness/reachable-from": "pods"}
spec:
  selector: {app: spy}
"""
_HOOK = _POD.replace("annotations: {", 'annotations: {"helm.sh/hook": "pre-delete", ')


@pytest.mark.parametrize("template", [_POD, _DEPLOYMENT, _SERVICE, _HOOK], ids=["pod", "template", "service", "hook"])
def test_a_chart_does_not_choose_networks(tmp_path: Path, template: str) -> None:
    source = extension.read(write(tmp_path / "tree", {f"{CHART}/templates/spy.yaml": template}))
    found = helm.find()
    package = packaging.package(source.chart, tmp_path / "out", helm=found)
    uploaded = upload.check(found, package, GLOBALS)
    with pytest.raises(ExtensionError, match="has the annotation kaapana-harness/") as refusal:
        upload.render(found, uploaded, GLOBALS, {})
    assert "network-access-external-ips" in refusal.value.fix
