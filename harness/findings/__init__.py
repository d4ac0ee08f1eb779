"""Findings: what an author should know although nothing has failed.

Every part of the harness reports findings, each by a rule of :data:`RULES`. The modules of this package declare the
rules; ``python -m harness.findings`` prints the documentation's list of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Final

from harness.findings import input_series, installing, programs, releases, running
from harness.findings.rule import Finding, Rule, Severity

__all__ = ["GROUPS", "RULES", "Finding", "Rule", "Severity", "collect_rules"]

GROUPS: Final[Mapping[str, ModuleType]] = {
    "The extension": installing,
    "The input": input_series,
    "Built-in operators": programs,
    "The run": running,
    "Other releases": releases,
}
"""Subjects of rules, with the module that declares them."""


def collect_rules(module: ModuleType) -> dict[str, Rule]:
    """Return the rules that a module declares, by id.

    Raises:
        ValueError: two of them have one id.
    """
    return _by_id([rule for rule in vars(module).values() if isinstance(rule, Rule)])


def _by_id(rules: list[Rule]) -> dict[str, Rule]:
    found = {rule.id: rule for rule in rules}
    if len(found) < len(rules):
        raise ValueError(f"two rules have one id: {sorted(rule.id for rule in rules)}")
    return found


RULES: Final[Mapping[str, Rule]] = _by_id(
    [rule for module in GROUPS.values() for rule in collect_rules(module).values()]
)
"""Every rule, by id."""
