"""``python -m harness.findings``: print ``docs/findings.md``, which is made of the rules."""

from __future__ import annotations

from harness.findings import GROUPS, Rule, rules_of
from harness.findings.rule import some_releases

_HEAD = """\
# Findings

What is odd about an extension or a run although it may have passed. They are in `extension.findings`, in
`run.findings` and in `run.json`; each has `rule`, `severity`, `where`, `message`, `fix`, and the `platforms` on which
it matters (none: all). What does not matter on the platform of the run is in `run.on_other_releases` instead: one line
on the terminal, whole in the report and in `run.json`. A pytest session tells each finding once, at its end.

A task that a finding is about may end well without the files that a later task needs. That task then fails, and the
finding is its cause: `0.6.0, 0.6.1 ignore cmds of generate-report ...; it ended well, and then task put: ...`.

This page is what `python -m harness.findings` prints; the rules are declared in `harness/findings`.
"""
_COLUMNS = ("rule", "what it is about", "next step", "releases")


def page() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD]
    for title, module in GROUPS.items():
        rows = [_COLUMNS, ["---"] * len(_COLUMNS), *(_cells(rule) for rule in rules_of(module).values())]
        parts += [f"## {title}\n", *(f"| {' | '.join(row)} |" for row in rows), ""]
    return "\n".join(parts)


def _cells(rule: Rule) -> list[str]:
    severities = rule.severity + (f", {rule.other_severity}" if rule.other_severity else "")
    cells = (f"`{rule.id}` ({severities})", rule.meaning, rule.fix or "depends on what was found", _releases(rule))
    return [cell.replace("|", "\\|") for cell in cells]


def _releases(rule: Rule) -> str:
    if rule.releases is some_releases:
        return "named by the finding"
    return ", ".join(rule.platforms()) or "all"


if __name__ == "__main__":
    print(page(), end="")
