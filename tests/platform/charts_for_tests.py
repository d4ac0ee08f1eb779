"""Charts without DAGs, packaged as `helm package` does it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
  namespace: {{ .Values.global.services_namespace }}
data:
  project: {{ .Values.global.project_name | default "" | quote }}
"""


def write_application(
    folder: Path,
    name: str,
    keywords: Sequence[str],
    *,
    templates: Mapping[str, str] | None = None,
    values: str = "global:\n  display_name: Viewer\n",
    **metadata: str,
) -> Path:
    """Write a package; its path.

    Args:
        folder: where to.
        name: of the chart.
        keywords: of the chart.
        templates: file name to text; by default one ConfigMap.
        values: text of values.yaml.
        metadata: more of Chart.yaml.
    """
    chart = {"apiVersion": "v2", "name": name, "version": "0.1.0", "description": "An application"}
    files = {
        "Chart.yaml": yaml.safe_dump({**chart, "keywords": list(keywords), **metadata}),
        "values.yaml": values,
        **{f"templates/{path}": text for path, text in (templates or {"settings.yaml": SETTINGS}).items()},
    }
    path = folder / f"{name}-0.1.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in files.items():
            member = tarfile.TarInfo(f"{name}/{file}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path
