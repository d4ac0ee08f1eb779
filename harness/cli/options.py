"""Make flags of verbs from the declarations of settings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from harness.settings import OPTIONS, Settings

Verb = Callable[..., Any]
_PREFIX = "setting_"


def with_settings(*names: str, **renamed: str) -> Callable[[Verb], Verb]:
    """Give a verb flags for some settings, and the settings as its first argument.

    Args:
        names: of the settings; their flags are those that they declare.
        renamed: flags of settings that have another name on this verb.
    """
    spelling = {name: OPTIONS[name].flag for name in names} | renamed

    def decorate(verb: Verb) -> Verb:
        @functools.wraps(verb)
        def call(**arguments: Any) -> Any:
            flags = {name: arguments.pop(_PREFIX + name) for name in spelling}
            return verb(Settings.load(flags, spelling=spelling), **arguments)

        for name, flag in reversed(spelling.items()):
            option = OPTIONS[name]
            click.option(
                flag,
                _PREFIX + name,
                default=None,
                is_flag=option.is_switch,
                multiple=option.is_list,
                metavar=option.metavar or None,
                help=f"{option.help[0].upper()}{option.help[1:]}.",
            )(call)
        return call

    return decorate
