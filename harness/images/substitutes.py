"""Replace bases and URLs in an author's Dockerfile by those of the site.

Only the copy that is built changes; the author's tree stays unchanged. The evidence has each replacement with its line.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import BuildError
from harness.images.context import ContextEntry
from harness.images.dockerfile import Dockerfile, Instruction
from harness.settings import how_to_set
from harness.settings.values import is_url

_FOLDER = "kaapana-harness-urls"
_IN_IMAGE = f"/opt/{_FOLDER}"
# a URL ends with its quotation mark, or where the shell ends a word
_URL = re.compile(r"(?<=\")https?://[^\"\n]+|(?<=')https?://[^'\n]+|https?://[^\s\"'`\\|;&<>()]+")
# what may follow the URL of the setting in that of the Dockerfile
_BOUNDARY = "/?#@"
_ADD = re.compile(r"^(\s*)ADD\b", re.IGNORECASE)
_ADD_FLAGS = re.compile(r"\s--(?:checksum|keep-git-dir|unpack)(?:=\S+)?")
_MOST_FILES = 20_000


@dataclasses.dataclass(frozen=True)
class Substitute:
    """One replacement: the line of the author's Dockerfile, its text, and the new text."""

    line: int
    given: str
    taken: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.given} -> {self.taken}"


@dataclasses.dataclass(frozen=True)
class Substituted:
    """A Dockerfile with what the site takes.

    Attributes:
        text: to build.
        entries: files that the build needs beside those of the author.
        added: numbers of the lines in ``text`` that the author's Dockerfile does not have.
        replaced: all that was.
    """

    text: str
    entries: tuple[ContextEntry, ...] = ()
    added: tuple[int, ...] = ()
    replaced: tuple[Substitute, ...] = ()


def find_base(reference: str, images: Sequence[tuple[str, str]]) -> str | None:
    """Return the site's image for a base, which the setting names whole, without its tag or without ``local-only/``."""
    known = dict(images)
    repository = reference.rpartition(":")[0] or reference
    short = repository.removeprefix("local-only/")
    return next((known[name] for name in (reference, repository, short) if name in known), None)


def replace_urls(dockerfile: Dockerfile, shown: Path, urls: Sequence[tuple[str, str]]) -> Substituted:
    """Replace the URLs of ``RUN`` and ``ADD``.

    Args:
        dockerfile: the author's.
        shown: its path, for messages.
        urls: each with the file, the folder or the URL that is taken.

    Raises:
        BuildError: a file of the setting is not there, or cannot be used in its place.
    """
    if not urls:
        return Substituted(dockerfile.text)
    writer = _Writer(dockerfile, shown, dict(urls))
    for instruction in dockerfile.instructions:
        if instruction.keyword in ("RUN", "ADD") and not instruction.onbuild:
            writer.rewrite(instruction)
    return writer.result()


class _Writer:
    """Rewrites a Dockerfile instruction by instruction."""

    def __init__(self, dockerfile: Dockerfile, shown: Path, urls: Mapping[str, str]) -> None:
        self._lines = dockerfile.text.splitlines(keepends=True)
        self._shown = shown
        self._urls = urls
        # lines that go before a line of the author's
        self._before: dict[int, list[str]] = {}
        self._entries: dict[str, ContextEntry] = {}
        self._replaced: list[Substitute] = []

    def rewrite(self, instruction: Instruction) -> None:
        """Replace what the instruction names."""
        local, others = list[str](), list[str]()
        for number in range(instruction.line - 1, instruction.last):
            line = self._lines[number]
            for match in reversed(list(_URL.finditer(line))):
                found = self._find(match[0])
                if found is None:
                    others.append(match[0])
                    continue
                key, taken = found
                if is_url(taken):
                    text = _join(key, match[0], taken)
                else:
                    local.append(match[0])
                    revision = "@" if line[: match.start()].endswith("git+") else ""
                    text = self._local(instruction, key, match[0], Path(taken), revision)
                line = line[: match.start()] + text + line[match.end() :]
                self._replaced.append(Substitute(number + 1, match[0], taken))
            self._lines[number] = line
        if local and instruction.keyword == "ADD":
            self._add_as_copy(instruction, others)

    def result(self) -> Substituted:
        """Return the Dockerfile with its replacements."""
        text, added, count = [], list[int](), 0
        for number, line in enumerate(self._lines):
            for new in self._before.get(number, ()):
                text.append(new)
                count += 1
                added.append(number + count)
            text.append(line)
        replaced = tuple(sorted(dict.fromkeys(self._replaced), key=lambda one: one.line))
        return Substituted("".join(text), tuple(self._entries.values()), tuple(added), replaced)

    def _find(self, url: str) -> tuple[str, str] | None:
        """Return the longest URL of the setting that an author's URL begins with, and its replacement."""
        for key in sorted(self._urls, key=len, reverse=True):
            rest = url.removeprefix(key)
            if url.startswith(key) and (not rest or key.endswith("/") or rest[0] in _BOUNDARY):
                return key, self._urls[key]
        return None

    def _local(self, instruction: Instruction, key: str, url: str, taken: Path, revision: str) -> str:
        """Add a file or a folder to the context, and return the text that names it in place of the URL.

        Args:
            revision: the sign before a revision at the end of the URL; empty if it has none.
        """
        inside, tail = _split(url[len(key) :], revision)
        path = taken / inside.strip("/") if inside.strip("/") else taken
        if path != taken and not taken.is_dir():
            raise self._error(instruction, url, f"{taken} is not a folder")
        if not path.exists():
            raise self._error(instruction, url, f"{path} does not exist")
        if instruction.keyword == "RUN" and re.search(rf"\bwget\b[^;&|\n]*{re.escape(url)}", self._text(instruction)):
            raise BuildError(
                f"{self._shown}:{instruction.line}: wget does not read files, and {url} is mapped to {path}",
                fix="map it to the URL of a mirror, or download it with curl",
            )
        # a download keeps its name of the URL
        name = (os.path.basename(urlsplit(key).path.rstrip("/")) if path == taken else "") or path.name
        place = f"{hashlib.sha256((key + inside).encode()).hexdigest()[:8]}/{name}"
        for entry in self._entries_of(instruction, url, path, f".{_FOLDER}/{place}"):
            self._entries.setdefault(entry.name, entry)
        if instruction.keyword == "ADD":
            return f".{_FOLDER}/{place}{tail}"
        copy = f'COPY [".{_FOLDER}/{place}", "{_IN_IMAGE}/{place}"]\n'
        before = self._before.setdefault(instruction.line - 1, [])
        if copy not in before:
            before.append(copy)
        return f"file://{_IN_IMAGE}/{place}{tail}"

    def _entries_of(self, instruction: Instruction, url: str, path: Path, name: str) -> Iterator[ContextEntry]:
        if path.is_file():
            # what ADD downloads is for its owner alone
            yield ContextEntry(name, path=path, mode=0o600 if instruction.keyword == "ADD" else 0o644)
            return
        for number, file in enumerate(sorted(path.rglob("*"))):
            if number >= _MOST_FILES:
                raise self._error(instruction, url, f"{path} has more than {_MOST_FILES} files")
            status = file.lstat()
            if stat.S_ISREG(status.st_mode):
                yield ContextEntry(
                    f"{name}/{file.relative_to(path).as_posix()}", path=file, mode=stat.S_IMODE(status.st_mode) | 0o444
                )

    def _add_as_copy(self, instruction: Instruction, others: Sequence[str]) -> None:
        """Make an ``ADD`` of a URL a ``COPY``: of a file it would unpack an archive, of a URL it does not."""
        sources = [word for word in instruction.words[:-1] if not is_url(word.strip("[],\"'"))]
        if others or sources:
            raise BuildError(
                f"{self._shown}:{instruction.line}: an ADD of several sources, of which a setting replaces some",
                last_seen=str(instruction),
                fix="write an ADD of its own for each source",
            )
        for number in range(instruction.line - 1, instruction.last):
            self._lines[number] = _ADD_FLAGS.sub("", self._lines[number])
        self._lines[instruction.line - 1] = _ADD.sub(r"\1COPY", self._lines[instruction.line - 1])

    def _text(self, instruction: Instruction) -> str:
        return " ".join(instruction.arguments.split())

    def _error(self, instruction: Instruction, url: str, reason: str) -> BuildError:
        return BuildError(
            f"{self._shown}:{instruction.line}: {url} cannot be replaced: {reason}",
            last_seen=str(instruction),
            fix=f"correct {how_to_set('build_urls')}",
        )


def _split(rest: str, revision: str) -> tuple[str, str]:
    """Split what follows a folder: the path that is known here, and what only the shell or the tool knows.

    The query is dropped: files have none.
    """
    path, fragment, after = re.split(r"\?[^#]*", rest, maxsplit=1)[0], "", ""
    for sign in ("#", revision):
        if sign and sign in path:
            path, _, after = path.partition(sign)
            fragment = f"{sign}{after}{fragment}"
    if "$" in path:
        known = path[: path.index("$")].rpartition("/")[0]
        return known, path[len(known) :] + fragment
    return path, fragment


def _join(key: str, url: str, taken: str) -> str:
    rest = url[len(key) :]
    if key.endswith("/") and rest and not taken.endswith("/"):
        return f"{taken}/{rest}"
    return taken + rest
