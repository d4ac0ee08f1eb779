"""The small extension as the guide writes it for the development kit."""

from __future__ import annotations

from pathlib import Path

from tests.extension import trees_for_tests
from tests.extension.trees_for_tests import FILES

CHART = "extension/mean-workflow"
OPERATOR = "extension/docker/files/mean-value/MeanOperator.py"
DAG_FILE = "extension/docker/files/dag_mean.py"
DOCKERFILE = "extension/docker/Dockerfile"
CONTAINER = "processing-containers/mean-value"
VALUES = """\
---
global:
  image: "dag-mean"
  action: "copy"
  pull_policy_images: "IfNotPresent"
  custom_registry_url: "localhost:32000"
"""
CHANGES: dict[str, str | None] = {
    # an empty data_form: runs take no dataset
    DAG_FILE: FILES[DAG_FILE].replace('"ui_forms": {', '"ui_forms": {"data_form": {}, '),
    f"{CHART}/values.yaml": VALUES,
    f"{CHART}/requirements.yaml": FILES[f"{CHART}/requirements.yaml"].replace(
        "file://../../../../../services/utils/dag-installer-chart",
        "file:///kaapana/app/kaapana/services/utils/dag-installer-chart/",
    ),
    OPERATOR: FILES[OPERATOR].replace(
        'image=f"{DEFAULT_REGISTRY}/mean-value:{KAAPANA_BUILD_VERSION}"',
        'image_pull_policy="IfNotPresent",\n            image=f"localhost:32000/mean-value:{KAAPANA_BUILD_VERSION}"',
    ),
    # the name is what the kit leaves there; the small base, because an archive of the large one has 1.2 GB
    f"{CONTAINER}/Dockerfile": None,
    f"{CONTAINER}/mean.Dockerfile": FILES[f"{CONTAINER}/Dockerfile"].replace(
        "local-only/base-python-cpu:latest", "local-registry.services.svc.cluster.local:5000/base-installer:latest"
    ),
}


def write(root: Path, changes: dict[str, str | None] | None = None, *, name: str = "mean") -> Path:
    """Write the extension below ``root``.

    Args:
        root: a folder, made on demand.
        changes: path to other text, or to None to leave it out.
        name: part of the images' names in place of ``mean``, so that they are no other test's.
    """
    files = {**FILES, **CHANGES, **(changes or {})}
    renamed = {
        path: text and text.replace("dag-mean", f"dag-{name}").replace("/mean-value:{", f"/{name}-value:{{")
        for path, text in files.items()
    }
    label = f"{CONTAINER}/mean.Dockerfile"
    renamed[label] = (renamed[label] or "").replace('"mean-value"', f'"{name}-value"')
    return trees_for_tests.write(root, renamed)
