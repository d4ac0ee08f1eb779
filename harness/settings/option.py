"""An option is declared once, as a field of :class:`harness.settings.Settings`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from harness.settings import values

TABLE: Final = "[tool.kaapana-harness]"
"""The table of options in a ``pyproject.toml``."""
VARIABLE_PREFIX: Final = "KAAPANA_HARNESS_"
_PYTEST_PREFIX: Final = "--kaapana-"

_Value = TypeVar("_Value")


@dataclasses.dataclass(frozen=True)
class Option:
    """One option, with all names that it has.

    Args:
        name: of the field.
        default: where nothing sets it.
        parse: returns the value of a text, or raises a ValueError with the expected format.
        metavar: the value's name in a usage line; empty for a switch.
        help: the description, without a full stop.
        flag: on the command line, where most verbs have it by this name; empty for none.
        pytest: whether pytest has an option for it.
        parse_from_file: returns the value of what a project file has, a list or a table, with paths that are
            relative to the file's folder; by default it is parsed as a string.
    """

    name: str
    default: Any
    parse: Callable[[str], Any]
    metavar: str
    help: str
    flag: str = ""
    pytest: bool = False
    parse_from_file: Callable[[Any, Path], Any] | None = None

    @property
    def key(self) -> str:
        """Its key in :data:`TABLE`; the same with underscores will do."""
        return self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The name of its environment variable."""
        return VARIABLE_PREFIX + self.name.upper()

    @property
    def pytest_flag(self) -> str:
        """The name of pytest's option; empty for none."""
        return _PYTEST_PREFIX + self.key if self.pytest else ""

    @property
    def is_switch(self) -> bool:
        """Whether its flags take no value."""
        return self.parse is values.boolean

    @property
    def is_list(self) -> bool:
        """Whether its flags may be repeated."""
        return self.parse is values.words

    def ways(self, value: str = "") -> str:
        """Return the ways to set the option, for a message: its flags, the variable in place of one that is missing.

        An option without flags has the variable and the key.

        Args:
            value: what to set it to.
        """
        of_environment = self.variable + (f"={value}" if value else "")
        if not self.flag and not self.pytest_flag:
            return f"{of_environment} or {self.key} in {TABLE}"
        of_command_line = f"{self.flag} {value}".rstrip() if self.flag else of_environment
        return f"{of_command_line} (pytest: {self.pytest_flag or self.variable})"


def option(
    default: _Value,
    parse: Callable[[str], _Value],
    metavar: str,
    help: str,
    *,
    flag: str = "",
    pytest: bool = False,
    parse_from_file: Callable[[Any, Path], _Value] | None = None,
) -> _Value:
    """Declare an option; for the arguments see :class:`Option`.

    Returns:
        A field of a dataclass, as :func:`dataclasses.field` does.
    """
    declared = {"parse": parse, "metavar": metavar, "help": help, "flag": flag, "pytest": pytest}
    return dataclasses.field(default=default, metadata={**declared, "parse_from_file": parse_from_file})


def options_of(settings: type) -> dict[str, Option]:
    """Return the options that a dataclass declares, by name."""
    return {
        field.name: Option(field.name, field.default, **field.metadata)
        for field in dataclasses.fields(settings)
        if field.metadata
    }
