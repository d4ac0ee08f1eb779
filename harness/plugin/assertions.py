"""Find the ``assert`` statement that failed, and the verdicts that it expects to be yes."""

from __future__ import annotations

import ast
import dataclasses
import linecache
import traceback
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.checks.verdict import Verdict

# what rewritten modules import
_REWRITTEN = "@pytest_ar"


@dataclasses.dataclass(frozen=True)
class Assertion:
    """The statement that raised an ``AssertionError``.

    Attributes:
        node: its syntax tree.
        frame: the call in which it failed.
    """

    node: ast.Assert
    frame: FrameType

    @property
    def lines(self) -> range:
        """The numbers of its lines."""
        return range(self.node.lineno, (self.node.end_lineno or self.node.lineno) + 1)

    @property
    def is_comparison(self) -> bool:
        """Whether it compares two values, and does nothing else."""
        return isinstance(self.node.test, ast.Compare) and len(self.node.test.ops) == 1

    def show(self, error: AssertionError) -> str:
        """Return the statement without its message on one line, with its values where pytest shows them."""
        if _REWRITTEN in self.frame.f_globals and self.node.msg is None:
            return str(error).partition("\n")[0]
        return f"assert {ast.unparse(self.node.test)}"

    def message_of(self, error: AssertionError) -> str:
        """Return the message that the statement adds; empty where it has none."""
        if self.node.msg is None:
            return ""
        # pytest keeps the message nowhere but in front of its own text, and to evaluate it again may have effects
        return str(error).partition("\nassert ")[0]

    def find_unmet_verdicts(self) -> list[Verdict]:
        """Return the verdicts that have said no, each once; none where the statement may not want a yes of each."""
        from harness.checks import verdict

        if any(_may_want_no(part) for part in ast.walk(self.node)):
            return []
        return verdict.refusals_at(self.frame.f_code, self.lines)


def find(error: AssertionError) -> Assertion | None:
    """Return the statement that raised an error; ``None`` where it is no ``assert``, or has no source."""
    frames = list(traceback.walk_tb(error.__traceback__))
    if not frames:
        return None
    frame, line = frames[-1]
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
    except (SyntaxError, ValueError):
        return None
    asserts = (Assertion(one, frame) for one in ast.walk(tree) if isinstance(one, ast.Assert))
    here = [one for one in asserts if line in one.lines]
    return here[0] if len(here) == 1 else None


def _may_want_no(node: ast.AST) -> bool:
    """Return whether a no to what a part of an assertion asks may be what helps it to hold."""
    if isinstance(node, ast.comprehension):
        return bool(node.ifs)
    if isinstance(node, ast.Compare):
        constants = [side.value for side in (node.left, *node.comparators) if isinstance(side, ast.Constant)]
        differs = any(isinstance(op, ast.NotEq) for op in node.ops)
        return any(value is False or (differs and value is True) for value in constants)
    return isinstance(node, (ast.Not, ast.IfExp))
