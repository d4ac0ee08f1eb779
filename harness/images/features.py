"""What a Dockerfile can ask of its builder, and which builder knows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from harness.doctor import api_range
from harness.images.dockerfile import Instruction, Stage

Syntax = tuple[int, int]

LEGACY: Final[Syntax] = (1, 0)
"""The version of the Dockerfile's syntax whose features the legacy builder has."""

_FLAGS: Final[dict[tuple[str, str], Syntax]] = {
    ("RUN", "mount"): (1, 2),
    ("RUN", "network"): (1, 3),
    ("RUN", "security"): (1, 20),
    ("COPY", "chmod"): (1, 2),
    ("COPY", "link"): (1, 4),
    ("COPY", "exclude"): (1, 19),
    ("COPY", "parents"): (1, 20),
    ("ADD", "chmod"): (1, 2),
    ("ADD", "link"): (1, 4),
    ("ADD", "checksum"): (1, 6),
    ("ADD", "keep-git-dir"): (1, 6),
    ("ADD", "unpack"): (1, 17),
    ("ADD", "exclude"): (1, 19),
}
_HEREDOCS: Final[Syntax] = (1, 4)
_PLATFORMS: Final[Syntax] = (1, 2)
SECRET_VARIABLES: Final[Syntax] = (1, 10)
"""The first version whose secrets can be variables of a step."""
_PATTERNS: Final[Syntax] = (1, 7)
_SYMBOLIC: Final[Syntax] = (1, 14)
_PLATFORM: Final = re.compile(r"\$\{?((?:BUILD|TARGET)(?:PLATFORM|OS|ARCH|VARIANT))\b")
_PATTERN: Final = re.compile(r"\$\{\w+(?:##?|%%?|//?)[^}]{0,200}\}")
_SECRET_VARIABLE: Final = re.compile(r"(?:^|,)env=")
# "1" and the like are always the newest, and previews ("-labs") have features of later versions
_PINNED: Final = re.compile(r"(?:\S+/)?docker/dockerfile(?:-upstream)?:(\d{1,4})\.(\d{1,4})(?:\.\d+)?(?:@\S+)?")
_OCTAL: Final = re.compile(r"[0-7]+|.*\$.*")
_OF_THE_PLATFORM: Final = frozenset({"amd64", "x86_64", "x86-64", "386", "i386"})
"""Processors whose programs run on the platform's machines."""
_UNEXPANDED: Final = frozenset({"RUN", "CMD", "ENTRYPOINT"})


class _Release(NamedTuple):
    """What the BuildKit in a release of Docker has built in; the last release of those with the same API."""

    api: tuple[int, int]
    name: str
    syntax: Syntax


_RELEASES: Final = (
    _Release((1, 41), "20.10", (1, 2)),
    _Release((1, 42), "23.0", (1, 4)),
    _Release((1, 43), "24.0", (1, 5)),
    _Release((1, 44), "25.0", (1, 6)),
    _Release((1, 45), "26.0", (1, 7)),
    _Release((1, 46), "27.0", (1, 8)),
    _Release((1, 47), "27.2", (1, 9)),
    _Release((1, 48), "28.0", (1, 14)),
    _Release((1, 49), "28.1", (1, 15)),
    _Release((1, 50), "28.2", (1, 16)),
    _Release((1, 51), "28.5", (1, 19)),
    # newer versions know all of these features
    _Release((1, 52), "29.0", (1, 20)),
)


class RequiredFeature(NamedTuple):
    """A feature in a Dockerfile: as the author wrote it, its line, and the syntax version that introduced it."""

    feature: str
    line: int
    syntax: Syntax


def find_required(instructions: Iterable[Instruction]) -> Iterator[RequiredFeature]:
    """Yield all features that the legacy builder lacks, in the order of the file."""
    valued: set[str] = set()
    for instruction in instructions:
        if instruction.keyword == "ARG":
            valued.update(name for name, given, _ in (word.partition("=") for word in instruction.words) if given)
        keyword, line = instruction.keyword, instruction.line
        flags = instruction.flags
        for flag, value in flags.items():
            if syntax := _FLAGS.get((keyword, flag)):
                yield RequiredFeature(f"{keyword} --{flag}", line, syntax)
            if (keyword, flag) == ("RUN", "mount") and _SECRET_VARIABLE.search(value):
                yield RequiredFeature("RUN --mount=type=secret with env=", line, SECRET_VARIABLES)
            if flag == "chmod" and not _OCTAL.fullmatch(value):
                yield RequiredFeature(f"{keyword} --chmod={value}", line, _SYMBOLIC)
        if keyword == "FROM" and (match := _PLATFORM.search(instruction.arguments)) and match[1] not in valued:
            yield RequiredFeature(f"FROM with ${match[1]}", line, _PLATFORMS)
        if instruction.heredocs:
            yield RequiredFeature(f"{keyword} with a here-document", line, _HEREDOCS)
        if keyword not in _UNEXPANDED and (pattern := _PATTERN.search(instruction.arguments)):
            yield RequiredFeature(f"{keyword} with {pattern[0]}", line, _PATTERNS)


def find_foreign_platform(stages: Sequence[Stage]) -> tuple[str, int] | None:
    """Return the platform that makes an image one that cannot run on the platform, and the line of its ``FROM``.

    Stages that are only copied from may be for any machine.
    """
    earlier = list(stages)
    while earlier:
        stage = earlier.pop()
        if stage.platform:
            return None if _runs(stage.platform) else (stage.platform, stage.instructions[0].line)
        # a stage on another one is for the same machine
        while earlier and earlier[-1].name != stage.base.lower():
            earlier.pop()
    return None


def _runs(platform: str) -> bool:
    system, _, rest = platform.lower().partition("/")
    if not rest:
        return "$" in system or system in {"linux", *_OF_THE_PLATFORM}
    return "$" in platform or (system == "linux" and rest.partition("/")[0] in _OF_THE_PLATFORM)


def find_syntax(api: str) -> Syntax:
    """Return the version of the Dockerfile's syntax that the BuildKit of an engine has built in, by its newest API."""
    version = api_range.parse_version(api)
    return max((release.syntax for release in _RELEASES if release.api <= version), default=LEGACY)


def find_pinned(frontend: str) -> Syntax | None:
    """Return the version that a reference in ``# syntax=`` stays at; ``None`` if it moves on or is another's image."""
    match = _PINNED.fullmatch(frontend)
    return (int(match[1]), int(match[2])) if match else None


def find_release(syntax: Syntax) -> str:
    """Return the release of Docker whose BuildKit supports a version of the Dockerfile's syntax."""
    return next(release.name for release in _RELEASES if release.syntax >= syntax)
