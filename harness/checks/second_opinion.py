"""A second opinion on the validity of a DICOM object: that of dciodvfy, the validator of dicom3tools."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from harness.checks import questions
from harness.checks.verdict import Verdict
from harness.errors import CheckError

_MOST_SHOWN: Final = 30

# <severity> - </Sequence(gggg,eeee)[1]/Attribute(gggg,eeee)[1]> - <words> - Module=<module>
_LINE: Final = re.compile(r"(Error|Warning) - (?:<(/[^<>]*)> - )?(.*)")
_MODULE: Final = re.compile(r"(?: -)? Module=<([^<>]*)>$")
_STEP: Final = re.compile(r"([A-Za-z0-9]*)\(([0-9a-f]{4}),([0-9a-f]{4})\)(?:\[(\d+)\])?")
_KIND: Final = re.compile(r"[A-Za-z0-9]+")
_UNKNOWN: Final = "Information Object Not found"


@dataclasses.dataclass(frozen=True)
class Objection:
    """What the validator objects to.

    Attributes:
        severity: ``error`` or ``warning``.
        message: the validator's words.
        attribute: keyword of the attribute; its tag where it has none, empty where it is about the whole object.
        module: of the standard that asks for it; empty where the validator names none.
        path: the attributes around it, items counted from 1, e.g. ``SegmentSequence[1].SegmentAlgorithmType``.
    """

    severity: str
    message: str
    attribute: str = ""
    module: str = ""
    path: str = ""

    def __str__(self) -> str:
        module = f" (module {self.module})" if self.module else ""
        return f"{self.path}: {self.message}{module}" if self.path else f"{self.message}{module}"


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class SecondOpinion(Verdict):
    """Whether the validator finds no error; warnings do not count.

    Attributes:
        kind: the information object that it takes the file for, e.g. ``Segmentation``.
        objections: errors and warnings in the validator's order.
    """

    kind: str = ""
    objections: tuple[Objection, ...] = ()

    @property
    def errors(self) -> list[Objection]:
        """Objections that are errors."""
        return [one for one in self.objections if one.severity == "error"]

    @property
    def warnings(self) -> list[Objection]:
        """Objections that are warnings."""
        return [one for one in self.objections if one.severity == "warning"]


class Examined:
    """A DICOM object in a file, which the validator can be asked about."""

    path: Path

    def second_opinion(self, *, ignoring: Collection[str] = ()) -> SecondOpinion:
        """Return dciodvfy's judgement of the object: ``assert segmentation.second_opinion()``.

        It runs in a container of the local engine, without network.

        Args:
            ignoring: keywords of attributes and names of modules that do not count, e.g. those that the object has
                from its source.

        Raises:
            CheckError: the validator does not know such objects, or does not come to an end.
            EngineError: there is no container engine.
            ImageError: the image with the validator cannot be made.
        """
        from harness.checks.validator import examine

        opinion = read_opinion(examine(self.path), self.path, ignoring)
        questions.note_verdict(self.path, "second_opinion", opinion)
        return opinion


def read_opinion(output: str, path: Path, ignoring: Collection[str] = ()) -> SecondOpinion:
    """Return the validator's output as types.

    Raises:
        CheckError: it does not know such objects.
    """
    if isinstance(ignoring, str):
        raise CheckError(f"ignoring is the text {ignoring!r}: give a list of attributes and modules")
    kind, found = "", dict[Objection, None]()
    for line in output.splitlines():
        if match := _LINE.fullmatch(line):
            if match[3] == _UNKNOWN:
                raise CheckError(f"dciodvfy does not know objects such as {path.name}", evidence=str(path))
            found[_read_objection(match[1].lower(), match[2] or "", match[3])] = None
        elif not kind and _KIND.fullmatch(line):
            kind = line
    objections = tuple(one for one in found if not {one.attribute, one.module} & set(ignoring))
    return _judge(path.name, kind, objections)


def _judge(name: str, kind: str, objections: Sequence[Objection]) -> SecondOpinion:
    errors = [f"error: {one}" for one in objections if one.severity == "error"]
    warnings = [f"warning: {one}" for one in objections if one.severity == "warning"]
    lines = [*errors, *warnings]
    more = [f"and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
    counted = f"{len(errors)} error{'' if len(errors) == 1 else 's'}, {len(warnings)} warning"
    counted += "" if len(warnings) == 1 else "s"
    summary = f"{counted}, the first error is {errors[0].partition(' ')[2]}" if errors else counted
    details = (*lines[:_MOST_SHOWN], *more) if errors else ()
    return SecondOpinion(not errors, f"second opinion on {name}", summary, details, kind, tuple(objections))


def _read_objection(severity: str, place: str, words: str) -> Objection:
    module = _MODULE.search(words)
    message = words[: module.start()] if module else words
    # the count behind the attribute itself is that of its value
    steps = [(name or f"({group},{element})", item) for name, group, element, item in _STEP.findall(place)]
    around = [f"{name}[{item}]" if item else name for name, item in steps[:-1]]
    attribute = steps[-1][0] if steps else ""
    path = ".".join([*around, attribute]) if steps else ""
    return Objection(severity, message, attribute, module[1] if module else "", path)
