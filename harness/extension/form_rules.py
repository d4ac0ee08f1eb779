"""The rules by which the page lets a form go, or not (runtime 11.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema

from harness.common.documents import abridge
from harness.errors import FormError
from harness.extension.form_schema import describe, is_rendered, make_submitted_name, read_kinds
from harness.extension.form_validator import PatternError, SlowPatternError, make_validator

_LONGEST_MESSAGE = 500
# the renderer checks these, but not type, format, uniqueItems, additionalProperties and a list of constants
_CHECKED: Final = frozenset(
    {
        "minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum",
        "exclusiveMaximum", "enum",
    }
)  # fmt: skip
_API = "the page never starts this DAG; through the API it can be started: conf= in a test, --conf on the command line"


@dataclasses.dataclass(frozen=True)
class PageRules:
    """What the releases do differently.

    Attributes:
        confirmation_required: a ``confirmation`` that is not true is refused (runtime 17).
        enum_exempt: a ``required`` key is ignored beside an ``enum``.
    """

    confirmation_required: bool = True
    enum_exempt: bool = True


AS_BUILT: Final = PageRules()
"""Of release 0.6.0."""


def check_required(form: str, schema: Mapping[str, Any], filled: Mapping[str, Any], rules: PageRules) -> None:
    """Apply the page's own rule for every ``required`` key of a plain value, except below ``oneOf``.

    The page looks for the name right above the key at the top level of the form's data, so that some keys can never
    be satisfied.

    Raises:
        FormError: a value is missing, or the form can never be submitted.
    """
    for path, flagged in find_flags(schema, ()):
        if rules.enum_exempt and "enum" in flagged:
            continue
        name = path[-1] if path else form
        at_top = path[:1] == ("properties",) and len(path) == 2
        if "." in name:
            raise _never_satisfied_error(form, name, "the page splits names at dots", "leave the dot out of the name")
        if name not in filled and not at_top:
            where = ".".join(part for part in path if part not in ("properties", "items")) or name
            raise _never_satisfied_error(
                form,
                where,
                f"the page looks for {name!r} at the top level of the form",
                "list the names in `required: [...]` of the object around it",
            )
        _check_value(form, name, flagged, filled.get(name))


def find_flags(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Yield the schemas that carry a ``required`` key of a plain value, with their paths; not those below ``oneOf``."""
    if isinstance(value, Mapping):
        is_names = bool(path) and path[-1] == "properties" and (len(path) < 2 or path[-2] != "properties")
        if path and not is_names and "required" in value and not isinstance(value["required"], (list, Mapping)):
            yield path, value
        for key, inner in value.items():
            if key != "oneOf":
                yield from find_flags(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from find_flags(inner, (*path, str(index)))


def _check_value(form: str, name: str, schema: Mapping[str, Any], value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            if item is True or isinstance(item, Mapping | list) or (isinstance(item, int | float) and item):
                raise _never_satisfied_error(
                    form, name, f"the page treats the element {abridge(item)} as a text", "leave the `required` key out"
                )
            if isinstance(item, str) and item.strip():
                return
    elif value is not None and value != "":
        return
    note = ""
    if schema.get("required") is False:
        note = "the platform's page treats `required: False` like True"
    raise FormError(
        f"{form}: the required value {name!r} is missing", last_seen=note, fix=f"give it: {describe(name, schema)}"
    )


def _never_satisfied_error(form: str, name: str, why: str, change: str) -> FormError:
    return FormError(
        f"{form}: the `required` key of {name!r} can never be satisfied: {why}", last_seen=_API, fix=change
    )


def check_listed(form: str, schema: Mapping[str, Any], filled: Mapping[str, Any], *, within: str = "") -> None:
    """Check the object-level lists of required names.

    Args:
        schema: as :func:`harness.extension.form_schema.resolve` returns it.
        within: names of the objects around it, for messages.

    Raises:
        FormError: one of them has no value.
    """
    properties = schema["properties"]
    for name in schema["required"]:
        if filled.get(name) in (None, "", []):
            shown = f"{within}{make_submitted_name(name)}"
            raise FormError(
                f"{form}: the required value {shown!r} is missing",
                fix=f"give it: {describe(shown, properties.get(name))}",
            )
    for name, inner in properties.items():
        if isinstance(filled.get(name), Mapping) and is_rendered(inner):
            check_listed(form, inner, filled[name], within=f"{within}{make_submitted_name(name)}.")


def check_schema(form: str, schema: Mapping[str, Any], filled: Mapping[str, Any]) -> None:
    """Apply the checks of the renderer: bounds, lengths, patterns and the membership of an ``enum``.

    Args:
        schema: as :func:`harness.extension.form_schema.resolve` returns it.

    Raises:
        FormError: a value breaks a rule, or the DAG's form is no usable schema.
    """
    properties = schema["properties"]
    for name, inner in properties.items():
        items = inner.get("items")
        if isinstance(filled.get(name), str) and isinstance(items, Mapping) and read_kinds(items) == ["string"]:
            raise FormError(
                f"{form}: {name}: the page's field for an array of texts fails on the text {abridge(filled[name])}",
                last_seen=_API,
                fix="write the default as an array",
            )
    validator = make_validator(_clean(schema))
    try:
        problems = sorted(validator.iter_errors(dict(filled)), key=lambda problem: list(map(str, problem.path)))
    except SlowPatternError as error:
        raise FormError(
            f"{form}: in the DAG's form {error}",
            fix="write the pattern so that it cannot match one text in many ways, e.g. ^a+$",
        ) from None
    except PatternError as error:
        raise FormError(f"{form}: in the DAG's form {error}") from None
    except RecursionError:
        raise FormError(f"{form}: the DAG's form is nested too deeply, or refers to itself") from None
    except Exception as error:
        # a validator finds bad schemas lazily, and raises errors of any kind
        where = _first_bad_property(properties, filled)
        raise FormError(
            f"{form}: the DAG's form is not a usable JSON schema{f' at {where}' if where else ''}",
            last_seen=f"{type(error).__name__}: {abridge(str(error))}",
        ) from None
    if problems:
        problem = problems[0]
        name = ".".join(str(part) for part in problem.path)
        raise FormError(
            f"{form}: {name + ': ' if name else ''}{_message(problem)}",
            last_seen="\n".join(_message(other) for other in problems[1:5]),
            fix=describe(name, properties.get(name)) if name else "",
        )


def is_met(condition: Any, values: Mapping[str, Any]) -> bool:
    """Return whether values fulfil the schema of an ``if``; an invalid schema counts as not fulfilled."""
    try:
        return next(iter(make_validator(condition).iter_errors(dict(values))), None) is None
    except Exception:  # the browser's validator throws as well, and the page shows neither part
        return False


def _message(problem: jsonschema.ValidationError) -> str:
    return problem.message if len(problem.message) <= _LONGEST_MESSAGE else f"{problem.message[:_LONGEST_MESSAGE]}..."


def _first_bad_property(properties: Mapping[str, Any], filled: Mapping[str, Any]) -> str:
    """Return the first property with an unusable schema."""
    for name, schema in properties.items():
        try:
            list(make_validator(_clean(schema)).iter_errors(filled.get(name)))
        except Exception:
            return name
    return ""


def _clean(schema: Any) -> Any:
    """Return the schema with only the keywords that the renderer checks."""
    if not isinstance(schema, Mapping):
        return schema
    clean: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "required":
            if isinstance(value, list):
                clean[key] = value
        elif key == "properties" and isinstance(value, Mapping):
            clean[key] = {name: _clean(inner) for name, inner in value.items() if isinstance(inner, Mapping)}
        elif key == "items" and isinstance(value, Mapping):
            clean[key] = _clean(value)
        elif key in _CHECKED:
            clean[key] = value
    return clean


def check_confirmation(form: str, filled: Mapping[str, Any]) -> None:
    """Check that a box to be ticked is.

    Raises:
        FormError: it is not.
    """
    if "confirmation" in filled and filled["confirmation"] is not True:
        raise FormError(
            f"{form}: the confirmation is not given",
            fix="pass confirmation=True, as the user ticks the box before the workflow starts",
        )
