"""Settings that the launcher passes to the control plane in its environment."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from harness.wire.labels import LABEL_ENVIRONMENT, LABEL_OWNER, LABEL_STARTED
from harness.wire.names import API_PORT

API_HOST = "kubernetes.default.svc"

_PREFIX = "KAAPANA_HARNESS_"


@dataclasses.dataclass(frozen=True)
class ControlPlaneConfig:
    """Settings of one control plane.

    Attributes:
        environment: id of the environment, part of every name.
        owner: ``<pid>@<host>`` of the process that everything belongs to.
        started: ISO 8601 time of the environment's start.
        token: bearer token of the owner: everything.
        account_secret: signs the tokens of service accounts.
        socket: path of the engine's socket.
        api: version of the engine's API that is spoken, as ``1.41``.
        state: folder for claims, configuration files and node paths.
        state_on_engine: the same folder as the engine sees it; empty: look it up on the own container.
        own_container: id of the container this runs in; empty: a plain process on the engine's host.
        sandbox_image: engine image with a ``sleep`` program for pods that share a network; empty: the own image.
        cgroups: where the host's cgroup tree can be read, if anywhere.
        listen_port: port of the API.
        owner_grace_s: seconds between the owner's loss and the removal of everything.
        first_owner_s: seconds within which an owner must appear.
        site_network: 0 closes the private networks of the site to pods with a way out.
        disk_reserve: bytes of the engine's disk that pods of tasks may not use.
    """

    environment: str
    owner: str
    started: str
    token: str
    account_secret: str
    socket: str = "/var/run/docker.sock"
    api: str = "1.41"
    state: str = "/state"
    state_on_engine: str = ""
    own_container: str = ""
    sandbox_image: str = ""
    cgroups: str = "/host/cgroup"
    listen_port: int = API_PORT
    owner_grace_s: float = 2.0
    first_owner_s: float = 30.0
    disk_reserve: int = 1 << 30
    site_network: int = 1

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> ControlPlaneConfig:
        """Read ``KAAPANA_HARNESS_<FIELD>`` for every field; those without a default must be there."""
        values: dict[str, str | float | int] = {}
        for field in dataclasses.fields(cls):
            text = environ.get(_PREFIX + field.name.upper())
            if text is None:
                if field.default is dataclasses.MISSING:
                    raise SystemExit(f"{_PREFIX}{field.name.upper()} is not set")
                continue
            default = field.default
            values[field.name] = type(default)(text) if isinstance(default, int | float) else text
        return cls(**values)  # type: ignore[arg-type]

    @property
    def prefix(self) -> str:
        """Start of the names of all containers, networks and image tags of this environment."""
        return f"kh-{self.environment}"

    @property
    def labels(self) -> dict[str, str]:
        """The labels of ownership that everything carries."""
        return {
            LABEL_ENVIRONMENT: self.environment,
            LABEL_OWNER: self.owner,
            LABEL_STARTED: self.started,
        }
