"""What a run wrote to the project's bucket, and the documents of it that the results page shows."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from harness.checks import questions
from harness.checks.reports import Report
from harness.errors import CheckError
from harness.run.items import RUN_FILE, Items

if TYPE_CHECKING:
    from harness.checks.json_documents import JsonDocument
    from harness.checks.pdf import PdfDocument
    from harness.checks.tables import Table
    from harness.checks.verdict import Verdict


@dataclasses.dataclass(frozen=True)
class StoredObject:
    """An object that the run wrote to the project's bucket; ``path`` is relative to ``directory``."""

    bucket: str
    key: str
    size: int
    content_type: str
    path: str
    visible_in_results: bool
    directory: Path = dataclasses.field(repr=False, compare=False, default=Path())

    @property
    def file(self) -> Path:
        """The local copy."""
        return self.directory / self.path

    @property
    def data(self) -> bytes:
        """The content."""
        return self.file.read_bytes()

    def report(self) -> Report:
        """Return the content as a document."""
        return Report(self.key, self.data, self.file)

    def table(self, *, delimiter: str | None = None) -> Table:
        """Return the content of a CSV file.

        Args:
            delimiter: between cells; by default the most frequent one in the header.

        Raises:
            CheckError: it is not CSV.
        """
        from harness.checks.tables import read_csv

        return read_csv(self.data, self.key, delimiter=delimiter, file=self.file)

    def json(self) -> JsonDocument:
        """Return the content of a JSON file.

        Raises:
            CheckError: it is not JSON.
        """
        from harness.checks.json_documents import read_json

        return read_json(self.data, self.key, file=self.file)

    def pdf(self) -> PdfDocument:
        """Return the content of a PDF file; it is read when its words are asked for."""
        from harness.checks.pdf import PdfDocument

        return PdfDocument(self.key, self.data, self.file)


class StoredObjects(Items[StoredObject]):
    """What a run wrote to the project's bucket, by position, or by key, file name or end of the path.

    Args:
        directory: evidence of the run.
    """

    def __init__(self, items: Sequence[StoredObject], directory: Path | None = None) -> None:
        super().__init__(items)
        self._directory = directory

    @overload
    def __getitem__(self, index: int) -> StoredObject: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[StoredObject]: ...

    @overload
    def __getitem__(self, index: str) -> StoredObject: ...

    def __getitem__(self, index: int | slice | str) -> StoredObject | Sequence[StoredObject]:
        """Return an object.

        Raises:
            CheckError: none has this key, or several end in it; all keys are listed.
        """
        if not isinstance(index, str):
            return super().__getitem__(index)
        found = [item for item in self if _ends(item.key, index)]
        if len(found) != 1:
            raise CheckError(
                f"{len(found)} objects end in {index!r}" if found else f"no object {index!r} was stored",
                last_seen="\n".join(f"{item.key} ({item.size} bytes)" for item in self) or "no object was stored",
                fix="name more of the path" if found else "",
            )
        return found[0]

    def __contains__(self, item: object) -> bool:
        return any(_ends(one.key, item) for one in self) if isinstance(item, str) else super().__contains__(item)

    @property
    def nothing(self) -> Verdict:
        """Whether the run stored nothing: ``assert run.objects.nothing``."""
        return self._judge("nothing stored", list(self))

    def none_of(self, *patterns: str) -> Verdict:
        """Return whether no object was stored whose key matches: ``run.objects.none_of("*.nii.gz")``.

        Args:
            patterns: with ``*`` for anything, ``?`` for one character, ``[ab]`` for one of them.

        Raises:
            CheckError: no pattern is given.
        """
        self._check_patterns(patterns)
        subject = f"none of {', '.join(patterns)} stored"
        return self._judge(subject, [item for item in self if self._matches(item, patterns)])

    def nothing_but(self, *patterns: str) -> Verdict:
        """Return whether all that was stored matches, see :meth:`none_of`; nothing at all is fine, too."""
        self._check_patterns(patterns)
        subject = f"nothing but {', '.join(patterns)} stored"
        return self._judge(subject, [item for item in self if not self._matches(item, patterns)])

    def _check_patterns(self, patterns: Sequence[str]) -> None:
        if not patterns:
            raise CheckError("name a pattern of keys", fix="that nothing at all was stored is run.objects.nothing")

    def _matches(self, item: StoredObject, patterns: Sequence[str]) -> bool:
        return any(fnmatch.fnmatchcase(item.key, pattern) for pattern in patterns)

    def _judge(self, subject: str, unwanted: Sequence[StoredObject]) -> Verdict:
        from harness.checks.differences import judge

        listed = [f"{item.key} ({item.size} bytes)" for item in unwanted]
        verdict = judge(subject, listed, f"{len(self) or 'nothing'} stored")
        return questions.note_verdict(self._directory and self._directory / RUN_FILE, subject, verdict)


class Reports:
    """The documents that the platform's results page shows, by object key or its end."""

    def __init__(self, objects: Sequence[StoredObject]) -> None:
        self._objects = tuple(objects)

    @property
    def names(self) -> list[str]:
        """Keys of the documents on the results page (services 10.3)."""
        return [item.key for item in self._objects if item.visible_in_results]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(_ends(key, name) for key in self.names)

    def __getitem__(self, name: str) -> Report:
        """Return the document with this key, file name or end of the path.

        Raises:
            CheckError: no report fits, several do, or the results page does not show it.
        """
        matching = [item for item in self._objects if _ends(item.key, name)]
        shown = [item for item in matching if item.visible_in_results]
        if len(shown) == 1:
            questions.note(questions.Question(shown[0].file, "reports", f"a document of {shown[0].size} bytes"))
            return shown[0].report()
        keys = "\n".join(f"{item.key} ({item.size} bytes)" for item in self._objects) or "no object was stored"
        if shown:
            raise CheckError(f"{len(shown)} reports end in {name!r}", last_seen=keys, fix="name more of the path")
        if matching:
            questions.note(questions.Question(matching[0].file, "reports", "NO: the results page does not show it"))
            raise CheckError(
                f"{matching[0].key} was stored, but the platform's results page does not show it",
                last_seen=keys,
                fix="the page lists .html files below staticwebsiteresults/ (not index.html): "
                'give MinioOperator minio_prefix="staticwebsiteresults" and whitelist .html',
            )
        raise CheckError(f"no report {name!r} was stored", last_seen=keys)

    def __repr__(self) -> str:
        return f"Reports({self.names!r})"


def _ends(key: str, name: str) -> bool:
    return key == name or key.endswith("/" + name.lstrip("/"))
