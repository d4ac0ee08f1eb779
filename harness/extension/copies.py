"""What the instructions of a Dockerfile bring from its context, and where, by the builders' own rules (build 3)."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from harness.common.references import find_last_part
from harness.errors import BuildError, ExtensionError
from harness.extension import trees, wildcards
from harness.images.context import find_ignore_file, list_author_names
from harness.images.dockerfile import Dockerfile, Instruction, substitute

_LONGEST_NAME = 255
_ARCHIVE = re.compile(r"\.(tar|tar\.(gz|bz2|xz)|tgz|tbz2?|txz)$")
_URL = re.compile(r"^(https?|ftp|git|ssh)://|^git@|\.git(#|$)")
_OPERATORS = frozenset({"&&", "||", ";", "|", "&"})
# characters that a shell expands
_SHELL = re.compile(r"[&|;$`{}*?<>(]")


@dataclasses.dataclass(frozen=True)
class Copy:
    """One file that a Dockerfile copies from its context: absolute path in the image, and the source."""

    destination: str
    source: Path


@dataclasses.dataclass(frozen=True)
class Copied:
    """What a Dockerfile copies.

    Attributes:
        files: of the last stage, in the order of the Dockerfile; a later copy to the same path replaces an earlier one.
        unread: the instructions, each with its line, that may bring more below the folder that was asked for: only
            the built image shows what.
        ignored: sources that the ``.dockerignore`` leaves out of the context.
    """

    files: tuple[Copy, ...]
    unread: tuple[str, ...]
    ignored: tuple[Path, ...] = ()


@dataclasses.dataclass
class _Stage:
    """A stage while its instructions are followed."""

    files: dict[str, Path] = dataclasses.field(default_factory=dict)
    folders: set[str] = dataclasses.field(default_factory=lambda: {"/"})
    unread: list[str] = dataclasses.field(default_factory=list)
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    workdir: str = "/"

    def child(self) -> _Stage:
        """Return the stage that begins with this one as its base."""
        return _Stage(dict(self.files), set(self.folders), list(self.unread), dict(self.variables), self.workdir)

    def path(self, text: str) -> str:
        """Return a path of the image as an absolute one."""
        return posixpath.normpath(posixpath.join(self.workdir, text))

    def add_folder(self, path: str) -> None:
        """Remember that a folder is there, and those above it."""
        while path not in self.folders:
            self.folders.add(path)
            path = posixpath.dirname(path)

    def add_file(self, path: str, source: Path) -> None:
        """Remember that a file is there."""
        self.files[path] = source
        self.add_folder(posixpath.dirname(path))


def find_copies(root: Path, dockerfile: Path, *, below: PurePosixPath, base: str) -> Copied:
    """Return the files that reach an image by ``COPY`` and ``ADD``.

    Missing sources are left out: the build fails later with the builder's own message.

    Args:
        root: the tree, which no link may lead out of.
        dockerfile: in the folder that is its context.
        below: the folder of the image that counts.
        base: the image, without registry and tag, that has nothing there.

    Raises:
        ExtensionError: a file cannot be read, or a link leads out of the tree.
    """
    taken, ignored = _taken(dockerfile), list[Path]()
    parsed = Dockerfile(trees.read_text(root, dockerfile))
    declared = dict(pair for instruction in _before_stages(parsed) for pair in _assignments(instruction))
    stages: dict[str, _Stage] = {}
    stage = _Stage()
    for number, described in enumerate(parsed.stages({})):
        earlier = stages.get(described.base.lower())
        stage = earlier.child() if earlier else _Stage()
        if earlier is None and find_last_part(described.base) != base:
            stage.unread.append(_describe(described.instructions[0]))
        follower = _Follower(root, dockerfile.parent, below, stages, stage, declared, taken, ignored)
        for instruction in described.instructions[1:]:
            if not instruction.onbuild:
                follower.follow(instruction)
        stages[str(number)] = stage
        if described.name:
            stages[described.name] = stage
    files = tuple(Copy(path, source) for path, source in stage.files.items())
    return Copied(files, tuple(stage.unread), tuple(ignored))


def _taken(dockerfile: Path) -> set[str] | None:
    """Return the names that the context has, ``None`` for all of the folder."""
    if find_ignore_file(dockerfile.parent, dockerfile.name) is None:
        return None
    try:
        return list_author_names(dockerfile.parent, dockerfile.name)
    except BuildError as error:
        raise ExtensionError(error.cause, fix=error.fix) from None


def _describe(instruction: Instruction) -> str:
    return f"line {instruction.line}: {instruction}"


@dataclasses.dataclass(frozen=True)
class _Follower:
    """Follows the instructions of one stage.

    Attributes:
        stages: the earlier ones by name and number.
        declared: values of ARG before the first stage, which a stage has once it declares them, too.
        taken: names in the context, ``None`` for all of its folder.
        ignored: gets the sources that the context lacks although the folder has them.
    """

    root: Path
    context: Path
    below: PurePosixPath
    stages: dict[str, _Stage]
    stage: _Stage
    declared: Mapping[str, str]
    taken: set[str] | None
    ignored: list[Path]

    def follow(self, instruction: Instruction) -> None:
        """Apply an instruction, as far as it counts for files."""
        stage, keyword = self.stage, instruction.keyword
        if keyword in {"ARG", "ENV"}:
            if keyword == "ARG":
                stage.variables.update((n, self.declared[n]) for n in instruction.words if n in self.declared)
            stage.variables.update(_assignments(instruction))
        elif keyword == "WORKDIR":
            text = substitute(instruction.arguments, stage.variables)
            stage.workdir = stage.path(text.strip().strip("\"'"))
            stage.add_folder(stage.workdir)
        elif keyword in {"COPY", "ADD"}:
            self._copy(instruction)
        elif keyword == "RUN":
            self._run(instruction)

    def _copy(self, instruction: Instruction) -> None:
        stage = self.stage
        arguments = instruction.arguments
        # options come before the words, also before those in brackets
        while arguments.startswith("--"):
            arguments = (arguments.split(None, 1)[1:] or [""])[0]
        *sources, target = [substitute(word, stage.variables) for word in _words(arguments)] or [""]
        if not sources:
            return
        into = stage.path(target)
        folder = target.endswith(("/", "/.")) or target in {".", ".."} or len(sources) > 1 or into in stage.folders
        origin = instruction.flags.get("from")
        if origin is not None:
            other = self.stages.get(substitute(origin, stage.variables).lower())
            if other is None:
                self._note_unresolved(instruction, into)
            else:
                self._copy_of_stage(other, sources, into, folder)
            return
        for source in sources:
            strange = instruction.heredocs or "$" in source or "$" in target
            if strange or (instruction.keyword == "ADD" and (_URL.search(source) or _ARCHIVE.search(source))):
                self._note_unresolved(instruction, into)
                return
        matches = [match for source in sources for match in self._matches(source)]
        folder = folder or len(matches) > 1
        for match in matches:
            at = trees.inside(self.root, match)
            if at.is_dir():
                # the content of a folder is copied, not the folder itself
                stage.add_folder(into)
                for file in trees.walk(at):
                    relative = file.relative_to(at)
                    if self._is_taken(match / relative):
                        stage.add_file(posixpath.join(into, relative.as_posix()), file)
            elif at.is_file():
                stage.add_file(posixpath.join(into, match.name) if folder else into, at)

    def _copy_of_stage(self, other: _Stage, sources: list[str], into: str, folder: bool) -> None:
        self.stage.unread += other.unread
        for text in sources:
            source = posixpath.normpath(posixpath.join("/", text))
            if source in other.files:
                at = posixpath.join(into, posixpath.basename(source)) if folder else into
                self.stage.add_file(at, other.files[source])
            for path, file in other.files.items():
                if path.startswith(source.rstrip("/") + "/"):
                    self.stage.add_file(posixpath.join(into, posixpath.relpath(path, source)), file)

    def _is_taken(self, path: Path) -> bool:
        """Return whether the context has a path of its folder."""
        if self.taken is None or path == self.context or path.relative_to(self.context).as_posix() in self.taken:
            return True
        self.ignored.append(path)
        return False

    def _matches(self, pattern: str) -> list[Path]:
        """Return the paths that a source names. It cannot leave the context: a leading ``..`` is cut off."""
        parts = PurePosixPath(posixpath.normpath("/" + pattern)).parts[1:]
        if "\0" in pattern or any(len(part) > _LONGEST_NAME for part in parts):
            return []
        relative = "/".join(parts)
        if not wildcards.has_wildcard(relative):
            path = self.context / relative
            return [path] if path.exists() and self._is_taken(path) else []
        paths = list(trees.walk(self.context))
        # a pattern may name a folder; the folders of a source tree have files
        folders = {
            parent
            for path in paths
            for parent in path.parents
            if parent != self.context and self.context in parent.parents
        }
        names = ((path, path.relative_to(self.context).as_posix()) for path in {*paths, *folders})
        return sorted(path for path, name in names if wildcards.matches(relative, name) and self._is_taken(path))

    def _run(self, instruction: Instruction) -> None:
        stage = self.stage
        words = _words(instruction.arguments)
        for folder in _made_folders(words):
            stage.add_folder(stage.path(substitute(folder, stage.variables)))
        only_makes = bool(words) and words[0] == "mkdir" and not _SHELL.search(instruction.arguments)
        inside = PurePosixPath(stage.workdir).is_relative_to(self.below)
        if (inside or str(self.below) in instruction.arguments or instruction.heredocs) and not only_makes:
            stage.unread.append(_describe(instruction))

    def _note_unresolved(self, instruction: Instruction, into: str) -> None:
        """Record an instruction that only the built image shows the result of, where it can count."""
        at = PurePosixPath(into)
        if "$" in into or at.is_relative_to(self.below) or self.below.is_relative_to(at):
            self.stage.unread.append(_describe(instruction))


def _before_stages(dockerfile: Dockerfile) -> Iterator[Instruction]:
    for instruction in dockerfile.instructions:
        if instruction.keyword == "FROM":
            return
        yield instruction


def _made_folders(words: list[str]) -> Iterator[str]:
    """Yield the folders that the commands of a ``RUN`` make by ``mkdir``."""
    making = False
    for word in words:
        if word in _OPERATORS:
            making = False
        elif making and not word.startswith("-"):
            yield word.rstrip(";")
        making = word == "mkdir" or (making and not word.endswith(";") and word not in _OPERATORS)


def _assignments(instruction: Instruction) -> Iterator[tuple[str, str]]:
    words = _words(instruction.arguments)
    if instruction.keyword == "ENV" and len(words) > 1 and "=" not in words[0]:
        # the old form, of one variable
        yield words[0], " ".join(words[1:])
        return
    for word in words:
        name, given, value = word.partition("=")
        if given:
            yield name, value


def _words(arguments: str) -> list[str]:
    if arguments.startswith("["):
        try:
            words = json.loads(arguments)
        except (ValueError, RecursionError):
            return []
        return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
    try:
        return shlex.split(arguments)
    except ValueError:
        return arguments.split()
