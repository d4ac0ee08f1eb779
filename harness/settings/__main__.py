"""``python -m harness.settings``: print ``docs/settings.md``, which is made of the declarations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from harness.settings import OPTIONS, Option
from harness.settings.option import TABLE
from harness.settings.variables import VARIABLES

_HEAD = f"""\
# Settings

An option of a command or of pytest wins over the environment, and that over `{TABLE}` in the
`pyproject.toml` of the working directory or of a folder above it. A list or a table there is separated by commas in the
environment, and the flag of a list is repeated. `Settings.load` in Python takes the keys with underscores.

This page is what `python -m harness.settings` prints; the options are declared in `harness/settings`.

## Options
"""
_VARIABLES = """
## Variables of a machine

Nothing else sets these. Proxies, certificates, package indexes, Docker and kubectl are used as their own variables and
files say.
"""


def page() -> str:
    """Return the page as Markdown."""
    columns = ("key", "command line", "pytest", "environment", "default", "what it is")
    lines = [_HEAD, *_table(columns, map(_cells, OPTIONS.values())), _VARIABLES]
    variables = ((f"`{known.name}`", f"`{known.metavar}`", known.help) for known in VARIABLES)
    return "\n".join([*lines, *_table(("variable", "value", "what it is"), variables), ""])


def _cells(option: Option) -> Sequence[str]:
    flags = (f"{flag} {option.metavar}".rstrip() if flag else "" for flag in (option.flag, option.pytest_flag))
    named = (option.key, *flags, option.variable, _default(option.default))
    return (*(f"`{name}`" if name else "" for name in named), option.help)


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value or "")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]


if __name__ == "__main__":
    print(page(), end="")
