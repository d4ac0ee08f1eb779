"""What a request asks of the documents: queries, sorting, paging, source filtering and updates (services 11.5)."""

from __future__ import annotations

import re
from typing import Any, Final

from harness.incluster.services.search.clauses import ClauseError, Predicate
from harness.incluster.services.search.fields import values
from harness.incluster.services.search.indices import Indices, StoredDocument
from harness.incluster.services.search.query import compile_query
from harness.incluster.services.wildcard import WildcardError, matches

SHARDS: Final = {"total": 4, "successful": 4, "skipped": 0, "failed": 0}
_MAX_PAGE: Final = 10_000
_BODY_KEYS: Final = frozenset(
    [
        "query",
        "size",
        "from",
        "_source",
        "sort",
        "search_after",
        "track_total_hits",
        "track_scores",
        "version",
        "timeout",
    ]
)
_REMOVE_FIELD = re.compile(
    r"""\s*ctx\._source\.remove\(\s*(?:'([^']+)'|"([^"]+)"|params\.(\w+)|params\['([^']+)'\])\s*\)\s*;?\s*"""
)


class SearchError(Exception):
    """An error of the server, answered in its shape."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.body = {
            "error": {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason},
            "status": status,
        }


def update_source(source: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return the source after ``doc`` is merged, or a script removed one field."""
    if isinstance(body.get("doc"), dict):
        return _merge(source, body["doc"])
    script = body.get("script")
    code = script.get("source", "") if isinstance(script, dict) else script
    found = _REMOVE_FIELD.fullmatch(str(code or ""))
    if found is None:
        raise SearchError(
            400, "illegal_argument_exception", "the harness emulates doc, and scripts that only remove one field"
        )
    single, double, param, quoted = found.groups()
    params = script.get("params") if isinstance(script, dict) else None
    params = params if isinstance(params, dict) else {}
    field = single or double or str(params.get(param or quoted, ""))
    return {key: value for key, value in source.items() if key != field}


def _merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for key, value in new.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merge(result[key], value) if both else value
    return result


def number(value: Any, name: str) -> int:
    """Return a parameter that must be a whole number from 0 on."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        raise SearchError(400, "parsing_exception", f"[{name}] must be a number") from None
    if found < 0:
        raise SearchError(400, "illegal_argument_exception", f"[{name}] parameter cannot be negative")
    return found


def find_matching(indices: Indices, names: list[str], query: Any) -> list[tuple[str, StoredDocument]]:
    """Return (index, document) for every match of a query."""
    try:
        accepts = compile_query(query)
    except ClauseError as problem:
        raise SearchError(400, "parsing_exception", str(problem)) from None
    return [(name, item) for name in names for item in indices.documents(name) if _accepts(accepts, item)]


def _accepts(accepts: Predicate, item: StoredDocument) -> bool:
    """Return whether a document is found; one that cannot be compared with the query is not, and hides no other."""
    try:
        return accepts(item.id, item.source)
    except (TypeError, ValueError, OverflowError, AttributeError, RecursionError):
        return False


def search(indices: Indices, names: list[str], body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a search body: query, paging, sorting, source filtering."""
    unknown = sorted(set(body) - _BODY_KEYS)
    if unknown:
        what = ", ".join(unknown)
        raise SearchError(400, "parsing_exception", f"the harness does not emulate [{what}] in a search")
    size, start = number(body.get("size", 10), "size"), number(body.get("from", 0), "from")
    if size + start > _MAX_PAGE:
        raise SearchError(
            400, "illegal_argument_exception", f"Result window is too large, from + size must be <= {_MAX_PAGE}"
        )
    order = _order(body.get("sort"))
    rows = [(_Key(item, order), name, item) for name, item in find_matching(indices, names, body.get("query", {}))]
    if order:
        rows.sort(key=lambda row: row[0])
    total = len(rows)
    after = body.get("search_after")
    if after is not None:
        if not isinstance(after, list) or len(after) != len(order):
            raise SearchError(400, "illegal_argument_exception", "search_after must have one value per sort field")
        edge = _Key.of_values(after, order)
        rows = [row for row in rows if edge < row[0]]
    hits = []
    for key, name, item in rows[start : start + size]:
        hit: dict[str, Any] = {"_index": name, "_id": item.id, "_score": None if order else 1.0}
        try:
            shown = _filter_source(item.source, body.get("_source", True))
        except WildcardError as problem:
            raise SearchError(400, "parsing_exception", f"[_source] {problem}") from None
        if shown is not None:
            hit["_source"] = shown
        if order:
            hit["sort"] = key.values
        hits.append(hit)
    found = {"total": {"value": total, "relation": "eq"}, "max_score": None if order or not hits else 1.0, "hits": hits}
    return {"took": 1, "timed_out": False, "_shards": SHARDS, "hits": found}


def _order(sort: Any) -> list[tuple[str, bool]]:
    """Return (field, descending) of a sort specification."""
    order: list[tuple[str, bool]] = []
    for entry in sort if isinstance(sort, list) else [sort] if sort else []:
        if isinstance(entry, str):
            entry = {entry: "desc" if entry == "_score" else "asc"}
        if not isinstance(entry, dict) or len(entry) != 1:
            raise SearchError(400, "parsing_exception", "[sort] must be a list of fields or of {field: order}")
        ((field, how),) = entry.items()
        direction = how.get("order", "asc") if isinstance(how, dict) else how
        if direction not in ("asc", "desc"):
            raise SearchError(400, "illegal_argument_exception", f"No enum constant for sort order [{direction}]")
        if field.endswith("_keyword"):
            raise SearchError(
                400,
                "illegal_argument_exception",
                f"Text fields are not optimised for sorting: [{field}], use [{field}.keyword]",
            )
        order.append((field, direction == "desc"))
    return order


class _Key:
    """Sort values of a hit; missing ones come last in both directions."""

    def __init__(self, item: StoredDocument, order: list[tuple[str, bool]]) -> None:
        self.values = [self._value(item, field, descending) for field, descending in order]
        self._order = order

    @classmethod
    def of_values(cls, given: list[Any], order: list[tuple[str, bool]]) -> _Key:
        key = cls.__new__(cls)
        key.values, key._order = given, order
        return key

    @staticmethod
    def _value(item: StoredDocument, field: str, descending: bool) -> Any:
        if field == "_id":
            return item.id
        if field in {"_doc", "_score"}:
            return item.sequence if field == "_doc" else 1.0
        name = field[: -len(".keyword")] if field.endswith(".keyword") else field
        found = [value for value in values(item.source, name) if not isinstance(value, bool)]
        try:
            return (max if descending else min)(found) if found else None
        except TypeError:
            return str(found[0])

    def __lt__(self, other: _Key) -> bool:
        for mine, others, (_, descending) in zip(self.values, other.values, self._order, strict=True):
            if mine == others:
                continue
            if mine is None or others is None:
                return others is None
            try:
                smaller = bool(mine < others)
            except TypeError:
                smaller = str(mine) < str(others)
            return smaller is not descending
        return False


def _filter_source(source: dict[str, Any], wanted: Any) -> dict[str, Any] | None:
    """Apply ``_source`` filtering: false, a name, a list of names, or includes and excludes; wildcards allowed."""
    if wanted is False:
        return None
    if wanted is True or wanted is None or wanted == {} or wanted == []:
        return source
    if isinstance(wanted, dict):
        includes, excludes = wanted.get("includes", wanted.get("include", [])), wanted.get("excludes", [])
    else:
        includes, excludes = wanted, []
    includes, excludes = (part if isinstance(part, list) else [part] for part in (includes, excludes))

    def has(patterns: list[Any], key: str) -> bool:
        return any(matches(key, str(part)) for part in patterns)

    shown = {key: item for key, item in source.items() if not includes or has(includes, key)}
    return {key: item for key, item in shown.items() if not has(excludes, key)}
