# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Exchange of data between the instances of a federation: refused by name; other code continues (operators 7)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

from harness.incluster.airflow.errors import NotEmulatedError


def refuse_federated_run(context: Any) -> None:
    """End the task of a federated run.

    Raises:
        NotEmulatedError: the conf of the context's run has a ``federated_form``.
    """
    run = context.get("dag_run")
    if (getattr(run, "conf", None) or {}).get("federated_form"):
        _refuse("a run with federated_form")


def federated_sharing_decorator(func: Callable[..., Any]) -> Callable[..., Any]:
    """Call the method of a run that is not federated.

    Raises:
        NotEmulatedError: the run is a federated one.
    """

    @functools.wraps(func)
    def shared(self: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_federated_run(args[0] if args and hasattr(args[0], "get") else kwargs)
        return func(self, *args, **kwargs)

    return shared


def apply_tar_action(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Refuse to pack a folder for another instance.

    Raises:
        NotEmulatedError: always.
    """
    _refuse("apply_tar_action")


def apply_untar_action(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Refuse to unpack a folder of another instance.

    Raises:
        NotEmulatedError: always.
    """
    _refuse("apply_untar_action")


def federated_action(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Refuse to move files from or to another instance.

    Raises:
        NotEmulatedError: always.
    """
    _refuse("federated_action")


def fernet_encryptfile(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Refuse to encrypt a file for another instance.

    Raises:
        NotEmulatedError: always.
    """
    _refuse("fernet_encryptfile")


def fernet_decryptfile(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Refuse to decrypt a file from another instance.

    Raises:
        NotEmulatedError: always.
    """
    _refuse("fernet_decryptfile")


def _refuse(what: str) -> NoReturn:
    raise NotEmulatedError(f"{what}: federated workflows are not emulated, there is one instance only")
