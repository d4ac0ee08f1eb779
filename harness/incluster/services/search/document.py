"""The metadata document of a series, built from its first file (services 11.3, 11.4, operators 6.7)."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from harness.incluster.services.dicom import charsets, dicomfile
from harness.incluster.services.dicom.dicomfile import DicomError

BERLIN: Final = ZoneInfo("Europe/Berlin")
_FLOATS: Final = frozenset({"DS", "FL", "FD", "OD", "OF"})
_INTEGERS: Final = frozenset({"IS", "SL", "SS", "UL", "US"})
_SKIPPED: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_MAX_DEPTH: Final = 20
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6}))?")
# candidates for a series' time, in order, as (name, date tag, time tag)
_TIMES: Final = (
    ("Acquisition", 0x00080022, 0x00080032),
    ("Series", 0x00080021, 0x00080031),
    ("Content", 0x00080023, 0x00080033),
    ("Study", 0x00080020, 0x00080030),
)


class IndexedDocumentError(Exception):
    """The series cannot be described; the platform's extraction fails here as well."""


def read(path: Path) -> Any:
    """Return the dataset of a file without its bulk data; raises DocumentError."""
    try:
        return dicomfile.read_header(path)
    except DicomError as problem:
        raise IndexedDocumentError(str(problem)) from None


def series_document(dataset: Any, *, dataset_name: str, project: str, now: datetime.datetime) -> dict[str, Any]:
    """Return the document of a series.

    Args:
        dataset: first file of the series, a pydicom dataset.
        dataset_name: value of (0012,0010) without ``kp-``.
        project: value of (0012,0020) without ``kp-``.
        now: time of arrival, aware.

    Raises:
        DocumentError: the modality is missing, or a value that the document needs is broken.
    """
    try:
        return _series_document(dataset, dataset_name, project, now)
    except (IndexedDocumentError, OSError):
        raise
    except Exception as problem:  # pydicom raises many kinds on broken values
        raise IndexedDocumentError(f"the dataset cannot be described: {type(problem).__name__}: {problem}") from None


def _series_document(dataset: Any, dataset_name: str, project: str, now: datetime.datetime) -> dict[str, Any]:
    document = _convert(dataset, 0)
    modality = document.get("00080060 Modality_keyword")
    if not isinstance(modality, str):
        raise IndexedDocumentError("Modality (0008,0060) is missing")
    document["00000000 CuratedModality_keyword"] = _curate(modality, document)
    document["00000000 PredictedBodypart_keyword"] = "N/A"
    document["00120010 ClinicalTrialSponsorName_keyword"] = dataset_name
    document["00120020 ClinicalTrialProtocolID_keyword"] = project
    document.update(_times(dataset, now))
    age = _age(dataset)
    if age is not None:
        document["00000000 DerivedPatientAge_integer"] = age
    if modality in {"SEG", "RTSTRUCT"}:
        document.update(_annotations(dataset, modality))
    return document


def _curate(modality: str, document: Mapping[str, Any]) -> str:
    image_type = document.get("00080008 ImageType_keyword")
    if modality == "CT" and isinstance(image_type, list) and len(image_type) >= 3 and "LOCALIZER" in image_type:
        return "XR"
    return modality


def _name(tag: int) -> str | None:
    """Return an attribute's name without possessive, apostrophes and blanks; None for private and unknown tags."""
    from pydicom.datadict import dictionary_description, dictionary_has_tag

    if not dictionary_has_tag(tag):
        return None
    return re.sub(r"'s\b|['\s]", "", dictionary_description(tag))


def _convert(dataset: Any, depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if depth > _MAX_DEPTH:
        return document
    for tag in sorted(dataset.keys()):
        number = int(tag)
        name = None if number in _SKIPPED else _name(number)
        if name is None:
            continue
        try:
            element = dataset[tag]
            found = _values(element, depth)
        except Exception:  # a value that cannot be converted is logged and left out by the platform
            continue
        for suffix, item in found.items():
            # a value with the text "nan" anywhere is skipped on the platform, names included
            if item is not None and (isinstance(item, dict) or "nan" not in str(item)):
                document[f"{number >> 16:04X}{number & 0xFFFF:04X} {name}_{suffix}"] = item
    return document


def _values(element: Any, depth: int) -> dict[str, Any]:
    """Return suffix -> value of one element."""
    vr = str(element.VR)
    if vr == "SQ":
        return {"object": _convert(element.value[0], depth + 1) if len(element.value) == 1 else None}
    if element.value is None or isinstance(element.value, bytes) or element.VM == 0:
        return {}
    items = list(element.value) if element.VM > 1 else [element.value]
    if vr == "PN":
        return {
            f"keyword_{part}": _unwrap([text for item in items if (text := clean_text(str(getattr(item, part))))])
            for part in ("alphabetic", "ideographic", "phonetic")
        }
    converters: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "DA": ("date", lambda item: _date(str(item))),
        "TM": ("time", lambda item: _time(str(item))),
        "DT": ("datetime", lambda item: _datetime(str(item))),
        **dict.fromkeys(_FLOATS, ("float", _number)),
        **dict.fromkeys(_INTEGERS, ("integer", int)),
    }
    suffix, convert = converters.get(vr, ("keyword", lambda item: clean_text(str(item)).strip()))
    return {suffix: _unwrap([value for item in items if (value := convert(item)) not in (None, "")])}


def _number(item: Any) -> float | None:
    """Return a number that JSON can say."""
    number = float(item)
    return number if math.isfinite(number) else None


def clean_text(text: str) -> str:
    """Return a text with half characters replaced, because they cannot be written to a file."""
    return charsets.without_escapes(text.encode("utf-8", "replace").decode("utf-8"))


def _unwrap(items: list[Any]) -> Any:
    return (items[0] if len(items) == 1 else items) if items else None


def _date(text: str) -> str | None:
    found = _DATE.match(text)
    return datetime.date(*map(int, found.groups())).isoformat() if found else None


def _time(text: str) -> str | None:
    found = _TIME.match(text)
    if not found:
        return None
    hour, minute, second, fraction = found.groups()
    micros = int((fraction or "0").ljust(6, "0"))
    moment = datetime.time(int(hour), int(minute or 0), min(int(second or 0), 59), micros)
    return moment.isoformat("microseconds")


def _datetime(text: str) -> str | None:
    date = _date(text)
    if date is None:
        return None
    return _utc(date, _time(text[8:]) or "00:00:00.000000")


def _utc(date: str, time: str) -> str:
    local = datetime.datetime.fromisoformat(f"{date}T{time}").replace(tzinfo=BERLIN)
    return _stamp(local.astimezone(datetime.timezone.utc))


def _stamp(moment: datetime.datetime) -> str:
    # strftime leaves the zeros of early years out
    return moment.isoformat(" ", "microseconds").partition("+")[0]


def _times(dataset: Any, now: datetime.datetime) -> dict[str, Any]:
    arrived = now.astimezone(datetime.timezone.utc)
    found: dict[str, Any] = {
        "00000000 TimestampArrived_datetime": _stamp(arrived),
        "00000000 TimestampArrived_date": arrived.date().isoformat(),
        "00000000 TimestampArrivedHour_integer": arrived.hour,
    }
    for name, date_tag, time_tag in _TIMES:
        date = _safely(_date, dataset, date_tag)
        if date is None:
            continue
        try:
            stamp = _utc(date, _safely(_time, dataset, time_tag) or "00:00:00.000000")
        except (ValueError, OverflowError):  # no such time, or before the first year
            continue
        found["00000000 Timestamp_datetime"] = stamp
        found["00000000 DayOfWeek_integer"] = datetime.date.fromisoformat(stamp[:10]).weekday()
        found["00000000 TimeTagUsed_keyword"] = name
        break
    return found


def _safely(convert: Callable[[str], str | None], dataset: Any, tag: int) -> str | None:
    try:
        value = dataset[tag].value if tag in dataset else None
        return convert(str(value)) if value else None
    except Exception:  # a broken date counts as absent
        return None


def _age(dataset: Any) -> int | None:
    """Return the years from birth date to study date, or from (0010,1010)."""
    birth, study = _safely(_date, dataset, 0x00100030), _safely(_date, dataset, 0x00080020)
    if birth and study:
        first, second = datetime.date.fromisoformat(birth), datetime.date.fromisoformat(study)
        return second.year - first.year - ((second.month, second.day) < (first.month, first.day))
    text = _safely(str, dataset, 0x00101010) or ""
    return int(text[:3]) if re.fullmatch(r"\d{3}Y", text) else None


def _annotations(dataset: Any, modality: str) -> dict[str, Any]:
    sequence, label = (
        ("SegmentSequence", "SegmentLabel")
        if modality == "SEG"
        else (
            "StructureSetROISequence",
            "ROIName",
        )
    )
    items = list(dataset.get(sequence) or [])
    labels = [text for item in items if (text := clean_text(str(item.get(label) or "")).strip())]
    found: dict[str, Any] = {}
    if labels:
        found["00000000 AnnotationLabel_keyword"] = labels
        found["00000000 AnnotationLabelsList_keyword"] = ",".join(sorted(labels))
    if modality == "SEG" and items:
        algorithm = {
            "00620008 SegmentAlgorithmType_keyword": items[-1].get("SegmentAlgorithmType"),
            "00620009 SegmentAlgorithmName_keyword": items[-1].get("SegmentAlgorithmName"),
        }
        found["00620002 SegmentSequence_object_object"] = {
            key: clean_text(str(value)) for key, value in algorithm.items() if value
        }
    return found
