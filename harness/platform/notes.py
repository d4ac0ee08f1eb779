"""Notes of the harness in the record of a Helm release, about the files that the release installed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

from harness.findings import Finding
from harness.platform.dags import Dags
from harness.platform.releases import HelmRelease


@dataclasses.dataclass(frozen=True)
class Note:
    """The files of one installation.

    Attributes:
        fingerprint: equal for the same objects, values and images.
        dags: its DAGs.
        files: each installed file, e.g. ``dags/dag_x.py``, with its digest in Airflow's folders; empty where it is not
            copied to one of these.
        left: files of earlier versions that are not part of it; they may still be there.
    """

    fingerprint: str
    dags: Dags
    files: Mapping[str, str]
    left: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the note as a release keeps it."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def of(cls, release: HelmRelease) -> Note | None:
        """Return the note of a release; ``None`` where it never got to the end, or another program wrote it."""
        try:
            note = json.loads(release.note)
            dags = note["dags"]
            findings = tuple(map(Finding.from_json, dags["findings"]))
            found = Dags(tuple(dags["ids"]), tuple(dags["visible"]), findings)
            return cls(note["fingerprint"], found, dict(note["files"]), tuple(note["left"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
