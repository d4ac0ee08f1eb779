"""What a run did not send: questions by modality or SOP class that a misspelled name does not answer with yes."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import pydicom

from harness.checks.classes import ENCAPSULATED_PDF_STORAGE, RT_STRUCTURE_STORAGE, STRUCTURED_REPORT_CLASSES
from harness.errors import CheckError
from harness.wire.dicom import SEGMENTATION_CLASSES

# of the standard (PS3.3 C.7.3.1.1.1), newer than the list of the library, or retired
_MORE: Final = frozenset(
    {"ANN", "RTINTENT", "RTRAD", "RTSEGANN", "XAPROTOCOL", "DF", "DS", "FS", "MA", "MS", "ST", "OPR"}
)
# what an object is whose attribute is missing or damaged
_BY_CLASS: Final[Mapping[str, str]] = {
    **dict.fromkeys(SEGMENTATION_CLASSES, "SEG"),
    **dict.fromkeys(STRUCTURED_REPORT_CLASSES, "SR"),
    ENCAPSULATED_PDF_STORAGE: "DOC",
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE",
    RT_STRUCTURE_STORAGE: "RTSTRUCT",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPLAN",
    "1.2.840.10008.5.1.4.1.1.66.1": "REG",
    "1.2.840.10008.5.1.4.1.1.88.59": "KO",
    "1.2.840.10008.5.1.4.1.1.11.1": "PR",
}


class Sent(Protocol):
    """What is asked about a sent object; :class:`harness.run.outputs.SentObject` is one."""

    @property
    def sop_class(self) -> str: ...

    @property
    def modality(self) -> str: ...


def read_modality(path: Path) -> str:
    """Return the modality of a DICOM file; empty where it has none, or cannot be read."""
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"])
        return str(dataset.get("Modality") or "").strip()
    except Exception:  # a parser on foreign bytes raises nearly anything; its class is known all the same
        return ""


def check_kinds(kinds: Sequence[str], sent: Iterable[Sent]) -> None:
    """Refuse a kind that is neither a modality nor a SOP class, so that no misspelled one was "not sent".

    Raises:
        CheckError: names the kind, and known kinds with similar names.
    """
    known = _modalities() | {item.modality for item in sent}
    for kind in kinds:
        if not isinstance(kind, str) or (kind not in known and _find_class(kind) is None):
            near = difflib.get_close_matches(str(kind).upper(), sorted(known), n=3)
            raise CheckError(
                f"{kind!r} is neither a modality of DICOM nor a SOP class",
                fix=f"did you mean {' or '.join(near)}?"
                if near
                else "name a modality, e.g. SEG, or the UID of a SOP class",
            )


def is_of_kind(item: Sent, kind: str) -> bool:
    """Return whether an object is of a modality or a SOP class."""
    return kind in {item.modality, _BY_CLASS.get(item.sop_class)} or _find_class(kind) == item.sop_class


def _find_class(kind: str) -> str | None:
    """Return the UID of a SOP class by its UID or keyword, e.g. ``SegmentationStorage``."""
    uid = getattr(pydicom.uid, kind, None) if kind.isidentifier() else kind
    if not isinstance(uid, str):
        return None
    found = pydicom.uid.UID(uid)
    return str(found) if found.type == "SOP Class" else None


@functools.cache
def _modalities() -> frozenset[str]:
    from pydicom.sr.codedict import codes

    listed = codes.CID33
    return _MORE | {str(getattr(listed, name).value) for name in listed.dir()}
