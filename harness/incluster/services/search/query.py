"""Queries of the metadata search (services 11.5): clauses within clauses, compiled to one predicate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from harness.incluster.services.search.clauses import LEAVES, ClauseError, Predicate, compile_leaf, malformed_clause
from harness.incluster.services.search.querystring import compile_query_string

_MAX_DEPTH: Final = 50


def compile_query(query: Any, depth: int = 0) -> Predicate:
    """Return a predicate (document id, source) for a query.

    Raises:
        ClauseError: in the words of the server.
    """
    if depth > _MAX_DEPTH:
        raise ClauseError(f"the query is nested deeper than {_MAX_DEPTH} levels")
    if not isinstance(query, dict):
        raise ClauseError("[_na] query malformed, must start with start_object")
    if not query:
        return lambda doc_id, source: True
    if len(query) != 1:
        raise ClauseError("[_na] query malformed, more than one clause in one object")
    ((name, body),) = query.items()
    if name in LEAVES:
        return compile_leaf(name, body)
    builder = _COMPOUND.get(name)
    if builder is None:
        known = ", ".join(sorted({*LEAVES, *_COMPOUND}))
        raise ClauseError(f"unknown query [{name}] (the harness emulates: {known})")
    try:
        return builder(body, depth)
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise malformed_clause(name, problem) from None


def _bool(body: Any, depth: int) -> Predicate:
    parts: dict[str, list[Predicate]] = {}
    for name, clauses in body.items():
        if name in {"minimum_should_match", "boost", "adjust_pure_negative", "_name"}:
            continue
        if name not in {"must", "filter", "must_not", "should"}:
            raise ClauseError(f"[bool] query does not support [{name}]")
        listed = clauses if isinstance(clauses, list) else [clauses]
        parts[name] = [compile_query(clause, depth + 1) for clause in listed]
    needed = parts.get("must", []) + parts.get("filter", [])
    excluded, optional = parts.get("must_not", []), parts.get("should", [])
    minimum = body.get("minimum_should_match", 0 if needed else min(1, len(optional)))
    minimum = int(minimum)

    def check(doc_id: str, source: dict[str, Any]) -> bool:
        return (
            all(clause(doc_id, source) for clause in needed)
            and not any(clause(doc_id, source) for clause in excluded)
            and sum(clause(doc_id, source) for clause in optional) >= minimum
        )

    return check


_COMPOUND: Final[dict[str, Callable[[Any, int], Predicate]]] = {
    "bool": _bool,
    "query_string": lambda body, depth: compile_query_string(body),
}
