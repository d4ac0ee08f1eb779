# mypy: disable-error-code="import-not-found"
"""Load Airflow without what its processes here never use: a quarter of the processor time of the scheduler's start."""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import sys
from collections.abc import Iterator, Sequence
from typing import Any


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Collect no garbage in the block, and leave what it made out of later collections.

    Modules stay: to look for garbage among them takes a seventh of the time of their import. A collection in a forked
    child would touch, and so copy, every page that it shares with its parent.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def skip_kubernetes() -> None:
    """Keep the first value that is masked from importing Kubernetes' client (0.3 s).

    Airflow imports it to recognise one of its classes. Where nothing else has imported it, no object has that class.
    """
    from airflow.utils.log import secrets_masker

    class Nothing:
        """The class of no object."""

    def find_variable_class() -> type:
        client = sys.modules.get("kubernetes.client")
        found: type = getattr(client, "V1EnvVar", Nothing)
        return found

    secrets_masker._get_v1_env_var_type = find_variable_class


def skip_connection_forms() -> None:
    """Keep the manager of providers from importing Airflow's web application for the form of a connection (0.1 s)."""
    from airflow.hooks.filesystem import FSHook

    # the only hook of Airflow itself that has fields of its own, on a page that nothing serves here
    if "get_connection_form_widgets" in vars(FSHook):
        del FSHook.get_connection_form_widgets


@functools.cache
def _task_parser() -> argparse.ArgumentParser:
    from airflow.cli import cli_config

    command = next(command for command in cli_config.TASKS_COMMANDS if command.name == "run")
    parser = argparse.ArgumentParser(prog="airflow tasks run")
    for argument in command.args:
        argument.add_to_parser(parser)
    parser.set_defaults(func=command.func)
    return parser


def parse_task_command(command: Sequence[str]) -> Any:
    """Return the parsed arguments of ``airflow tasks run ...``, with its function as ``func``.

    The parser of all commands imports Airflow's web application, whose authentication has commands of its own (0.4 s).
    """
    arguments = _task_parser().parse_args(command[3:])
    # the caller goes on, or ends the process itself
    arguments.shut_down_logging = False
    return arguments
