"""Whatever reports a finding does so by a declared rule, and the documentation lists the rules."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness
from harness import geometry, profiles
from harness.findings import GROUPS, RULES, Rule, collect_rules, input_series, programs
from harness.findings.rule import some_releases

PACKAGE = Path(harness.__file__).parent
ROOT = PACKAGE.parent
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE / "findings"]


TREES = {str(path.relative_to(PACKAGE)): ast.parse(path.read_bytes()) for path in MODULES}


def calls_of(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call of a name, with the module that makes it."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield file, node


def test_only_a_rule_makes_a_finding() -> None:
    assert [file for file, _ in calls_of("Finding")] == []


def test_no_rule_is_declared_outside_of_the_table() -> None:
    importing = {
        file
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness.findings")
    }
    assert importing >= {"run/findings.py", "platform/airflow_leftovers.py"}
    assert [file for file, _ in calls_of("Rule") if file in importing] == []


def test_every_rule_is_reported_by_some_part() -> None:
    text = "\n".join(path.read_text("utf-8") for path in MODULES)
    unused = []
    for module in GROUPS.values():
        for name, rule in vars(module).items():
            # programs and the judgement of a series name a rule by its id, see below
            if isinstance(rule, Rule) and not re.search(rf"\b{name}\b", text) and f'"{rule.id}"' not in text:
                unused.append(rule.id)
    assert unused == []


def test_every_notice_of_a_built_in_program_is_a_rule() -> None:
    literal = {call.args[0].value for _, call in calls_of("notice") if isinstance(call.args[0], ast.Constant)}
    assert literal == set(collect_rules(programs))


def test_whatever_can_be_wrong_with_a_series_is_a_rule() -> None:
    assert {rule.value for rule in geometry.ProblemKind} == set(collect_rules(input_series))


def test_two_rules_of_one_id_are_refused() -> None:
    module = types.ModuleType("twice")
    vars(module).update(ONE=Rule("same", "info", "x"), OTHER=Rule("same", "error", "y"))
    with pytest.raises(ValueError, match="two rules have one id"):
        collect_rules(module)


def test_a_finding_has_the_severity_fix_and_releases_of_its_rule_unless_it_knows_better() -> None:
    rule = Rule("odd", "warning", "x", "do this", lambda release: release.name == "0.6.1", "error")
    usual = rule.report("task", "is odd")
    assert (usual.rule, usual.severity, usual.fix, usual.platforms) == ("odd", "warning", "do this", ("0.6.1",))
    other = rule.report("task", "is odd", fix="do that", platforms=("0.4",), severity="error")
    assert (other.severity, other.fix, other.platforms) == ("error", "do that", ("0.4",))
    with pytest.raises(ValueError, match="odd are never of severity 'info'"):
        rule.report("task", "is odd", severity="info")


def test_a_rule_about_some_releases_concerns_these_and_no_others() -> None:
    rule = Rule("odd", "warning", "x", releases=lambda release: release.name in {"0.6.1", "0.4"})
    assert rule.platforms() == ("0.4", "0.6.1")
    assert [name for name in profiles.names() if rule.concerns(name)] == ["0.4", "0.6.1"]
    assert Rule("odd", "warning", "x").concerns("documented")


def test_a_finding_whose_releases_depend_on_what_was_found_cannot_leave_them_out() -> None:
    rule = Rule("odd", "warning", "x", releases=some_releases)
    assert rule.report("task", "is odd", platforms=("0.4",)).platforms == ("0.4",)
    with pytest.raises(TypeError, match="names its releases"):
        rule.report("task", "is odd")


def test_the_page_of_findings_is_up_to_date() -> None:
    command = [sys.executable, "-m", "harness.findings"]
    page = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, cwd=ROOT).stdout
    assert (ROOT / "docs/findings.md").read_text("utf-8") == page, "python -m harness.findings > docs/findings.md"


@pytest.mark.parametrize("document", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_a_document_that_speaks_of_a_finding_names_a_rule(document: Path) -> None:
    named = re.findall(r"[Ff]inding `([a-z-]+)`", document.read_text("utf-8"))
    assert [name for name in named if name not in RULES] == []
