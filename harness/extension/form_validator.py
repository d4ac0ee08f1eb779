"""Validate against untrusted JSON schemas: patterns within a time limit, and no ``$ref`` is fetched.

Python's own ``re`` cannot be interrupted, so a pattern such as ``^(a+)+$`` would hold the process for years.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import referencing
import regex

from harness.common.documents import abridge

_TIMEOUT_S = 1.0
"""Of all patterns of one check together; the browser has no limit, but its user has."""
_LONGEST_PATTERN = 1000
_MOST_UNROLLED = 20_000
# an escaped sign, a class, a counted repetition, or one sign
_TOKEN = regex.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]?|\{[0-9]{0,9},?[0-9]{1,9},?\}|.", regex.DOTALL)


class PatternError(Exception):
    """A pattern of a form cannot be used; the text says which and why."""


class SlowPatternError(PatternError):
    """A pattern takes too long, and the browser would hang with it."""


def make_validator(schema: Any) -> Any:
    """Return a validator whose ``iter_errors`` raises :class:`PatternError` where a pattern takes too long."""
    deadline = time.monotonic() + _TIMEOUT_S

    def pattern(_: Any, wanted: Any, instance: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
        if isinstance(instance, str) and not _search(wanted, instance, deadline):
            yield jsonschema.ValidationError(f"{abridge(instance)} does not match {abridge(wanted)}")

    def pattern_properties(validator: Any, wanted: Any, instance: Any, _: Any) -> Iterator[jsonschema.ValidationError]:
        if isinstance(instance, Mapping):
            for expression, inner in wanted.items():
                for name, value in instance.items():
                    if _search(expression, name, deadline):
                        yield from validator.descend(value, inner, path=name, schema_path=expression)

    def additional_properties(
        validator: Any, wanted: Any, instance: Any, schema: Any
    ) -> Iterator[jsonschema.ValidationError]:
        if not isinstance(instance, Mapping):
            return
        known = schema.get("properties", {})
        expressions = list(schema.get("patternProperties", {}))
        extra = [
            name
            for name in instance
            if name not in known and not any(_search(expression, name, deadline) for expression in expressions)
        ]
        if isinstance(wanted, Mapping):
            for name in extra:
                yield from validator.descend(instance[name], wanted, path=name)
        elif not wanted and extra:
            yield jsonschema.ValidationError(f"additional properties are not allowed: {', '.join(map(abridge, extra))}")

    checker: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        jsonschema.Draft7Validator,
        {
            "pattern": pattern,
            "patternProperties": pattern_properties,
            "additionalProperties": additional_properties,
        },
    )
    # an empty registry: a reference to another document is an error, and no request
    return checker(schema, registry=referencing.Registry())


def _search(pattern: Any, text: str, deadline: float) -> bool:
    """Return whether a pattern is found in a text, as ECMAScript's ``test`` does.

    Raises:
        PatternError: it is not a pattern, or takes too long.
    """
    if not isinstance(pattern, str):
        raise PatternError(f"the pattern {abridge(pattern)} is not text")
    if len(pattern) > _LONGEST_PATTERN:
        raise PatternError(f"a pattern has {len(pattern)} characters, at most {_LONGEST_PATTERN} are allowed")
    if _count_unrolled(pattern) > _MOST_UNROLLED:
        raise PatternError(
            f"the repetitions of the pattern {abridge(pattern)} stand for more than {_MOST_UNROLLED} signs"
        )
    left = deadline - time.monotonic()
    try:
        if left <= 0:
            raise TimeoutError
        return regex.search(pattern, text, timeout=left) is not None
    except TimeoutError:
        raise SlowPatternError(
            f"the pattern {abridge(pattern)} takes more than {_TIMEOUT_S:.0f} s on {abridge(text)}"
        ) from None
    except (regex.error, RecursionError, ValueError, OverflowError, MemoryError) as error:
        raise PatternError(f"the pattern {abridge(pattern)} is not a regular expression: {error}") from None


def _count_unrolled(pattern: str) -> int:
    """Return the length of a pattern with its counted repetitions written out, as the library does for some."""
    # of each group that is open: the signs before its last atom, and those of its last atom
    groups = [[0, 0]]
    for token in _TOKEN.findall(pattern):
        before, atom = groups[-1]
        if token == "(":
            groups.append([0, 0])
        elif token == ")" and len(groups) > 1:
            inner = sum(groups.pop())
            groups[-1] = [sum(groups[-1]), inner + 1]
        elif token.startswith("{") and token.endswith("}"):
            count = max(int(number or 0) for number in token[1:-1].split(","))
            groups[-1] = [before, min(max(atom, 1) * max(count, 1), 2 * _MOST_UNROLLED)]
        else:
            groups[-1] = [before + atom, 1]
    return sum(map(sum, groups))
