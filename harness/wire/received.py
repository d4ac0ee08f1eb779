"""What the platform's receiver took by DIMSE: noted by the emulated service, collected by who follows a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.wire.fields import fitting


@dataclasses.dataclass(frozen=True)
class ReceivedObject:
    """A receipt of one object.

    Attributes:
        id: of the receipt.
        received_at: ISO 8601.
        peer: address of who sent it, with or without the port.
        calling_ae: AE title of who sent it.
        called_ae: AE title that it was sent to.
        sop_class: of the object.
        sop_instance_uid: of the object.
        series_instance_uid: of its series.
        study_instance_uid: of its study.
        transfer_syntax: in which it came.
        size: of its file, in bytes.
        project: that it belongs to.
        dataset: that it was put into.
        ingested: it got through ingestion.
        error: why it did not; empty otherwise.
    """

    id: str
    received_at: str = ""
    peer: str = ""
    calling_ae: str = ""
    called_ae: str = ""
    sop_class: str = ""
    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    transfer_syntax: str = ""
    size: int = 0
    project: str = ""
    dataset: str = ""
    ingested: bool = False
    error: str = ""

    @property
    def address(self) -> str:
        """The address of who sent it."""
        return self.peer.rsplit(":", 1)[0]

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ReceivedObject:
        """Read what :meth:`as_json` returned."""
        return cls(**fitting(cls, document))
