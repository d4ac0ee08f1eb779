"""A Dockerfile as instructions and stages with their lines: enough to find its needs and the needed stages."""

from __future__ import annotations

import bisect
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping

_PLATFORM = {"PLATFORM": "linux/amd64", "OS": "linux", "ARCH": "amd64", "VARIANT": ""}
AUTOMATIC = {f"{side}{name}": value for side in ("BUILD", "TARGET") for name, value in _PLATFORM.items()}
"""The arguments that BuildKit gives to each Dockerfile, on the architecture that images of the platform are for."""

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(\S.*?)\s*")
_SYNTAX = re.compile(r"\ufeff?\s*#\s*syntax\s*=", re.IGNORECASE)
_RUN = re.compile(r"\ufeff?\s*RUN(?=\s|$)", re.IGNORECASE)
_HEREDOC = re.compile(r"\d*<<(-?)([\"']?)([A-Za-z_][\w.-]*)\2")
_WORD = re.compile(r"(?:\"(?:\\.|[^\"\\])*\"|'[^']*'|\\.|[^\s\"'\\])+")
_WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})
# bounded, so that text with many openings and no end is read quickly
_VARIABLE = re.compile(r"\$(?:\{(?P<name>\w{1,200})(?::?(?P<how>[-+?])(?P<word>[^}]{0,200}))?\}|(?P<bare>\w+))")
_VALUE = re.compile(r"\$(?:\{[^}]{0,400}\}|\w+)")
_MOUNT_FROM = re.compile(r"(?:^|,)from=([^,]+)")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        keyword: in capital letters, that of the trigger for ``ONBUILD``.
        onbuild: it is a trigger for images that are built on this one.
        arguments: with continued lines joined, without the text of here-documents.
        line: its first line, the first of the file is 1.
        last: its last line.
        heredocs: it has here-documents.
    """

    keyword: str
    arguments: str
    line: int
    last: int
    heredocs: bool = False
    onbuild: bool = False

    @property
    def flags(self) -> dict[str, str]:
        """Its options by name, without the dashes; a missing value is empty."""
        found: dict[str, str] = {}
        for word in self.arguments.split():
            if not word.startswith("--"):
                break
            name, _, value = word[2:].partition("=")
            found[name] = f"{found[name]},{value}" if name in found else value
        return found

    @property
    def words(self) -> list[str]:
        """Its arguments without options."""
        words = self.arguments.split()
        while words and words[0].startswith("--"):
            del words[0]
        return words

    def __str__(self) -> str:
        """Return the instruction as builders show it."""
        return f"{'ONBUILD ' if self.onbuild else ''}{self.keyword} {' '.join(self.arguments.split())}"


@dataclasses.dataclass(frozen=True)
class Stage:
    """What begins with a ``FROM``: its name in small letters or empty; base and platform with values of ARG put in."""

    name: str
    base: str
    platform: str
    instructions: tuple[Instruction, ...]

    @property
    def sources(self) -> Iterator[tuple[Instruction, str]]:
        """Yield each stage or image that files are copied or mounted from, with the instruction that names it."""
        for instruction in self.instructions:
            if instruction.keyword in {"COPY", "ADD"} and (source := instruction.flags.get("from")):
                yield instruction, source
            if instruction.keyword == "RUN":
                for source in _MOUNT_FROM.findall(instruction.flags.get("mount", "")):
                    yield instruction, source


class Dockerfile:
    """A Dockerfile.

    Attributes:
        text: as written.
        syntax: the image that ``# syntax=`` names; empty without one.
        instructions: all of them, in order.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        directives, begin = _directives(text)
        self.syntax = directives.get("syntax", "").split(" ")[0]
        self.instructions = tuple(_instructions(text.splitlines(), begin, directives.get("escape", "\\")))

    def stages(self, buildargs: Mapping[str, str]) -> list[Stage]:
        """Return the stages in order; ``buildargs`` are values of ARG that bases may have in their names."""
        values = dict(buildargs)
        begun: list[tuple[Instruction, list[Instruction]]] = []
        for instruction in self.instructions:
            if instruction.keyword == "FROM":
                begun.append((instruction, [instruction]))
            elif begun:
                begun[-1][1].append(instruction)
            elif instruction.keyword == "ARG":
                for word in instruction.words:
                    name, given, value = word.partition("=")
                    if given:
                        values.setdefault(name, _unquote(value, {**AUTOMATIC, **values}))
        result = []
        for opening, instructions in begun:
            texts = [opening.flags.get("platform", ""), *opening.words]
            platform, *words = (substitute(word, {**AUTOMATIC, **values}).strip("\"'") for word in texts)
            name = words[2].lower() if len(words) > 2 and words[1].upper() == "AS" else ""
            result.append(Stage(name, words[0] if words else "", platform, tuple(instructions)))
        return result

    def without_unneeded_stages(self, buildargs: Mapping[str, str]) -> Dockerfile:
        """Return the file without stages that the last one does not need, each of their lines an empty comment.

        BuildKit skips them, other builders make them. If stages are named by number or by a
        variable, all of them stay.
        """
        stages = self.stages(buildargs)
        if not stages:
            return self
        numbers = {stage.name: number for number, stage in enumerate(stages) if stage.name}
        needed, waiting = set[int](), [len(stages) - 1]
        while waiting:
            number = waiting.pop()
            if number in needed:
                continue
            needed.add(number)
            for reference in (stages[number].base, *(source for _, source in stages[number].sources)):
                if "$" in reference or reference.isdecimal():
                    return self
                if (other := numbers.get(reference.lower(), number)) < number:
                    waiting.append(other)
        lines = self.text.splitlines(keepends=True)
        for number, stage in enumerate(stages):
            if number not in needed:
                for instruction in stage.instructions:
                    lines[instruction.line - 1 : instruction.last] = ["#\n"] * (instruction.last - instruction.line + 1)
        return self if len(needed) == len(stages) else Dockerfile("".join(lines))

    def without_arguments(self, names: Iterable[str]) -> Dockerfile:
        """Return the file without the declarations of some ARGs; the lines keep their numbers."""
        unwanted = frozenset(names)
        lines = self.text.splitlines(keepends=True)
        for instruction in self.instructions:
            kept = [word for word in instruction.words if word.partition("=")[0] not in unwanted]
            if instruction.keyword == "ARG" and len(kept) < len(instruction.words):
                trigger = "ONBUILD " if instruction.onbuild else ""
                first = f"{trigger}ARG {' '.join(kept)}\n" if kept else "#\n"
                size = instruction.last - instruction.line + 1
                lines[instruction.line - 1 : instruction.last] = [first, *["#\n"] * (size - 1)]
        return Dockerfile("".join(lines))

    def with_secrets(self, names: Iterable[str]) -> Dockerfile:
        """Return the file with secrets as variables of its steps, see :func:`make_secret_mount`."""
        mounts = "".join(f" {make_secret_mount(name)}" for name in names)
        lines = self.text.splitlines(keepends=True)
        for instruction in self.instructions:
            if instruction.keyword == "RUN" and not instruction.onbuild:
                number = instruction.line - 1
                lines[number] = _RUN.sub(lambda match: match[0] + mounts, lines[number], count=1)
        return Dockerfile("".join(lines))

    def without_syntax(self) -> Dockerfile:
        """Return the file without ``# syntax=``; the lines of instructions keep their numbers."""
        lines = self.text.splitlines(keepends=True)
        _, count = _directives(self.text)
        kept = [line for line in lines[:count] if not _SYNTAX.match(line)]
        # a comment that is not a directive ends the directives
        return Dockerfile("".join([*kept, *["#\n"] * (count - len(kept)), *lines[count:]]))

    def line_of(self, shown: str) -> int:
        """Return the line of the one instruction that a builder shows, with values put in; 0 if that is not clear."""
        found = [instruction.line for instruction in self.instructions if _shows(instruction, shown)]
        return found[0] if len(found) == 1 else 0


def make_secret_id(name: str) -> str:
    """Return the name that a build has for the secret that becomes a variable."""
    return f"kaapana-harness-{name}"


def make_secret_mount(name: str) -> str:
    """Return the option of ``RUN`` that makes a secret a variable (Dockerfile syntax 1.10)."""
    return f"--mount=type=secret,id={make_secret_id(name)},env={name}"


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Return a text with the values of variables; those without a value stay as written."""

    def value(match: re.Match[str]) -> str:
        name = match["name"] or match["bare"]
        given = values.get(name, "")
        if match["how"] == "+":
            return match["word"] if given else ""
        if match["how"] == "-":
            return given or match["word"]
        return given if name in values else match[0]

    return _VARIABLE.sub(value, text)


def _unquote(text: str, values: Mapping[str, str]) -> str:
    """Return a word without its quotation marks, and with the values of variables unless the marks are single."""
    return text.strip("'") if text.startswith("'") else substitute(text, values).strip('"')


def _shows(instruction: Instruction, shown: str) -> bool:
    text = str(instruction)
    if instruction.heredocs:
        return shown.startswith(text)
    first, *others = _VALUE.split(text)
    rest = " ".join(shown.split())
    if not others:
        return rest == first
    if not rest.startswith(first):
        return False
    at = len(first)
    for part in others[:-1]:
        # the first place will do: what follows may then begin anywhere behind it
        found = rest.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(rest) - at >= len(others[-1]) and rest.endswith(others[-1])


def _directives(text: str) -> tuple[dict[str, str], int]:
    """Return the parser directives, and how many lines they take."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines()):
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None:
            return found, number
        found.setdefault(match[1].lower(), match[2])
    return found, len(found)


def _instructions(lines: list[str], begin: int, escape: str) -> Iterator[Instruction]:
    continued = re.compile(rf"{re.escape(escape)}[ \t]*$")
    ends = _Ends(lines)
    number = begin
    while number < len(lines):
        first, parts = number, list[str]()
        while number < len(lines):
            line = lines[number].removeprefix("\ufeff").strip()
            number += 1
            if not line or line.startswith("#"):
                if not parts:
                    break
                continue
            parts.append(continued.sub("", line))
            if not continued.search(line):
                break
        if not parts:
            continue
        keyword, arguments = _split(" ".join(parts))
        onbuild = keyword == "ONBUILD"
        if onbuild:
            keyword, arguments = _split(arguments)
        end = ends.after(arguments, number) if keyword in _WITH_HEREDOCS else number
        yield Instruction(keyword, arguments, first + 1, end, heredocs=end > number, onbuild=onbuild)
        number = end


def _split(text: str) -> tuple[str, str]:
    keyword, *rest = text.split(None, 1)[:2] or [""]
    return keyword.upper(), rest[0].strip() if rest else ""


class _Ends:
    """Where here-documents can end."""

    def __init__(self, lines: list[str]) -> None:
        self._numbers: dict[str, list[int]] = {}
        self._without_tabs: dict[str, list[int]] = {}
        for number, line in enumerate(lines):
            self._numbers.setdefault(line, []).append(number)
            self._without_tabs.setdefault(line.lstrip("\t"), []).append(number)

    def after(self, arguments: str, number: int) -> int:
        """Return the line after an instruction's here-documents; each must have its end."""
        end = number
        for word in _WORD.findall(arguments):
            if match := _HEREDOC.fullmatch(word):
                found = (self._without_tabs if match[1] else self._numbers).get(match[3], [])
                place = bisect.bisect_left(found, end)
                if place == len(found):
                    return number
                end = found[place] + 1
        return end
