"""A small extension in the layout of the platform's guide, for tests to damage."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "extension/docker/Dockerfile": """\
FROM local-only/base-installer:latest
LABEL IMAGE="dag-mean"
LABEL VERSION="0.1.0"
LABEL BUILD_IGNORE="False"
COPY files/dag_mean.py /kaapana/tmp/dags/
COPY files/mean-value/ /kaapana/tmp/dags/mean_value/
""",
    "extension/docker/files/dag_mean.py": """\
from datetime import datetime

from airflow.models import DAG
from mean_value.MeanOperator import MeanOperator

args = {
    "ui_visible": True,
    "ui_forms": {"workflow_form": {"type": "object", "properties": {}}},
    "start_date": datetime(2024, 1, 1),
}
with DAG(dag_id="mean-value", default_args=args, schedule_interval=None) as dag:
    MeanOperator(dag=dag)
""",
    "extension/docker/files/mean-value/MeanOperator.py": """\
from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class MeanOperator(KaapanaBaseOperator):
    def __init__(self, dag, **kwargs):
        super().__init__(
            dag=dag,
            name="mean-value",
            image=f"{DEFAULT_REGISTRY}/mean-value:{KAAPANA_BUILD_VERSION}",
            **kwargs,
        )
""",
    "extension/mean-workflow/Chart.yaml": """\
apiVersion: v2
name: mean-workflow
version: "0.1.0"
description: Mean value of an image
keywords:
  - kaapanaworkflow
""",
    "extension/mean-workflow/requirements.yaml": """\
dependencies:
  - name: dag-installer-chart
    version: 0.0.0
    repository: file://../../../../../services/utils/dag-installer-chart
""",
    "extension/mean-workflow/values.yaml": """\
---
global:
  image: "dag-mean"
  action: "copy"
""",
    "processing-containers/mean-value/Dockerfile": """\
FROM local-only/base-python-cpu:latest
LABEL IMAGE="mean-value"
LABEL VERSION="0.1.0"
COPY files/mean.py /kaapana/app/mean.py
CMD ["python3", "-u", "/kaapana/app/mean.py"]
""",
    "processing-containers/mean-value/files/mean.py": "print('mean')\n",
}


def write(root: Path, changes: dict[str, str | None] | None = None) -> Path:
    """Write the extension below ``root``; ``changes`` maps a path to other text, or to None to leave it out."""
    for path, text in {**FILES, **(changes or {})}.items():
        if text is not None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, "utf-8")
    return root
