"""Find out what this machine lacks for the matrix."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from harness.doctor.probe import find_program

PROGRAMS: Final[Mapping[str, str]] = {
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "apt-get": "apt",
}
"""Programs that are needed, with their packages in Debian."""
FREE_BYTES: Final = 15 * 10**9
_CAPABILITIES: Final = {"CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_SYS_ADMIN": 21}


@dataclasses.dataclass(frozen=True)
class Machine:
    """What is asked of a machine.

    Attributes:
        root: whether this is root.
        architecture: as the kernel names it.
        programs: those of :data:`PROGRAMS` that are there.
        capabilities: bits of the bounding set.
        forwards: whether the kernel forwards packets of IPv4.
        free: bytes on the disk of the working folder.
        stacked: whether that folder is on an overlay, on which an engine cannot make another one.
        name_server: whether another network namespace can reach one of the machine's name servers.
    """

    root: bool
    architecture: str
    programs: frozenset[str]
    capabilities: int
    forwards: bool
    free: int
    stacked: bool
    name_server: bool


def look(work: Path) -> Machine:
    """Look at this machine; changes nothing."""
    folder = work
    while not folder.is_dir():
        folder = folder.parent
    return Machine(
        root=os.geteuid() == 0,
        architecture=platform.machine(),
        programs=frozenset(name for name in PROGRAMS if find_program(name, os.environ)),
        capabilities=_capabilities(Path("/proc/self/status").read_text("ascii", "replace")),
        forwards=_text(Path("/proc/sys/net/ipv4/ip_forward")).strip() == "1",
        free=shutil.disk_usage(folder).free,
        stacked=_is_overlay(folder),
        name_server=resolver() is not None,
    )


def lacks(machine: Machine, work: Path) -> list[str]:
    """Return what is missing, each with the way to it, the most basic first."""
    if not machine.root:
        return ["root: namespaces, mounts and network devices are made (run it with sudo)"]
    found = []
    if machine.architecture != "x86_64":
        found.append(f"an amd64 processor (this is {machine.architecture})")
    for name, bit in _CAPABILITIES.items():
        if not machine.capabilities >> bit & 1:
            found.append(f"{name} (in a container: --privileged)")
    if absent := sorted({PROGRAMS[name] for name in PROGRAMS if name not in machine.programs}):
        found.append(f"programs (apt-get install {' '.join(absent)})")
    if not machine.forwards:
        found.append("forwarding (sysctl -w net.ipv4.ip_forward=1)")
    if not machine.name_server:
        found.append("a name server outside its loopback network (name one in /etc/resolv.conf)")
    if machine.stacked:
        found.append(f"a place for images: {work} is on an overlay (name another folder with --work)")
    if machine.free < FREE_BYTES:
        found.append(f"free disk: {machine.free / 1e9:.1f} GB at {work}, {FREE_BYTES / 1e9:.0f} GB are needed")
    return found


def resolver(read: Callable[[Path], str] | None = None) -> Path | None:
    """Return the file that names name servers which other network namespaces reach, too; ``None`` without one."""
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        lines = [line.split() for line in (read or _text)(path).splitlines()]
        servers = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
        if any(not server.startswith("127.") and server != "::1" for server in servers):
            return path
    return None


def mirror(suite_of: Callable[[], str] | None = None) -> str:
    """Return the mirror of Debian that this machine's apt uses; empty where it names none."""
    found = (suite_of or _targets)()
    uris = [line.strip() for line in found.splitlines()]
    return next((uri for uri in uris if uri and "security" not in uri), "")


def _targets() -> str:
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _capabilities(status: str) -> int:
    return next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:")), 0)


def _is_overlay(folder: Path) -> bool:
    command = ["findmnt", "--json", "--target", str(folder), "--output", "FSTYPE"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return bool(json.loads(done.stdout)["filesystems"][0]["fstype"] == "overlay")
    except (ValueError, KeyError, IndexError):
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
