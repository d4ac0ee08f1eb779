"""Make the values with which the platform installs a chart: kube-helm's merge and encoding (build 10.3).

Precedence, low to high: the platform's globals, the parameters chosen in the dialog, strings and lists of the
chart's own ``global``, the request's ``sets``. The platform passes them through a shell and Helm's ``--set``
syntax; what that does to a value (blanks vanish, an apostrophe becomes a quotation mark, a backslash goes)
is done here as well, because authors meet it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from harness.common.documents import abridge
from harness.errors import ExtensionError

# globals of the platform that are not passed on
_NOT_PASSED = frozenset({"preinstall_extensions", "kaapana_collections"})
# as Helm's --set does
_MOST_LEVELS = 30
_MOST_INDEX_DIGITS = 4
_STEP = re.compile(r"(?P<name>[^.\[\]]+)|\[(?P<index>[0-9]+)\]")


def merge(
    platform_globals: Mapping[str, Any],
    extension_params: Mapping[str, Any],
    chart_globals: Mapping[str, Any],
    sets: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the values of the release.

    Args:
        platform_globals: ``global`` of the platform's own release.
        extension_params: the chosen parameters, name to value.
        chart_globals: ``global`` of the chart's values.yaml.
        sets: dotted key to value, with the highest precedence.

    Returns:
        nested values, as Helm sees them after its ``--set`` and ``--set-string`` options.

    Raises:
        ExtensionError: Helm refuses a key.
    """
    flat: dict[str, Any] = {f"global.{key}": value for key, value in platform_globals.items() if key not in _NOT_PASSED}
    for key, value in extension_params.items():
        if not is_dropped(key, value):
            flat[f"global.{html.escape(key)}"] = _escape(value)
    for key, value in chart_globals.items():
        if not is_taken(value):
            continue
        if isinstance(value, str):
            flat[f"global.{key}"] = value
        else:
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    flat.update((f"global.{key}[{index}].{name}", inner) for name, inner in item.items())
                else:
                    flat[f"global.{key}[{index}]"] = item
    flat.update(sets or {})
    values: dict[str, Any] = {}
    # Helm reads --set before --set-string
    for key, value in sorted(flat.items(), key=lambda pair: isinstance(pair[1], str)):
        _assign(values, key, encode_value(value))
    return values


def is_dropped(key: str, value: Any) -> bool:
    """Return whether a parameter never reaches Helm: pairs with ``;`` are dropped.

    The request is escaped before, which makes one of each of ``& < > " '``.
    """
    escaped = _escape(value)
    return ";" in html.escape(key) or (isinstance(escaped, str) and ";" in escaped)


def is_taken(chart_global: Any) -> bool:
    """Return whether a value of the chart's ``global`` replaces parameters and the platform's values: texts, lists."""
    return isinstance(chart_global, str | list) and bool(chart_global)


def _escape(value: Any) -> Any:
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, list):
        return [_escape(item) for item in value]
    return value


def encode_value(value: Any) -> Any:
    """Return a value of the command line as Helm parses it."""
    if isinstance(value, str):
        text = value.replace(" ", "").replace("'", '"')
        return re.sub(r"\\(.)", r"\1", text)
    if isinstance(value, list):
        return [_parse_typed(str(item).replace("'", '"')) for item in value]
    return _parse_typed(str(value))


def _parse_typed(text: str) -> Any:
    """Parse a value as Helm does after ``--set``: true, false, null and whole numbers are not strings."""
    lower = text.lower()
    if lower in {"true", "false"}:
        return lower == "true"
    if lower == "null":
        return None
    if text == "0" or re.fullmatch(r"-?[1-9]\d{0,17}", text):
        return int(text)
    return text


def _assign(values: dict[str, Any], key: str, value: Any) -> None:
    """Set ``a.b[0].c`` in nested maps and lists.

    Raises:
        ExtensionError: Helm refuses the key.
    """
    found = list(_STEP.finditer(key))
    if len(found) > _MOST_LEVELS or any(len(m["index"] or "") > _MOST_INDEX_DIGITS for m in found):
        raise ExtensionError(
            f"{abridge(key)} is not a key for a value of the chart: Helm takes {_MOST_LEVELS} levels and short indices",
            fix="give the parameter, or the key in `global` of values.yaml, a plain name",
        )
    steps = [m["name"] if m["name"] is not None else int(m["index"]) for m in found]
    here: Any = values
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, int):
            here.extend([None] * (step + 1 - len(here)))
            present = here[step]
        else:
            present = here.get(step)
        if following is None:
            here[step] = value
            return
        wanted = list if isinstance(following, int) else dict
        if not isinstance(present, wanted):
            present = wanted()
            here[step] = present
        here = present
