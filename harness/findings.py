"""Findings: what an author should know although nothing has failed; every part of the harness may report them."""

from __future__ import annotations

import dataclasses

from harness.common.redaction import redact


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something an author should know although it may not have failed the run; it shows no credential.

    Args:
        rule: stable name of the rule.
        severity: ``error``, ``warning`` or ``info``.
        where: task, file or object it is about.
        message: what is the matter.
        fix: the next step.
        platforms: profiles on which it matters; empty for all.
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

    def __str__(self) -> str:
        return f"{self.severity} {self.rule}: {self.where}: {self.message}" + (f" ({self.fix})" if self.fix else "")
