"""What was observed on this machine; the decisions in ``checks`` see nothing else."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Engine:
    """The container engine.

    Attributes:
        address: where it was asked.
        state: ``up``, ``down`` (nothing listens), ``denied`` (no permission), ``foreign`` (something else
            answers) or ``remote`` (an address that the harness cannot work with).
        version, api, system: as the engine says, only where it is up.
        detail: the error in the system's words.
    """

    address: str
    state: str
    version: str = ""
    api: str = ""
    system: str = "linux"
    detail: str = ""

    @property
    def local(self) -> bool:
        """True for the socket that a local daemon listens on by default."""
        return self.address in {"unix:///var/run/docker.sock", "unix:///run/docker.sock"}


@dataclasses.dataclass(frozen=True)
class Facts:
    """One look at the machine.

    Attributes:
        python: version of the interpreter.
        root: effective user id 0.
        user: name for messages and group commands.
        apt: ``apt-get`` of a Debian or Ubuntu is there.
        systemd: a service manager runs here (false in most containers).
        daemon: path of ``dockerd``, empty where absent.
        engine: answer of the engine.
        rootless: socket of a rootless engine of this user, empty where absent.
        group_member: the user is in group ``docker`` in the user database, whether or not this session has it.
        bootstrapper: path of ``mmdebstrap``, empty where absent.
        disk_free: bytes free where the engine keeps images; ``None`` where unknown.
        memory: bytes of memory that can be had; ``None`` where unknown.
        resource_capability: CAP_SYS_RESOURCE is in the bounding set (matters for privileged containers only).
    """

    python: tuple[int, int, int]
    root: bool
    user: str
    apt: bool
    systemd: bool
    daemon: str
    engine: Engine
    rootless: str = ""
    group_member: bool = False
    bootstrapper: str = ""
    disk_free: int | None = None
    memory: int | None = None
    resource_capability: bool = True
