"""A rule declares a kind of problem, a finding reports one that occurred."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from harness import profiles
from harness.common.redaction import redact

Severity = Literal["error", "warning", "info"]
Releases = Callable[[profiles.Profile], bool]


def some_releases(_: profiles.Profile) -> bool:
    """Mark a rule that applies to some releases only, which each finding names."""
    raise TypeError("each finding of this rule names its releases")


EVERY_RELEASE: Final[Releases | None] = None


@dataclasses.dataclass(frozen=True)
class Rule:
    """A kind of problem of an extension or a run. All rules are in :data:`harness.findings.RULES`.

    Args:
        id: stable name, used in ``run.json`` and in tests of authors.
        severity: ``error`` if a run fails or a result is lost, ``info`` if nothing has to be done.
        meaning: one line for the documentation.
        fix: the next step, unless each finding has its own.
        releases: whether the rule applies to a release; :func:`some_releases` if each finding names them.
        other_severity: a second severity, which some findings have.
        loses_output: the task may succeed without writing the files that a later one needs.
    """

    id: str
    severity: Severity
    meaning: str
    fix: str = ""
    releases: Releases | None = EVERY_RELEASE
    other_severity: Severity | None = None
    loses_output: bool = False

    def platforms(self) -> tuple[str, ...]:
        """Return the names of the releases that the rule applies to, oldest first; empty for all."""
        if self.releases is None:
            return ()
        return tuple(release.name for release in profiles.releases() if self.releases(release))

    def concerns(self, platform: str) -> bool:
        """Return whether the rule applies to a platform, by the name of its profile."""
        return self.releases is None or self.releases(profiles.load(platform))

    def report(
        self,
        where: str,
        message: str,
        *,
        fix: str | None = None,
        platforms: tuple[str, ...] | None = None,
        severity: Severity | None = None,
    ) -> Finding:
        """Return a finding of this rule.

        Args:
            where: the task, file or object.
            message: what is wrong with it.
            fix: the next step; by default that of the rule.
            platforms: profiles that it applies to; by default the releases of the rule.
            severity: one of the rule's two; by default the first.

        Raises:
            ValueError: the rule has no such severity.
        """
        if severity not in (None, self.severity, self.other_severity):
            raise ValueError(f"findings of {self.id} are never of severity {severity!r}")
        return Finding(
            self.id,
            severity or self.severity,
            where,
            message,
            self.fix if fix is None else fix,
            self.platforms() if platforms is None else platforms,
        )


@dataclasses.dataclass(frozen=True)
class Finding:
    """A problem that an author should know, although the run may have succeeded. Credentials are redacted.

    :meth:`Rule.report` makes one.

    Args:
        rule: id of the rule.
        severity: ``error``, ``warning`` or ``info``.
        where: the task, file or object.
        message: what is wrong with it.
        fix: the next step.
        platforms: profiles that it applies to; empty for all.
    """

    rule: str
    severity: str
    where: str
    message: str
    fix: str = ""
    platforms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("where", "message", "fix"):
            object.__setattr__(self, name, redact(getattr(self, name)))

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object, as ``run.json`` has it."""
        return {**dataclasses.asdict(self), "platforms": list(self.platforms)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Finding:
        """Read what :meth:`as_json` returned."""
        return cls(**{**document, "platforms": tuple(document["platforms"])})

    def concerns(self, platform: str) -> bool:
        """Return whether the finding applies to a platform, by the name of its profile."""
        return not self.platforms or platform in self.platforms

    def __str__(self) -> str:
        return f"{self.severity} {self.rule}: {self.where}: {self.message}" + (f" ({self.fix})" if self.fix else "")
