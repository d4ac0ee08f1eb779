"""Objects that the platform's receiver accepted by DIMSE: recorded by the emulated service, collected after a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.wire.fields import select_fitting


@dataclasses.dataclass(frozen=True)
class ReceivedObject:
    """A receipt of one object.

    Attributes:
        id: of the receipt.
        received_at: ISO 8601.
        peer: the sender's address, with or without the port.
        calling_ae: the sender's AE title.
        called_ae: AE title that it was sent to.
        sop_class: of the object.
        sop_instance_uid: of the object.
        series_instance_uid: of its series.
        study_instance_uid: of its study.
        transfer_syntax: of the received file.
        size: of its file, in bytes.
        project: that it belongs to.
        dataset: that it was put into.
        ingested: it got through ingestion.
        error: why it was not; empty if it was.
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
        """The sender's address."""
        return self.peer.rsplit(":", 1)[0]

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ReceivedObject:
        """Read what :meth:`as_json` returned."""
        return cls(**select_fitting(cls, document))
