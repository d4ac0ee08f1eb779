"""``python -m harness.settings``: print ``docs/settings.md``, which is made of the declarations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from harness.settings import OPTIONS, Option
from harness.settings.option import TABLE
from harness.settings.variables import VARIABLES

_HEAD = f"""\
# Settings

Command line and pytest options override environment variables, and these override `{TABLE}` in a `pyproject.toml`: the
nearest one, in the working directory (pytest: in its root directory) or in a folder above it. Paths in `chart`,
`images`, `datasets` and `build-urls` of that file are relative to it. In the environment, separate the values of a list
or a table by commas; on the command line, repeat the flag of a list. `Settings.load` in Python takes the keys with
underscores.

`python -m harness.settings` prints this page; `harness/settings` declares the options.

## Options
"""
_VARIABLES = """
## Variables of a machine

Only the environment sets these. For proxies, certificates, package indexes, Docker and kubectl, the harness uses their
own variables and files.
"""


def render_page() -> str:
    """Return the page as Markdown."""
    columns = ("key", "command line", "pytest", "environment", "default", "meaning")
    lines = [_HEAD, *_table(columns, map(_cells, OPTIONS.values())), _VARIABLES]
    variables = ((f"`{known.name}`", f"`{known.metavar}`", known.help) for known in VARIABLES)
    return "\n".join([*lines, *_table(("variable", "value", "meaning"), variables), ""])


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
    print(render_page(), end="")
