"""Collect :class:`Facts` from the real machine."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.doctor import docker_command
from harness.doctor.builder import find_socket_builder
from harness.doctor.engine import ask_engine, find_rootless_socket
from harness.doctor.facts import Facts
from harness.settings.variables import STATE_DIR
from harness.wire import mount_tables

_CAP_SYS_RESOURCE = 24
# Root-only programs are not on an ordinary user's PATH.
_SEARCH = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def collect_facts(environ: Mapping[str, str] | None = None, *, for_nodes: bool = False) -> Facts:
    """Examine the machine once; takes a few milliseconds and changes nothing.

    Args:
        environ: by default that of this process.
        for_nodes: also ask the program ``docker``, which only nodes of kind need, and which takes longer.
    """
    environ = os.environ if environ is None else environ
    engine = ask_engine(environ, inside=True)
    root = (engine.inside and engine.inside.root) or "/var/lib/docker"
    folders = {root, (engine.inside and engine.inside.image_root) or root}
    memory = [amount for amount in (_memory(Path("/proc/meminfo")), engine.inside and engine.inside.memory) if amount]
    return Facts(
        python=sys.version_info[:3],
        root=os.geteuid() == 0,
        user=_user(),
        apt=_is_debian_like(Path("/etc/os-release")) and find_program("apt-get", environ) != "",
        systemd=Path("/run/systemd/system").is_dir(),
        daemon=find_program("dockerd", environ),
        engine=engine,
        rootless=find_rootless_socket(environ),
        group_member=_in_docker_group(_user()),
        bootstrapper=find_program("mmdebstrap", environ),
        disk_free=min((free for free in map(_disk_free, folders) if free is not None), default=None),
        # an engine in a virtual machine has less than this one
        memory=min(memory, default=None),
        builder=find_socket_builder(engine.socket if engine.state == "up" else "", environ),
        resource_capability=_has_capability(Path("/proc/self/status"), _CAP_SYS_RESOURCE),
        data_file_system=(engine.inside and engine.inside.backing) or _file_system(root, Path("/proc/self/mounts")),
        inotify_instances=_number(Path("/proc/sys/fs/inotify/max_user_instances")),
        inotify_watches=_number(Path("/proc/sys/fs/inotify/max_user_watches")),
        docker_problem=docker_command.find_problem(environ) if for_nodes and engine.state == "up" else "",
    )


def find_program(name: str, environ: Mapping[str, str]) -> str:
    """Return the path of a program, also from a folder for administrators; '' where absent."""
    folders = [*environ.get("PATH", os.defpath).split(os.pathsep), *_SEARCH]
    return shutil.which(name, path=os.pathsep.join(folders)) or ""


def find_state_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the harness's state folder, as in its settings (but found without their library); created."""
    environ = os.environ if environ is None else environ
    own = STATE_DIR.read(environ)
    base = environ.get("XDG_STATE_HOME", "")
    # by the specification of these folders, a relative one is as none
    if not os.path.isabs(base):
        base = str(Path.home() / ".local" / "state")
    if sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Application Support")
    path = Path(own).absolute() if own else Path(base, "kaapana-harness")
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an entry
        return str(os.getuid())


def _is_debian_like(release: Path) -> bool:
    try:
        lines = release.read_text("utf-8").splitlines()
    except OSError:
        return False
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    words = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").split()
    return bool({"debian", "ubuntu"} & set(words))


def _in_docker_group(user: str) -> bool:
    import grp

    try:
        return user in grp.getgrnam("docker").gr_mem
    except KeyError:
        return False


def _disk_free(path: str) -> int | None:
    folder = Path(path)
    # not Path.is_dir, which raises an error below a folder that this user may not look into
    while not os.path.isdir(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _memory(meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _file_system(folder: str, mounts: Path) -> str:
    """Return the type of the file system that a folder is on; empty if that is unknown."""
    try:
        table = mounts.read_bytes()
    except OSError:
        return ""
    # a later line may cover an earlier one
    found = {fields[1]: fields[2] for fields in mount_tables.read_lines(table) if len(fields) > 2}
    places = [place for place in found if Path(folder).is_relative_to(place)]
    return found[max(places, key=len)] if places else ""


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


def _has_capability(status: Path, bit: int) -> bool:
    try:
        for line in status.read_text("ascii", "replace").splitlines():
            if line.startswith("CapBnd:"):
                return bool(int(line.split()[1], 16) >> bit & 1)
    except (OSError, ValueError, IndexError):
        pass
    return True
