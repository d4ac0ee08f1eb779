"""Settings that the launcher passes to the control plane in its environment."""

from __future__ import annotations

import dataclasses

from harness.wire.control_plane import ControlPlaneOrder
from harness.wire.labels import LABEL_ENVIRONMENT, LABEL_OWNER, LABEL_STARTED
from harness.wire.names import API_PORT

API_HOST = "kubernetes.default.svc"


@dataclasses.dataclass(frozen=True)
class ControlPlaneConfig(ControlPlaneOrder):
    """Settings of one control plane.

    Attributes, besides those of the order:
        socket: path of the engine's socket.
        state: folder for claims, configuration files and node paths.
        state_on_engine: the same folder as the engine sees it; empty: look it up on the own container.
        sandbox_image: engine image with a ``sleep`` program for pods that share a network; empty: the own image.
        cgroups: where the host's cgroup tree can be read, if anywhere.
        processes: where the kernel shows the host's processes.
        listen_port: port of the API.
        owner_grace_s: seconds between the owner's loss and the removal of everything.
        first_owner_s: seconds within which an owner must appear.
    """

    socket: str = "/var/run/docker.sock"
    state: str = "/state"
    state_on_engine: str = ""
    sandbox_image: str = ""
    cgroups: str = "/host/cgroup"
    processes: str = "/proc"
    listen_port: int = API_PORT
    owner_grace_s: float = 2.0
    first_owner_s: float = 30.0

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
