"""What a run wrote to the project's metadata index (services 11), for assertions; ``metadata/`` of the evidence."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.checks.json_documents import JsonDocument, read_json
from harness.common.redaction import REDACTOR
from harness.errors import CheckError
from harness.run.paths import Folder
from harness.wire.index_documents import IndexedDocument

if TYPE_CHECKING:
    from harness.data.series import Series

AREA: Final = "metadata"
_LISTED: Final = 20


class MetadataDocuments(Mapping[str, JsonDocument]):
    """The documents that are new or were written again, by the UID of their series.

    Args:
        documents: by their id.
    """

    def __init__(self, documents: Mapping[str, JsonDocument]) -> None:
        self._documents = dict(documents)

    def __getitem__(self, series: str | Series) -> JsonDocument:
        """Return the document of a series, by its UID or the series itself.

        Raises:
            CheckError: the run wrote none.
        """
        uid = series if isinstance(series, str) else series.series_instance_uid
        if uid in self._documents:
            return self._documents[uid]
        listed = "\n".join([*list(self)[:_LISTED], *(["..."] if len(self) > _LISTED else [])])
        raise CheckError(
            f"the run wrote no metadata document {uid!r}",
            last_seen=listed or "it wrote none at all",
            fix="a document is written for each series that is sent, and by operators such as Json2MetaOperator",
        )

    def __contains__(self, series: object) -> bool:
        return (series if isinstance(series, str) else getattr(series, "series_instance_uid", None)) in self._documents

    def __iter__(self) -> Iterator[str]:
        return iter(self._documents)

    def __len__(self) -> int:
        return len(self._documents)

    def __repr__(self) -> str:
        return f"MetadataDocuments({list(self)})"


def write(documents: Sequence[IndexedDocument], folder: Folder) -> None:
    """Write each document into a file of the evidence."""
    for document in documents:
        content = REDACTOR.value(dataclasses.asdict(document))
        _, path = folder.place(AREA, f"{content['id']}.json")
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8", errors="backslashreplace")


def read(directory: Path) -> MetadataDocuments:
    """Return the metadata documents in the evidence of a run."""
    found = {}
    for path in sorted((directory / AREA).glob("*.json")):
        content = read_json(path.read_bytes(), path.name, file=path)
        uid = str(content.at("id"))
        found[uid] = JsonDocument(f"metadata document {uid}", content.at("source"), path)
    return MetadataDocuments(found)
