"""The parameters of an extension, as the platform's install dialog shows and posts them (build 11).

They are in ``extension_params`` of the chart's values.yaml. The dialog starts with the defaults; the server checks
nothing. Where the dialog would not let a user go on, a test author gets an error.
"""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from harness.errors import ExtensionError, FormError
from harness.extension.platform_globals import GLOBAL_KEYS

ParameterType = Literal["string", "boolean", "bool", "list_single", "list_multi", "group_name", "doc"]
Scalar = str | int | float | bool
_HEADINGS = ("group_name", "doc")
_SWITCHES = ("boolean", "bool")
_LISTS = ("list_single", "list_multi")
# the first line of an error names no more choices than these; all of them follow below
_SHOWN = 6


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One entry of ``extension_params``.

    Attributes:
        default: the dialog's initial value: text or a number, a boolean, a tuple for ``list_multi``; ``None`` for
            nothing.
        definition: the label of the field.
        choices: ``value`` of the two list types.
        html: the content of a ``doc``.
        required: False when the platform's globals hold the key: the dialog then takes an empty field.
    """

    name: str
    type: ParameterType
    default: Any = None
    definition: str = ""
    title: str = ""
    help: str = ""
    choices: tuple[Scalar, ...] = ()
    html: str = ""
    required: bool = True

    @property
    def is_heading(self) -> bool:
        """Whether there is nothing to enter."""
        return self.type in _HEADINGS

    @property
    def strays(self) -> tuple[Scalar, ...]:
        """Entries of the default that are not among the choices; the dialog posts them all the same (build 18.1)."""
        if self.type not in _LISTS or self.default is None:
            return ()
        started = self.default if isinstance(self.default, tuple) else (self.default,)
        return tuple(entry for entry in started if entry not in self.choices)

    def __str__(self) -> str:
        parts = [f"{self.name} ({self.type}"]
        if not self.is_heading:
            parts.append(f", default {_show(self.default)}")
        if self.choices:
            parts.append(f", {'some' if self.type == 'list_multi' else 'one'} of {_show(self.choices)}")
        return "".join(parts) + ")"


def read(values: Mapping[str, Any], file: str | Path) -> tuple[Parameter, ...]:
    """Return the parameters that a chart declares, in their order.

    Args:
        values: the chart's values.yaml.
        file: its path, for messages.

    Raises:
        ExtensionError: the dialog could not show a declaration; parameter and file are named.
    """
    declared = values.get("extension_params")
    if declared is None:
        return ()
    if not isinstance(declared, Mapping):
        raise ExtensionError(
            f"{file}: extension_params must be a mapping of names to parameters, not {_name_kind(declared)}",
            fix="extension_params:\n  my_parameter:\n    type: string\n    default: text\n    definition: what it is",
        )
    return tuple(_parameter(name, entry, f"{file}: extension_params.{name}") for name, entry in declared.items())


def check(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the dialog posts when a user changes some of them.

    Args:
        parameters: of the chart.
        given: name to value: text; True or False; one of the choices; for ``list_multi`` a list of choices, or text
            with commas between them.

    Returns:
        name to value of every parameter; that of ``list_multi`` is text with commas.

    Raises:
        FormError: a name is unknown, a value is missing, of the wrong type or not among the choices.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise _refuse_name(name, parameters)
    posted: dict[str, Any] = {}
    for name, parameter in known.items():
        if parameter.is_heading:
            if name in given:
                raise FormError(f"extension parameter {name} is a {parameter.type}, which takes no value")
            value = parameter.default
        else:
            value = _convert_entry(parameter, given[name]) if name in given else parameter.default
            if _is_missing(parameter, value):
                raise _missing_error(parameter)
        if parameter.type == "list_multi":
            value = ",".join(map(_as_text, value or ()))
        if value is not None:
            posted[name] = value
    return posted


def find_unanswered(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Return the parameters for which a user must enter a value."""
    return tuple(p for p in parameters if not p.is_heading and _is_missing(p, p.default))


def parse_texts(parameters: Sequence[Parameter], text: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a command line, ``name=text``, with the type that the parameter has.

    A ``list_multi`` is JSON or has commas between its entries. An unknown name is passed through, so that
    :func:`check` reports it.

    Raises:
        FormError: the text does not read as the type.
    """
    known = {parameter.name: parameter for parameter in parameters}
    return {name: _parse_text(known[name], word) if name in known else word for name, word in text.items()}


def _is_missing(parameter: Parameter, value: Any) -> bool:
    return parameter.required and (value is None or value in ("", ()))


def _parameter(name: Any, entry: Any, where: str) -> Parameter:
    if not isinstance(name, str) or not name:
        raise ExtensionError(f"{where}: the name must be text, it is {_name_kind(name)}", fix="put it into quotes")
    if not isinstance(entry, Mapping):
        raise ExtensionError(
            f"{where} must be a mapping with type, default and definition, not {_name_kind(entry)}",
            fix=f"{name}:\n  type: string\n  default: text\n  definition: what it is",
        )
    kinds = get_args(ParameterType)
    kind = str(entry.get("type"))
    if kind not in kinds:
        close = difflib.get_close_matches(kind, kinds, n=1)
        raise ExtensionError(
            (f"{where}: the dialog has no field for the type {kind!r}" if "type" in entry else f"{where} has no type")
            + (f"; did you mean {close[0]}?" if close else ""),
            fix=f"one of {', '.join(kinds)}",
        )
    choices = _choices(entry, where) if kind in _LISTS else ()
    return Parameter(
        name=name,
        type=cast(ParameterType, kind),
        default=_default(kind, entry, where),
        choices=choices,
        required=name not in GLOBAL_KEYS,
        **{key: str(entry.get(key) or "") for key in ("definition", "title", "help", "html")},
    )


def _choices(entry: Mapping[str, Any], where: str) -> tuple[Scalar, ...]:
    value = entry.get("value")
    if value is None:
        raise ExtensionError(
            f"{where} has no choices: there is nothing to select", fix="list them: value: [first, second]"
        )
    if not isinstance(value, list) or not value:
        raise ExtensionError(
            f"{where}: value must be a list of choices, not {_name_kind(value)}", fix="value: [first, second]"
        )
    return tuple(_scalar(choice, f"{where}: a choice") for choice in value)


def _default(kind: str, entry: Mapping[str, Any], where: str) -> Any:
    if "default" not in entry and kind not in _HEADINGS:
        example = {"list_multi": "[first]"}.get(kind, "false" if kind in _SWITCHES else "text")
        raise ExtensionError(f"{where} has no default, the field's first value", fix=f"add default: {example}")
    default = entry.get("default")
    if kind == "list_multi":
        if not isinstance(default, list | None):
            raise ExtensionError(
                f"{where}: the default of a list_multi must be a list, not {_name_kind(default)}",
                fix=f"default: [{default}]",
            )
        return tuple(_scalar(item, f"{where}: an entry of the default") for item in default or ())
    if kind in _SWITCHES and not (isinstance(default, bool) or str(default).lower() in {"true", "false"}):
        raise ExtensionError(f"{where}: the default of a {kind} must be true or false, not {default!r}")
    return None if default is None else _scalar(default, f"{where}: the default")


def _scalar(value: Any, where: str) -> Scalar:
    if isinstance(value, datetime.date | datetime.datetime):
        # JSON has no dates: the dialog gets text
        return value.isoformat()
    if not isinstance(value, Scalar):
        raise ExtensionError(f"{where} must be text, a number or a boolean, not {_name_kind(value)}")
    return value


def _convert_entry(parameter: Parameter, value: Any) -> Any:
    """Return a user's entry in the dialog's form."""
    if parameter.type == "list_multi":
        # a choice may contain a comma
        whole = [value] if value in parameter.choices else [part.strip() for part in str(value).split(",")]
        entries = list(value) if isinstance(value, list | tuple) else whole
        chosen = dict.fromkeys(_choice(parameter, entry) for entry in entries if entry != "")
        return tuple(chosen)
    if parameter.type == "list_single":
        return _choice(parameter, value) if value != "" else value
    wanted, shown = (bool, "true or false") if parameter.type in _SWITCHES else (str, "text")
    if not isinstance(value, wanted):
        raise FormError(
            f"extension parameter {parameter.name} must be {shown}, got {value!r} ({type(value).__name__})",
            fix=str(parameter),
        )
    return value


def _choice(parameter: Parameter, value: Any) -> Scalar:
    offered = (*parameter.choices, *parameter.strays)
    for choice in offered:
        if value == choice or str(value) == _as_text(choice):
            return choice
    some = " or ".join(map(_show, offered[:_SHOWN]))
    allowed = some if len(offered) <= _SHOWN else f"one of its {len(offered)} choices"
    close = difflib.get_close_matches(str(value), map(_as_text, offered), n=3)
    raise FormError(
        f"extension parameter {parameter.name} must be {allowed}, got {value!r}"
        + (f"; did you mean {' or '.join(close)}?" if close else ""),
        fix=str(parameter),
    )


def _parse_text(parameter: Parameter, text: str) -> Any:
    try:
        if parameter.type in _SWITCHES:
            return {"true": True, "false": False}[text.strip().lower()]
        if parameter.type == "list_multi" and text.lstrip().startswith("[") and text not in parameter.choices:
            return json.loads(text)
    except (KeyError, ValueError):
        wanted = "a JSON list" if parameter.type == "list_multi" else "true or false"
        raise FormError(
            f"extension parameter {parameter.name} must be {wanted}, got {text!r}", fix=str(parameter)
        ) from None
    return text


def _refuse_name(name: str, parameters: Sequence[Parameter]) -> FormError:
    asked = [parameter for parameter in parameters if not parameter.is_heading]
    close = difflib.get_close_matches(str(name), [parameter.name for parameter in asked], n=3)
    return FormError(
        f"the extension has no parameter {name!r}" + (f"; did you mean {' or '.join(close)}?" if close else ""),
        last_seen="the extension's parameters:\n"
        + ("\n".join(map(str, asked)) or "none: values.yaml has no extension_params"),
        fix="use one of these names, or add the parameter to extension_params of values.yaml",
    )


def _missing_error(parameter: Parameter) -> FormError:
    allowed = {"list_multi": "at least one of its choices", "list_single": "one of its choices"}
    return FormError(
        f"extension parameter {parameter.name} must be {allowed.get(parameter.type, 'text that is not empty')}"
        + ("" if parameter.default else ", and has no default"),
        fix=f"give it: {parameter}",
    )


def _as_text(value: Scalar) -> str:
    """Return a choice as JavaScript writes it into a text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _show(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _name_kind(value: Any) -> str:
    return {list: "a list", str: "text", dict: "a mapping", type(None): "nothing"}.get(type(value), repr(value))
