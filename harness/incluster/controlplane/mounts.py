"""Compare the real mounts of a container with the expected ones.

Between the look at a path and the engine's own a pod that shares the volume can put a link in its place. The kernel
says of every mount which file system it is and which path in it was mounted; no link hides in that path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_ESCAPE = re.compile(r"\\([0-7]{3})")
OWN: Final = Path("/proc/self/mountinfo")


class Mount(NamedTuple):
    """What is mounted somewhere.

    Attributes:
        device: major and minor number of the file system.
        path: what of it, as the file system has it.
    """

    device: str
    path: str


def parse_mountinfo(mountinfo: str) -> dict[str, Mount]:
    """Return the mount at each place; of several at one place the uppermost.

    Args:
        mountinfo: as the kernel writes it (proc(5)).
    """
    return dict(_entries(mountinfo))


def _entries(mountinfo: str) -> Iterator[tuple[str, Mount]]:
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) > 5:
            yield _unescape(fields[4]), Mount(fields[2], _unescape(fields[3]))


def _unescape(text: str) -> str:
    """Undo the kernel's octal escapes, which stand for bytes."""
    raw = _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), text)
    return raw.encode("latin-1", "replace").decode("utf-8", "replace") if "\\" in text else text


def expected_mount(own: str, path: Path) -> Mount:
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


def differences(mountinfo: str, wanted: Mapping[str, Mount]) -> list[str]:
    """Return the targets with other mounts than the expected ones.

    Args:
        mountinfo: of a process in the container.
        wanted: by target.
    """
    found = parse_mountinfo(mountinfo)
    return [target for target, mounted in wanted.items() if found.get(_normal(target)) != mounted]


def _normal(target: str) -> str:
    return "/" + "/".join(part for part in target.split("/") if part not in ("", "."))
