"""The ``query_string`` clause: words, phrases, ``field:value``, wildcards, AND/OR/NOT and parentheses."""

from __future__ import annotations

import re
from typing import Any, Final

from harness.incluster.services.search.clauses import ClauseError, Predicate, compile_leaf
from harness.incluster.services.wildcard import check_bounds, matches

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<paren>[()])
    | (?P<op>AND\b|OR\b|NOT\b|&&|\|\||[!+-](?=\S))
    | (?P<field>(?:\\.|[^\s:()"\\])+):(?=\S)
    | "(?P<phrase>(?:\\.|[^"\\])*)"
    | (?P<word>(?:\\.|[^\s()"\\])+)
    )""",
    re.VERBOSE,
)
_MAX_LENGTH: Final = 10_000
_MAX_DEPTH: Final = 50


def compile_query_string(body: Any) -> Predicate:
    """Return a predicate for ``{"query": text, "default_field"?, "fields"?, "default_operator"?}``."""
    text = str(body["query"])
    if len(text) > _MAX_LENGTH:
        raise ClauseError(f"the query string is longer than {_MAX_LENGTH} characters")
    fields = body.get("fields") or [body.get("default_field", "*")]
    parser = _Parser(text, [str(field) for field in fields], str(body.get("default_operator", "or")).lower())
    return parser.parse()


class _Parser:
    def __init__(self, text: str, fields: list[str], operator: str) -> None:
        self._tokens = self._tokenise(text)
        self._at = 0
        self._fields = fields
        self._operator = operator

    @staticmethod
    def _tokenise(text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise ClauseError(f"Failed to parse query [{text}]")
            tokens.append((found.lastgroup, found.group(found.lastgroup)))
            at = found.end()
        return tokens

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def parse(self) -> Predicate:
        if not self._tokens:
            return lambda doc_id, source: False
        found = self._parse_or(0, self._fields)
        if self._peek()[0] != "end":
            raise ClauseError("Failed to parse query: unbalanced parenthesis")
        return found

    def _parse_or(self, depth: int, fields: list[str]) -> Predicate:
        if depth > _MAX_DEPTH:
            raise ClauseError("Failed to parse query: nested too deeply")
        groups = [[self._unary(depth, fields)]]
        while self._peek()[0] != "end" and self._peek() != ("paren", ")"):
            operator = self._operator
            if self._peek()[1] in {"AND", "&&", "OR", "||"} and self._peek()[0] == "op":
                operator = "and" if self._peek()[1] in {"AND", "&&"} else "or"
                self._at += 1
            elif self._peek()[0] == "op":
                operator = "and"
            if operator == "and":
                groups[-1].append(self._unary(depth, fields))
            else:
                groups.append([self._unary(depth, fields)])
        return lambda doc_id, source: any(all(item(doc_id, source) for item in group) for group in groups)

    def _unary(self, depth: int, fields: list[str]) -> Predicate:
        if depth > _MAX_DEPTH:
            raise ClauseError("Failed to parse query: nested too deeply")
        kind, text = self._peek()
        self._at += 1
        if kind == "op" and text in {"NOT", "!", "-"}:
            inner = self._unary(depth + 1, fields)
            return lambda doc_id, source: not inner(doc_id, source)
        if kind == "op" and text == "+":
            return self._unary(depth + 1, fields)
        if kind == "field":
            return self._unary(depth + 1, [_unescape(text)])
        if (kind, text) == ("paren", "("):
            inner = self._parse_or(depth + 1, fields)
            if self._peek() != ("paren", ")"):
                raise ClauseError("Failed to parse query: unbalanced parenthesis")
            self._at += 1
            return inner
        if kind in {"phrase", "word"}:
            return _leaf(fields, text, phrase=kind == "phrase")
        raise ClauseError(f"Failed to parse query at {text!r}")


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _leaf(fields: list[str], text: str, *, phrase: bool) -> Predicate:
    plain = _unescape(text)
    if fields == ["_exists_"]:
        return compile_leaf("exists", {"field": plain})
    if not phrase and text == "*" and fields == ["*"]:
        return lambda doc_id, source: True
    wild = not phrase and ("*" in text or "?" in text)
    for pattern in (*fields, *([text] if wild else [])):
        check_bounds(pattern)

    def check(doc_id: str, source: dict[str, Any]) -> bool:
        for field in fields:
            for name in _expand(source, field):
                if _field_has(doc_id, source, name, plain, phrase=phrase, wild=wild):
                    return True
        return False

    return check


def _expand(source: dict[str, Any], field: str) -> list[str]:
    if "*" not in field:
        return [field]
    return [name for name in source if matches(name, field)]


def _field_has(doc_id: str, source: dict[str, Any], field: str, text: str, *, phrase: bool, wild: bool) -> bool:
    if field == "_id":
        return matches(doc_id, text) if wild else doc_id == text
    if wild and text == "*":
        return compile_leaf("exists", {"field": field})(doc_id, source)
    if wild:
        pattern = text if field.endswith(".keyword") else text.lower()
        return compile_leaf("wildcard", {field: pattern})(doc_id, source)
    kind = "match_phrase" if phrase else "match"
    return compile_leaf(kind, {field: text})(doc_id, source)
