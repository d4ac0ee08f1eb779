"""Packaged charts as Helm writes them, made without it so that tests can damage them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

CHART = """\
apiVersion: v1
name: mean-workflow
version: "0.1.0"
description: Mean value of an image
keywords: [kaapanaworkflow]
"""
VALUES = 'global:\n  image: "dag-mean"\n  action: "copy"\n'
REQUIREMENTS = "dependencies:\n  - name: dag-installer-chart\n    version: 0.0.0\n"
JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Values.global.image }}
  namespace: {{ .Values.global.services_namespace }}
spec:
  template:
    spec:
      restartPolicy: Never
      initContainers:
        - name: init
          image: "{{ .Values.global.registry_url }}/service-checker:{{ .Values.global.kaapana_build_version }}"
      containers:
        - name: copy
          image: "{{ .Values.global.registry_url }}/{{ .Values.global.image }}:{{ .Chart.Version }}"
"""
INSTALLER = "charts/dag-installer-chart"
FILES: Mapping[str, str] = {
    "Chart.yaml": CHART,
    "values.yaml": VALUES,
    "requirements.yaml": REQUIREMENTS,
    f"{INSTALLER}/Chart.yaml": 'apiVersion: v1\nname: dag-installer-chart\nversion: "0.0.0"\n',
    f"{INSTALLER}/values.yaml": "global: {}\n",
    f"{INSTALLER}/templates/job.yaml": JOB,
}


def pack(changes: Mapping[str, str | bytes | None] | None = None, *, top: str = "mean-workflow") -> bytes:
    """Return a package; ``changes`` maps a path to other content, or to None to leave it out."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, content in {**FILES, **(changes or {})}.items():
            if content is not None:
                data = content.encode() if isinstance(content, str) else content
                member = tarfile.TarInfo(f"{top}/{path}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def write(
    folder: Path, changes: Mapping[str, str | bytes | None] | None = None, *, name: str = "mean-workflow-0.1.0.tgz"
) -> Path:
    """Write a package below ``folder``, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(pack(changes))
    return path
