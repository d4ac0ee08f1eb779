"""Read documents of the wire into dataclasses: fields that are missing or of another type keep their defaults.

What is read may have come through a store that code of an author can write to, such as Airflow's XComs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json = dict[str, Any]
"""A JSON object."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FITS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: _is_number(value) and isinstance(value, int),
    "float": _is_number,
    "list[str]": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    "dict[str, Any]": lambda value: isinstance(value, dict),
    "list[dict[str, Any]]": lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
}


def select_fitting(kind: type[DataclassInstance], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a document for those fields of a dataclass that they fit.

    The caller handles fields of other types than texts, numbers, booleans, objects and lists of them.
    """
    found = {}
    for field in dataclasses.fields(kind):
        name, _, nothing = str(field.type).partition(" | ")
        if field.name not in document or name not in _FITS:
            continue
        value = document[field.name]
        if (value is None and nothing == "None") or _FITS[name](value):
            found[field.name] = value
    return found
