"""The file system of a node, and the images of the cluster's own pods."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness import engine
from harness.cluster.kind.node_image import programs
from harness.cluster.kind.node_image.programs import FILES
from harness.common.progress import OnProgress
from harness.images import build
from harness.images.context import Context, ContextEntry, make_package_entries
from harness.images.site import SiteSettings

if TYPE_CHECKING:
    from harness.settings.builds import BuildSettings

PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "curl",
    "dbus",
    "ethtool",
    "iproute2",
    "iptables",
    "jq",
    "kmod",
    "mount",
    "nftables",
    "procps",
    "rsync",
    "runc",
    "socat",
    "systemd",
    "systemd-sysv",
    "util-linux",
)

_WITH_TOOLS = """\
ARG NODE
ARG PROGRAM
FROM ${PROGRAM} AS program
FROM ${NODE} AS node
ARG STAGE
LABEL kaapana-harness.stage=${STAGE}
COPY tools.bash /tools.bash
RUN bash /tools.bash /out
FROM scratch
COPY --from=node /out/ /
COPY --from=program /bin/ /usr/local/bin/
"""
_PROGRAM_ONLY = """\
ARG PROGRAM
FROM ${PROGRAM} AS program
FROM scratch
"""
_BUSYBOX = """\
ARG NODE
FROM ${NODE} AS node
ARG STAGE
LABEL kaapana-harness.stage=${STAGE}
RUN mkdir -p /out/bin /out/tmp && cp /bin/busybox /out/bin/ \\
 && for name in $(/bin/busybox --list); do [ "$name" = busybox ] || ln -s busybox "/out/bin/$name"; done
FROM scratch
COPY --from=node /out/ /
"""
_PATH = "ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"


@dataclasses.dataclass(frozen=True)
class Part:
    """An image that the node contains.

    Attributes:
        name: its local repository is ``kaapana-harness/kind-part-<name>``.
        dockerfile: how it is made.
        program: its content.
        references: the names that pods use it by, where they are not listed by one of the programs.
    """

    name: str
    dockerfile: str
    program: programs.Program | None = None
    references: tuple[str, ...] = ()

    @property
    def repository(self) -> str:
        """The local repository."""
        return f"kaapana-harness/kind-part-{self.name}"


NETWORK_IMAGE = "docker.io/kaapana-harness/kind-network:node"
"""As the manifest of the network names it."""
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
"""As the containerd configuration of kind's node files names it."""

PARTS = (
    Part("kubernetes", _WITH_TOOLS + _PATH, programs.KUBERNETES),
    Part("network", _WITH_TOOLS + _PATH, programs.NETWORK, (NETWORK_IMAGE,)),
    Part(
        "pause",
        _PROGRAM_ONLY + 'COPY --from=program /bin/pause /pause\nENTRYPOINT ["/pause"]\n',
        programs.NETWORK,
        (PAUSE_IMAGE,),
    ),
    Part(
        "coredns",
        _PROGRAM_ONLY + 'COPY --from=program /bin/coredns /coredns\nENTRYPOINT ["/coredns"]\n',
        programs.COREDNS,
    ),
    Part(
        "storage",
        _PROGRAM_ONLY + "COPY --from=program /bin/ /usr/local/bin/\n" + _PATH,
        programs.STORAGE,
    ),
    Part("helper", _BUSYBOX + _PATH),
)


def make_system_context() -> Context:
    """Return the files of the node's own build."""
    return Context(
        [ContextEntry("Dockerfile", path=FILES / "node.Dockerfile"), *make_package_entries(FILES / "node", "node")]
    )


def make_part_context(part: Part) -> Context:
    """Return the files of a part's build."""
    tools = make_package_entries(FILES, "", only=["tools.bash"]) if "tools.bash" in part.dockerfile else []
    return Context([ContextEntry("Dockerfile", content=part.dockerfile.encode()), *tools])


def hash_inputs() -> str:
    """Hash of everything that determines the node and its parts, except the programs and the base."""
    parts = [make_part_context(part).digest(part.name, *part.references) for part in PARTS]
    return make_system_context().digest(*PACKAGES, *parts)


def build_system(
    tag: str,
    base: str,
    made: Mapping[programs.Program, str],
    settings: BuildSettings,
    on_progress: OnProgress,
) -> None:
    """Build the node's file system and name it ``tag``.

    Raises:
        ImageError: a step fails; the last lines are in the error.
    """
    build.build_image(
        make_system_context(),
        tag=tag,
        settings=settings,
        buildargs={
            "BASE": base,
            "KIND": made[programs.KIND],
            "KUBERNETES": made[programs.KUBERNETES],
            "NETWORK": made[programs.NETWORK],
            "PACKAGES": " ".join(PACKAGES),
            "VERSION": programs.KUBERNETES.version,
        },
        labels={engine.LABEL_NAME: "kind-system"},
        on_line=lambda line: on_progress(f"[node] {line}"),
        site=SiteSettings.detect(ca_bundle=settings.ca_bundle),
    )


def build_part(
    part: Part,
    tag: str,
    system: str,
    made: Mapping[programs.Program, str],
    settings: BuildSettings,
    on_progress: OnProgress,
) -> None:
    """Build the image of one part and name it ``tag``.

    Raises:
        ImageError: a step fails; the last lines are in the error.
    """
    arguments = {"NODE": system, "STAGE": tag}
    if part.program is not None:
        arguments["PROGRAM"] = made[part.program]
    api = engine.connect_api()
    try:
        build.build_image(
            make_part_context(part),
            tag=tag,
            settings=settings,
            buildargs={key: value for key, value in arguments.items() if f"ARG {key}\n" in part.dockerfile},
            labels={engine.LABEL_NAME: f"kind-part-{part.name}"},
            on_line=lambda line: on_progress(f"[{part.name}] {line}"),
            site=SiteSettings.detect(ca_bundle=settings.ca_bundle),
        )
        programs.remove_stages(api, tag)
    finally:
        api.close()
