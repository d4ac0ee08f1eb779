"""Label and field selectors of list and watch, and the selectors of Services and Deployments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from harness.incluster.controlplane.errors import bad_request

Predicate = Callable[[Mapping[str, Any]], bool]

_SET = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")
_SPLIT = re.compile(r",(?![^(]*\))")
_LONGEST = 4096
_FIELDS = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "status.phase": ("status", "phase"),
    "spec.nodeName": ("spec", "nodeName"),
    "type": ("type",),
    "reason": ("reason",),
    "involvedObject.name": ("involvedObject", "name"),
    "involvedObject.kind": ("involvedObject", "kind"),
    "involvedObject.uid": ("involvedObject", "uid"),
}


def matches(selector: Mapping[str, str] | None, labels: Mapping[str, str] | None) -> bool:
    """Return whether labels carry all pairs of an equality selector; an empty selector selects nothing."""
    return bool(selector) and all((labels or {}).get(key) == value for key, value in (selector or {}).items())


def compile_selectors(label_selector: str, field_selector: str) -> Predicate:
    """Return one test for both query parameters.

    Raises:
        StatusError: 400, a selector cannot be read.
    """
    if max(len(label_selector), len(field_selector)) > _LONGEST:
        raise bad_request(f"a selector has more than {_LONGEST} characters")
    tests = [_label(term.strip()) for term in _SPLIT.split(label_selector) if term.strip()]
    tests += [_field(term.strip()) for term in field_selector.split(",") if term.strip()]
    return lambda manifest: all(test(manifest) for test in tests)


def _labels(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    return manifest["metadata"].get("labels") or {}


def _label(term: str) -> Predicate:
    if match := _SET.fullmatch(term):
        key, operator, listed = match.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda manifest: _labels(manifest).get(key) in values
        return lambda manifest: _labels(manifest).get(key) not in values
    for operator in ("!=", "==", "="):
        if operator in term:
            key, value = (part.strip() for part in term.split(operator, 1))
            if operator == "!=":
                return lambda manifest: _labels(manifest).get(key) != value
            return lambda manifest: _labels(manifest).get(key) == value
    if term.startswith("!"):
        return lambda manifest: term[1:].strip() not in _labels(manifest)
    if re.search(r"\s", term):
        raise bad_request(f"unable to parse requirement of the label selector: {term!r}")
    return lambda manifest: term in _labels(manifest)


def _field(term: str) -> Predicate:
    negated = "!=" in term
    name, _, value = term.partition("!=" if negated else "=")
    path = _FIELDS.get(name.strip())
    if path is None:
        raise bad_request(f"field label not supported: {name.strip()}")
    wanted = value.lstrip("=").strip()

    def test(manifest: Mapping[str, Any]) -> bool:
        found: Any = manifest
        for part in path:
            found = (found or {}).get(part)
        return ((found or "") == wanted) != negated

    return test
