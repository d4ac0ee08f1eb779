"""Compare the real mounts of a container with the expected ones.

Between the look at a path and the engine's own a pod that shares the volume can put a link in its place. The kernel
says of every mount which file system it is and which path in it was mounted; no link hides in that path.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from harness.wire import mount_tables

OWN: Final = Path("/proc/self/mountinfo")


class Mount(NamedTuple):
    """What is mounted somewhere.

    Attributes:
        device: major and minor number of the file system.
        path: what of it, as the file system has it.
    """

    device: str
    path: str


def parse_mountinfo(mountinfo: bytes) -> dict[str, Mount]:
    """Return the mount at each place; of several at one place the uppermost.

    Args:
        mountinfo: as the kernel writes it (proc(5)).
    """
    lines = [fields for fields in mount_tables.read_lines(mountinfo) if len(fields) > 5]
    return {fields[4]: Mount(fields[2], fields[3]) for fields in lines}


def expected_mount(own: bytes, path: Path) -> Mount:
    """Return the expected mount of a path.

    Args:
        own: the mountinfo of this process.
        path: absolute, as this process sees it.
    """
    places = parse_mountinfo(own)
    place = max((place for place in places if path.is_relative_to(place)), key=len)
    mounted = places[place]
    relative = path.relative_to(place)
    return Mount(mounted.device, str(Path(mounted.path) / relative))


def differences(mountinfo: bytes, wanted: Mapping[str, Mount]) -> list[str]:
    """Return the targets with other mounts than the expected ones.

    The image may have a link on the way to a target, such as ``/var/run``: the engine mounts behind it.

    Args:
        mountinfo: of a process in the container.
        wanted: by target.
    """
    found = parse_mountinfo(mountinfo)
    places = {_normal(target) for target in wanted}
    elsewhere = [mounted for place, mounted in found.items() if place not in places]
    wrong = []
    for target, mounted in wanted.items():
        if (there := found.get(_normal(target))) is not None:
            fits = there == mounted
        elif fits := mounted in elsewhere:
            # each mount answers for one target
            elsewhere.remove(mounted)
        if not fits:
            wrong.append(target)
    return wrong


def _normal(target: str) -> str:
    return "/" + "/".join(part for part in target.split("/") if part not in ("", "."))
