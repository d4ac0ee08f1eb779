"""``python -m harness.findings``: print ``docs/findings.md``, which is made of the rules."""

from __future__ import annotations

from harness.findings import GROUPS, Rule, collect_rules
from harness.findings.rule import some_releases

_HEAD = """\
# Findings

A finding reports a problem of an extension or a run, also of one that succeeded. Findings are in `extension.findings`,
`run.findings` and `run.json`. Each has `rule`, `severity`, `where`, `message`, `fix`, and the `platforms` that it
applies to (empty: all). Findings about other platforms than the run's are in `run.on_other_releases`: the terminal
shows one line for all of them, the report and `run.json` show them in full. A pytest session prints each finding
once, at its end.

If a task succeeds without writing the files that a later task needs, the later task fails. The cause is then a finding
about the earlier task: `0.6.0, 0.6.1 ignore cmds of generate-report ...; it succeeded, and then task put: ...`.

`python -m harness.findings` prints this page; `harness/findings` declares the rules.
"""
_COLUMNS = ("rule", "meaning", "next step", "releases")


def render_page() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD]
    for title, module in GROUPS.items():
        rows = [_COLUMNS, ["---"] * len(_COLUMNS), *(_cells(rule) for rule in collect_rules(module).values())]
        parts += [f"## {title}\n", *(f"| {' | '.join(row)} |" for row in rows), ""]
    return "\n".join(parts)


def _cells(rule: Rule) -> list[str]:
    severities = rule.severity + (f", {rule.other_severity}" if rule.other_severity else "")
    cells = (f"`{rule.id}` ({severities})", rule.meaning, rule.fix or "depends on the finding", _releases(rule))
    return [cell.replace("|", "\\|") for cell in cells]


def _releases(rule: Rule) -> str:
    if rule.releases is some_releases:
        return "named by the finding"
    return ", ".join(rule.platforms()) or "all"


if __name__ == "__main__":
    print(render_page(), end="")
