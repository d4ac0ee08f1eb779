"""Find the ``assert`` statement that failed, and which verdicts it expects to be yes.

The facts are the instruction that asked a verdict, which has columns from Python 3.11 on, and what the syntax tree does
with the answer there. Nothing is evaluated again. Where neither says what the assertion expects, as with two attributes
in ``not a.ok and b.ok`` on Python 3.10, no verdict is named, and pytest's own text stays.
"""

from __future__ import annotations

import ast
import dataclasses
import dis
import functools
import linecache
import sys
import traceback
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.checks.verdict import Answer, Verdict

Span = tuple[tuple[int, int], tuple[int, int]]
"""Begin and end of a piece of source: line and column, in bytes."""

# what returns the truth of its argument, or of the items in it
_SERIES = frozenset({"all", "any"})
_TRUTHS = _SERIES | {"bool"}
_TRANSPARENT = (ast.BoolOp, ast.NamedExpr, ast.List, ast.Tuple, ast.Set, ast.Starred)
_INSTRUCTION_SIZE = 2
_FILLING = frozenset({"CACHE", "COPY", "NOP"})
# what rewritten modules import
_REWRITTEN = "@pytest_ar"
# older ones give the instructions of a rewritten assertion the position of the whole statement
_PYTEST_KEEPS_POSITIONS = pytest.version_tuple >= (8, 4)


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
    def _is_rewritten(self) -> bool:
        return _REWRITTEN in self.frame.f_globals

    @property
    def is_comparison(self) -> bool:
        """Whether it compares two values, and does nothing else."""
        return isinstance(self.node.test, ast.Compare) and len(self.node.test.ops) == 1

    def show(self, error: AssertionError) -> str:
        """Return the statement without its message on one line, with its values where pytest shows them."""
        if self._is_rewritten and self.node.msg is None:
            return str(error).partition("\n")[0]
        return f"assert {ast.unparse(self.node.test)}"

    def message_of(self, error: AssertionError) -> str:
        """Return the message that the statement adds; empty where it has none."""
        if self.node.msg is None:
            return ""
        if not self._is_rewritten:
            return str(error)
        # pytest keeps the message nowhere but in front of its own text, and to evaluate it again may have effects
        return str(error).partition("\nassert ")[0]

    def find_unmet_verdicts(self) -> list[Verdict]:
        """Return the verdicts that have said no where a yes would have helped the assertion to hold, each once."""
        from harness.checks import verdict

        answers = self._find_last_execution(verdict.answers_at(self.frame.f_code, self.lines))
        found = (one for answer in answers if self._wants_opposite(answer) for one in answer.verdicts if not one.ok)
        return list({id(one): one for one in found}.values())

    def _find_last_execution(self, answers: list[Answer]) -> list[Answer]:
        """Return the answers of the last time that the statement was executed, which may be one of many in a loop.

        One execution asks forward. Only ``any`` and ``all`` ask more than once in one place, until an answer differs.
        """
        first = len(answers) - 1
        for number in range(len(answers) - 2, -1, -1):
            one, following = answers[number : number + 2]
            again = one.value == following.value and self._is_asked_in_series(one)
            if one.instruction > following.instruction or (one.instruction == following.instruction and not again):
                break
            first = number
        return answers[first:]

    def _is_asked_in_series(self, answer: Answer) -> bool:
        node = self._find_node(answer)
        return _is_asked_in_call(answer) if node is None else _is_call(node, _SERIES)

    def _wants_opposite(self, answer: Answer) -> bool:
        """Return whether the assertion wants the opposite of an answer."""
        node = self._find_node(answer)
        nodes = [node] if node else self._find_candidates(answer)
        return bool(nodes) and all(self._wanted_answer(each, answer) is (not answer.value) for each in nodes)

    def _find_node(self, answer: Answer) -> ast.expr | None:
        """Return the expression that asked; ``None`` where the position of the instruction does not say it."""
        span = _find_span(answer)
        parts = (one for one in ast.walk(self.node) if isinstance(one, ast.expr))
        # walk goes from the outside to the inside
        return next((one for one in reversed(list(parts)) if span and _is_within(span, _span(one))), None)

    def _find_candidates(self, answer: Answer) -> list[ast.expr]:
        """Return the expressions that may have asked, where the position of the instruction does not say which."""
        parts = [one for one in ast.walk(self.node) if isinstance(one, ast.expr)]
        span = _find_span(answer)
        if span and not _is_within(span, _span(self.node)):
            return []
        if span and (_PYTEST_KEEPS_POSITIONS or not self._is_rewritten):
            # pytest asks the whole, and an ``and`` inside of an ``or``, at the statement
            nested = (one for one in parts if isinstance(one, ast.BoolOp))
            return [self.node.test, *(one for one in nested if isinstance(self._parents[one], ast.BoolOp))]
        if answer.is_comparison:
            return [one for one in parts if isinstance(one, ast.Compare)]
        if _is_asked_in_call(answer):
            return [one for one in parts if _is_call(one, _TRUTHS)]
        return [one for one in _asked_for_truth(self.node.test) if self._may_be(one, answer)]

    def _may_be(self, node: ast.expr, answer: Answer) -> bool:
        """Return whether an expression may have this verdict as its value."""
        name = node.target if isinstance(node, ast.NamedExpr) else node
        if isinstance(name, ast.Name):
            known = {**self.frame.f_globals, **self.frame.f_locals}
            return any(known.get(name.id) is one for one in answer.verdicts)
        return not (isinstance(node, (ast.Compare, ast.Constant)) or _is_call(node, _TRUTHS))

    @functools.cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {child: parent for parent in ast.walk(self.node) for child in ast.iter_child_nodes(parent)}

    def _wanted_answer(self, node: ast.expr, answer: Answer) -> bool | None:
        """Return the answer that helps the assertion to hold; ``None`` where the tree does not say it."""
        wanted = self._wanted_value(node)
        if answer.is_comparison:
            sign = _sign(node, ast.In, ast.NotIn) if isinstance(node, ast.Compare) else None
        elif _is_asked_in_call(answer):
            sign = True if _is_call(node, _TRUTHS) else None
        else:
            # a negation asks what it negates
            sign = not _is_negation(node)
        return None if sign is None or wanted is None else wanted == sign

    def _wanted_value(self, node: ast.expr) -> bool | None:
        """Return the truth of an expression that makes the assertion hold; ``None`` where the tree does not say it."""
        parents = self._parents
        wanted = True
        child: ast.AST = node
        while child is not self.node.test:
            parent = parents[child]
            sign = _passes_on(parent, child)
            if sign is None:
                return None
            wanted = wanted == sign
            child = parent
        return wanted


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
    asserts = [one for one in ast.walk(tree) if isinstance(one, ast.Assert)]
    here = [one for one in asserts if line in Assertion(one, frame).lines]
    return Assertion(here[0], frame) if len(here) == 1 else None


def _passes_on(parent: ast.AST, child: ast.AST) -> bool | None:
    """Return whether a parent's value is as true as its child's, or the opposite; ``None`` where it is neither."""
    if isinstance(parent, ast.Compare):
        other = next((one for one in (parent.left, *parent.comparators) if one is not child), None)
        sign = _sign(parent, ast.Is, ast.IsNot)
        if len(parent.ops) > 1 or not (isinstance(other, ast.Constant) and isinstance(other.value, bool)):
            return None
        return None if sign is None else sign == other.value
    if isinstance(parent, ast.IfExp):
        return None if child is parent.test else True
    if isinstance(parent, (ast.GeneratorExp, ast.ListComp, ast.SetComp)):
        return True if child is parent.elt else None
    if _is_negation(parent):
        return False
    return True if isinstance(parent, _TRANSPARENT) or _is_call(parent, _TRUTHS) else None


def _sign(comparison: ast.Compare, same: type[ast.cmpop], other: type[ast.cmpop]) -> bool | None:
    """Return whether a comparison is true where its sides are equal, or where they differ."""
    if all(isinstance(op, (ast.Eq, same)) for op in comparison.ops):
        return True
    return False if all(isinstance(op, (ast.NotEq, other)) for op in comparison.ops) else None


def _is_call(node: ast.AST, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _is_negation(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _is_asked_in_call(answer: Answer) -> bool:
    """Return whether a function written in C asked, such as ``any``: it has no frame of its own."""
    return "CALL" in _opcode(answer.code, answer.instruction // _INSTRUCTION_SIZE)


def _asked_for_truth(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the expressions whose truth decides about that of another one."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _asked_for_truth(value)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield from _asked_for_truth(node.operand)
    elif isinstance(node, ast.IfExp):
        yield from (node.test, *_asked_for_truth(node.body), *_asked_for_truth(node.orelse))
    elif isinstance(node, ast.Compare):
        for side in (node.left, *node.comparators):
            if isinstance(side, ast.BoolOp) or _is_negation(side):
                yield from _asked_for_truth(side)
    else:
        yield node


def _span(node: ast.expr | ast.stmt) -> Span:
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return (node.lineno, node.col_offset), end


def _is_within(inner: Span, outer: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _find_span(answer: Answer) -> Span | None:
    """Return the piece of source that asked; ``None`` where instructions have no columns, as on Python 3.10."""
    positions = getattr(answer.code, "co_positions", None)
    if positions is None:
        return None
    number = answer.instruction // _INSTRUCTION_SIZE
    if sys.version_info < (3, 12) and "JUMP" in _opcode(answer.code, number):
        # its position is that of what surrounds the condition, which the instruction before has loaded
        number = next(one for one in range(number - 1, -1, -1) if _opcode(answer.code, one) not in _FILLING)
    line, end_line, column, end_column = list(positions())[number]
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return (line, column), (end_line, end_column)


def _opcode(code: CodeType, number: int) -> str:
    return dis.opname[code.co_code[number * _INSTRUCTION_SIZE]]
