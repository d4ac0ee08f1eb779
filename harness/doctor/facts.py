"""Facts about this machine; the decisions in ``checks`` depend on nothing else."""

from __future__ import annotations

import dataclasses

from harness.doctor import api_range
from harness.doctor.builder import Builder


@dataclasses.dataclass(frozen=True)
class Inside:
    """What an engine says of itself beside its version.

    Attributes:
        driver: of its images: ``overlay2``, ``overlayfs``, ``vfs``.
        backing: the file system that its data is on, in its own words: ``extfs``, ``xfs``; empty where it does not say.
        containerd: containerd keeps its images; their ids are those of manifests then.
        root: its data folder, as its own machine names it.
        image_root: the folder of its images; another one where the system's containerd keeps them.
        memory: bytes of memory of its machine.
        cgroups: version of control groups, ``1`` or ``2``.
        grouped: containers have control groups; without them they can be neither limited nor paused.
        unlimited: resources of containers that it cannot limit: ``memory``, ``processes``, ``processors``.
        rootless: it runs as an ordinary user.
        remapped: users of its containers, root too, are others on its machine (``userns-remap``).
    """

    driver: str = ""
    backing: str = ""
    containerd: bool = False
    root: str = ""
    image_root: str = ""
    memory: int = 0
    cgroups: str = ""
    grouped: bool = True
    unlimited: tuple[str, ...] = ()
    rootless: bool = False
    remapped: bool = False

    def __str__(self) -> str:
        """Return one line for the doctor."""
        parts = [
            f"{self.driver} image store" + (" of containerd" if self.containerd else ""),
            f"cgroup v{self.cgroups}" if self.cgroups else "",
            "rootless" if self.rootless else "",
        ]
        return ", ".join(part for part in parts if part)


@dataclasses.dataclass(frozen=True)
class EngineFacts:
    """The container engine.

    Attributes:
        address: its URL; empty where the user's configuration names no engine that can be found.
        state: ``up``, ``down`` (nothing listens), ``silent`` (no answer in time), ``denied`` (no permission),
            ``foreign`` (something else answers), ``remote`` (an address that the harness cannot work with) or
            ``unnamed`` (no address).
        product: ``Docker`` or ``Podman``.
        version, api, minimum, system, architecture: as the engine says, only where it is up; ``api`` is the newest
            version of its API and ``minimum`` the oldest.
        detail: the error in the system's words.
        context: name of the context that gives the address; empty without one.
        way_out: what makes the harness use the default engine instead; empty where that is what it uses.
        inside: what else it says, where it was asked for it.
        unanswered: one clause, where it was asked for that and did not answer.
        enclosing: name of the engine's container around this process, if it has its own network.
    """

    address: str
    state: str
    version: str = ""
    api: str = ""
    system: str = "linux"
    detail: str = ""
    minimum: str = ""
    architecture: str = "amd64"
    product: str = "Docker"
    context: str = ""
    way_out: str = ""
    inside: Inside | None = None
    unanswered: str = ""
    enclosing: str = ""

    @property
    def local(self) -> bool:
        """True for the socket that a local daemon listens on by default."""
        return self.address in {"unix:///var/run/docker.sock", "unix:///run/docker.sock"}

    @property
    def spoken(self) -> str:
        """The API version that the harness uses with it; empty if they share none."""
        return api_range.choose(self.api, self.minimum)

    @property
    def socket(self) -> str:
        """Path of its socket; empty if it has none."""
        return self.address.removeprefix("unix://") if self.address.startswith("unix://") else ""

    @property
    def place(self) -> str:
        """Its URL, with the context if one names it."""
        return f"{self.address} (context {self.context})" if self.context else self.address


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
        builder: what images are built with.
        resource_capability: CAP_SYS_RESOURCE is in the bounding set (matters for privileged containers only).
        data_file_system: the type of the file system that the engine's data is on; empty where unknown.
        inotify_instances: how many a user may have (matters for nodes of kind only); ``None`` where unknown.
        inotify_watches: likewise.
        docker_problem: why the program ``docker`` does not reach the engine; empty if it does, or was not asked.
    """

    python: tuple[int, int, int]
    root: bool
    user: str
    apt: bool
    systemd: bool
    daemon: str
    engine: EngineFacts
    rootless: str = ""
    group_member: bool = False
    bootstrapper: str = ""
    disk_free: int | None = None
    memory: int | None = None
    builder: Builder = dataclasses.field(default_factory=Builder)
    resource_capability: bool = True
    data_file_system: str = ""
    inotify_instances: int | None = None
    inotify_watches: int | None = None
    docker_problem: str = ""
