"""QIDO-RS: matching and shaping of archived objects on three levels (services 7.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from harness.incluster.services.dicom.archive import (
    INSTANCE_TAGS,
    SERIES_TAGS,
    STUDY_TAGS,
    Archive,
    Attributes,
    StoredInstance,
    to_json,
    value,
)
from harness.incluster.services.dicom.dicomfile import read_header
from harness.incluster.services.wildcard import WildcardError, check_bounds, matches

_CONTROL: Final = frozenset({"limit", "offset", "includefield", "fuzzymatching", "orderby", "count"})
_RANGED: Final = frozenset({"DA", "TM", "DT"})
_HEX_TAG = re.compile(r"[0-9A-Fa-f]{8}")


class QueryError(Exception):
    """A query parameter is not one of DICOM, or has no legal value."""


class Query:
    """The parameters of one QIDO request.

    Args:
        items: names and values of the query string, including repeated ones.

    Raises:
        QueryError: an unknown attribute, or a limit that is not a number.
    """

    def __init__(self, items: Iterable[tuple[str, str]]) -> None:
        self.limit: int | None = None
        self.offset = 0
        self.include: set[str] = set()
        self.match: dict[str, list[str]] = {}
        for name, text in items:
            if name in {"limit", "offset"}:
                if not (text.isascii() and text.isdigit() and len(text) < 10):
                    raise QueryError(f"{name} must be a number, got {text!r}")
                setattr(self, name, int(text))
            elif name == "includefield":
                self.include.update(part if part == "all" else tag_of(part) for part in text.split(",") if part)
            elif name not in _CONTROL and text:
                wanted = self.match.setdefault(tag_of(name), [])
                try:
                    check_bounds(text if "*" in text else "")
                except WildcardError as problem:
                    raise QueryError(f"{name}: {problem}") from None
                wanted += re.split(r"[,\\]", text) if name.endswith("UID") or name.upper().endswith("0D") else [text]

    def uids(self, tag: str) -> set[str] | None:
        """Return the UIDs asked for, None when the parameter is absent."""
        wanted = self.match.get(tag)
        return None if wanted is None else set(wanted)

    def page(self, items: list[Any]) -> list[Any]:
        """Apply offset and limit (0 = unlimited, services 6)."""
        end = self.offset + self.limit if self.limit else None
        return items[self.offset : end]

    def accepts(self, read: Callable[[str], tuple[str, list[str]]], skip: Iterable[str] = ()) -> bool:
        """Return whether an object matches; ``read`` gives VR and the values of a tag as text."""
        for tag, wanted in self.match.items():
            if tag in skip:
                continue
            vr, values = read(tag)
            if not any(_matches(vr, pattern, found) for pattern in wanted for found in values or [""]):
                return False
        return True


def tag_of(name: str) -> str:
    """Return ``0020000D`` for a keyword or an eight digit tag."""
    if _HEX_TAG.fullmatch(name):
        return name.upper()
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(name.rsplit(".", 1)[-1])
    if tag is None:
        raise QueryError(f"{name!r} is not an attribute of DICOM")
    return f"{tag:08X}"


def _matches(vr: str, pattern: str, found: str) -> bool:
    if pattern in {"", "*"}:
        return True
    if vr in _RANGED and "-" in pattern:
        low, _, high = pattern.partition("-")
        return bool(found) and (not low or found >= low) and (not high or found[: len(high)] <= high)
    if "*" in pattern or "?" in pattern:
        return matches(found.upper() if vr == "PN" else found, pattern.upper() if vr == "PN" else pattern)
    if vr == "PN":
        return pattern.upper().rstrip("^") == found.upper().rstrip("^")
    return pattern == found


def _texts(attribute: dict[str, Any]) -> tuple[str, list[str]]:
    values = attribute.get("Value") or []
    return attribute.get("vr", ""), [
        str(item.get("Alphabetic", "")) if isinstance(item, dict) else str(item) for item in values
    ]


class Finder:
    """Answers queries from the archive; attributes that are not indexed are read from the first file."""

    def __init__(self, archive: Archive, base_url: str) -> None:
        self._archive = archive
        self._base_url = base_url

    def studies(self, query: Query, visible: set[str] | None) -> list[Attributes]:
        """Return the studies that have a visible series which matches.

        Args:
            visible: series UIDs that may be seen, None for all.
        """
        found: list[Attributes] = []
        for study in self._archive.studies():
            uids = query.uids("0020000D")
            if uids is not None and study not in uids:
                continue
            shown = [uid for uid in self._archive.series_uids(study) if visible is None or uid in visible]
            matching = [uid for uid in shown if self._series_matches(uid, query)]
            if matching:
                found.append(self._study(shown, query))
        return query.page(found)

    def series(self, study: str, query: Query, visible: set[str] | None) -> list[Attributes]:
        """Return the visible series of a study that match."""
        uids = [uid for uid in self._archive.series_uids(study) if visible is None or uid in visible]
        found = [self._series(uid, query) for uid in sorted(uids) if self._series_matches(uid, query)]
        return query.page(found)

    def instances(self, study: str, series: str, query: Query) -> list[Attributes]:
        """Return the instances of a series that match."""
        found: list[Attributes] = []
        for item in self._archive.series(series):
            if item.ids.study != study:
                continue
            if query.accepts(lambda tag, item=item: _texts(self._attribute(item, tag))):  # type: ignore[misc]
                found.append(self._shape(item, (*STUDY_TAGS, *SERIES_TAGS, *INSTANCE_TAGS), query, "instance"))
        return query.page(found)

    def _series_matches(self, uid: str, query: Query) -> bool:
        items = self._archive.series(uid)

        def read(tag: str) -> tuple[str, list[str]]:
            if tag == "00080018":
                return "UI", [item.ids.sop_instance for item in items]
            if tag == "00080061":
                return "CS", [str(value(items[0].attributes, "00080060") or "")]
            return _texts(self._attribute(items[0], tag))

        return bool(items) and query.accepts(read)

    def _study(self, series: list[str], query: Query) -> Attributes:
        groups = [items for uid in series if (items := self._archive.series(uid))]
        document = self._shape(groups[0][0], STUDY_TAGS, query, "study")
        modalities = sorted({str(value(items[0].attributes, "00080060") or "") for items in groups} - {""})
        document["00080061"] = {"vr": "CS", "Value": modalities}
        document["00201206"] = {"vr": "IS", "Value": [len(groups)]}
        document["00201208"] = {"vr": "IS", "Value": [sum(len(items) for items in groups)]}
        return dict(sorted(document.items()))

    def _series(self, uid: str, query: Query) -> Attributes:
        items = self._archive.series(uid)
        document = self._shape(items[0], (*STUDY_TAGS, *SERIES_TAGS), query, "series")
        document["00201209"] = {"vr": "IS", "Value": [len(items)]}
        return dict(sorted(document.items()))

    def _shape(self, item: StoredInstance, tags: tuple[str, ...], query: Query, level: str) -> Attributes:
        document = {tag: item.attributes[tag] for tag in tags if tag in item.attributes}
        if "all" in query.include:
            document = {**self._header(item), **document}
        for tag in query.include - {"all"}:
            if attribute := self._attribute(item, tag):
                document[tag] = attribute
        path = f"/studies/{item.ids.study}"
        path += f"/series/{item.ids.series}" if level != "study" else ""
        path += f"/instances/{item.ids.sop_instance}" if level == "instance" else ""
        document["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
        document["00081190"] = {"vr": "UR", "Value": [self._base_url + path]}
        return dict(sorted(document.items()))

    def _attribute(self, item: StoredInstance, tag: str) -> dict[str, Any]:
        if tag in item.attributes:
            return item.attributes[tag]
        if tag in {*STUDY_TAGS, *SERIES_TAGS, *INSTANCE_TAGS}:
            return {}
        return self._header(item, tag).get(tag, {})

    def _header(self, item: StoredInstance, *tags: str) -> Attributes:
        wanted = [int(tag, 16) for tag in tags] or None
        return to_json(read_header(item.path, wanted), inline_limit=1024)
