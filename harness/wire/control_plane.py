"""What the host passes to the control plane of the docker cluster: the environment of its container."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

LISTENS = "ready on port"
"""What the control plane writes to its log, with the port, when it listens."""

_PREFIX = "KAAPANA_HARNESS_"

_Order = TypeVar("_Order", bound="ControlPlaneOrder")


@dataclasses.dataclass(frozen=True)
class ControlPlaneOrder:
    """What the owner of an environment decides about its control plane.

    Attributes:
        environment: id of the environment, part of every name.
        owner: ``<pid>@<host>`` of the process that everything belongs to.
        started: ISO 8601 time of the environment's start.
        token: bearer token of the owner: everything.
        account_secret: signs the tokens of service accounts.
        own_container: id of the container this runs in; empty: a plain process on the engine's host.
        api: version of the engine's API that is spoken, as ``1.41``.
        disk_reserve: bytes of the engine's disk that pods of tasks may not use.
        site_network: 0 closes the private networks of the site to pods with a way out.
    """

    environment: str
    owner: str
    started: str
    token: str
    account_secret: str
    own_container: str = ""
    api: str = "1.41"
    disk_reserve: int = 1 << 30
    site_network: int = 1

    def as_environment(self) -> dict[str, str]:
        """Return a variable for each field: ``KAAPANA_HARNESS_<FIELD>``."""
        return {_variable(name): str(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_environment(cls: type[_Order], environ: Mapping[str, str]) -> _Order:
        """Read ``KAAPANA_HARNESS_<FIELD>`` for every field.

        Raises:
            SystemExit: one without a default is missing.
        """
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            text, default = environ.get(_variable(field.name)), field.default
            if text is not None:
                values[field.name] = type(default)(text) if isinstance(default, int | float) else text
            elif default is dataclasses.MISSING:
                raise SystemExit(f"{_variable(field.name)} is not set")
        return cls(**values)


def _variable(field: str) -> str:
    return _PREFIX + field.upper()
