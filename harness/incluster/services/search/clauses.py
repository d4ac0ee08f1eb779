"""Query clauses that hold no other clause (services 11.5), evaluated on one document at a time."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Any, Final

from harness.incluster.services.search.fields import analyse, field_values, leaves_below
from harness.incluster.services.wildcard import check_bounds

Predicate = Callable[[str, dict[str, Any]], bool]
_DATE_MATH = re.compile(r"now\b|\|\|")


class ClauseError(Exception):
    """The query cannot be parsed, or uses a clause that is not emulated."""


def _match_all(body: Any) -> Predicate:
    return lambda doc_id, source: True


def _match_none(body: Any) -> Predicate:
    return lambda doc_id, source: False


def _ids(body: Any) -> Predicate:
    wanted = set(map(str, body["values"]))
    return lambda doc_id, source: doc_id in wanted


def _same(found: Any, wanted: Any, *, analysed: bool) -> bool:
    """Return whether a stored value has exactly the term."""
    if isinstance(found, bool):
        return str(found).lower() == str(wanted).lower()
    if isinstance(found, (int, float)):
        try:
            return bool(float(wanted) == float(found))
        except (TypeError, ValueError):
            return False
    if analysed:
        return str(wanted) in analyse(found)
    return bool(found == str(wanted))


def _single(body: Any, name: str) -> tuple[str, Any]:
    """Return field and value of ``{field: value}`` or ``{field: {name: value}}``."""
    ((field, value),) = ((key, item) for key, item in body.items() if key not in {"boost", "_name"})
    return field, value[name] if isinstance(value, dict) else value


def _any_term(field: str, wanted: list[Any]) -> Predicate:
    def check(doc_id: str, source: dict[str, Any]) -> bool:
        if field == "_id":
            return doc_id in map(str, wanted)
        found, analysed = field_values(source, field)
        return any(_same(item, term, analysed=analysed) for item in found for term in wanted)

    return check


def _term(body: Any) -> Predicate:
    field, value = _single(body, "value")
    return _any_term(field, [value])


def _terms(body: Any) -> Predicate:
    field, wanted = _single(body, "")
    if not isinstance(wanted, list):
        raise ClauseError("[terms] query requires an array of terms")
    return _any_term(field, wanted)


def _match(body: Any) -> Predicate:
    ((field, value),) = body.items()
    every = isinstance(value, dict) and str(value.get("operator", "or")).lower() == "and"
    query = value["query"] if isinstance(value, dict) else value
    terms = analyse(str(query))

    def check(doc_id: str, source: dict[str, Any]) -> bool:
        if field == "_id":
            return doc_id == str(query)
        found, analysed = field_values(source, field)
        for item in found:
            if isinstance(item, str) and analysed:
                tokens = set(analyse(item))
                if terms and (all if every else any)(term in tokens for term in terms):
                    return True
            elif _same(item, query, analysed=False):
                return True
        return False

    return check


def _match_phrase(body: Any) -> Predicate:
    field, query = _single(body, "query")
    terms = analyse(str(query))

    def check(doc_id: str, source: dict[str, Any]) -> bool:
        found, analysed = field_values(source, field)
        for item in found:
            if isinstance(item, str) and analysed:
                tokens = analyse(item)
                if terms and any(tokens[at : at + len(terms)] == terms for at in range(len(tokens))):
                    return True
            elif _same(item, query, analysed=False):
                return True
        return False

    return check


def _exists(body: Any) -> Predicate:
    field = body["field"]

    def check(doc_id: str, source: dict[str, Any]) -> bool:
        found, _ = field_values(source, field)
        return bool(found) or any(True for _ in leaves_below(source, field))

    return check


def _pattern(body: Any, name: str, translate: Callable[[str], str]) -> Predicate:
    field, pattern = _single(body, name)
    glob = translate(check_bounds(str(pattern)))

    def check(doc_id: str, source: dict[str, Any]) -> bool:
        found, analysed = field_values(source, field)
        for item in found:
            texts = analyse(item) if analysed and isinstance(item, str) else [str(item)]
            if any(fnmatch.fnmatchcase(text, glob) for text in texts):
                return True
        return False

    return check


def _literal(text: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", text)


def _wildcard(body: Any) -> Predicate:
    return _pattern(body, "value", lambda text: text.replace("[", "[[]"))


def _prefix(body: Any) -> Predicate:
    return _pattern(body, "value", lambda text: _literal(text) + "*")


def _range(body: Any) -> Predicate:
    ((field, bounds),) = body.items()
    known = {"gt", "gte", "lt", "lte"}
    limits = {key: value for key, value in bounds.items() if value is not None and key in known}
    for key, value in bounds.items():
        if key not in known | {"format", "time_zone", "boost", "relation"}:
            raise ClauseError(f"[range] query does not support [{key}]")
        if key in known and isinstance(value, str) and _DATE_MATH.search(value):
            raise ClauseError("[range] the harness does not emulate date math")
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "gt": lambda a, b: a > b,
        "gte": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "lte": lambda a, b: a <= b,
    }

    def check(doc_id: str, source: dict[str, Any]) -> bool:
        for item in field_values(source, field)[0]:
            try:
                if isinstance(item, (int, float)):
                    if all(compare[key](float(item), float(limit)) for key, limit in limits.items()):
                        return True
                elif all(compare[key](item, str(limit)) for key, limit in limits.items()):
                    return True
            except ValueError:
                continue
        return False

    return check


_LEAVES: Final[dict[str, Callable[[Any], Predicate]]] = {
    "match_all": _match_all,
    "match_none": _match_none,
    "ids": _ids,
    "term": _term,
    "terms": _terms,
    "match": _match,
    "match_phrase": _match_phrase,
    "exists": _exists,
    "wildcard": _wildcard,
    "prefix": _prefix,
    "range": _range,
}
LEAVES: Final = frozenset(_LEAVES)


def compile_leaf(name: str, body: Any) -> Predicate:
    """Return a predicate (document id, source) for one clause of ``LEAVES``.

    Raises:
        ClauseError: the body is not one of this clause.
    """
    try:
        return _LEAVES[name](body)
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise malformed_clause(name, problem) from None


def malformed_clause(name: str, problem: Exception) -> ClauseError:
    """Return the server's error for a malformed body of a clause."""
    return ClauseError(f"[{name}] query malformed: {type(problem).__name__}: {problem}")
