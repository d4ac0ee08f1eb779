"""Find and remove the traces of a row on the machine, outside of its namespaces.

It is written down before it is made. It may be removed twice, or after half of it was made: what is not
there is no error.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import shutil
import signal
import subprocess
from pathlib import Path

_END_S = 30.0
_CGROUPS = Path("/sys/fs/cgroup")
_DEVICES = Path("/sys/class/net")


@dataclasses.dataclass
class Traces:
    """What is removed.

    Attributes:
        rules: rules of iptables: ``["nat", "POSTROUTING", ...]``.
        device: the network device whose peer is the namespace's.
        containers: folder with one folder for each container of the engine, by whose names control groups are found.
        folders: what goes with all that is in it.
        process: id of the namespaces' first process, and when it was started, by the kernel's clock; 0 before it was.
    """

    rules: list[list[str]] = dataclasses.field(default_factory=list)
    device: str = ""
    containers: list[str] = dataclasses.field(default_factory=list)
    folders: list[str] = dataclasses.field(default_factory=list)
    process: tuple[int, int] = (0, 0)

    def write(self, path: Path) -> None:
        """Keep it in a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(dataclasses.asdict(self)), "utf-8")
        part.replace(path)


def read(path: Path) -> Traces:
    """Return what a file has."""
    document = json.loads(path.read_text("utf-8"))
    return Traces(**{**document, "process": tuple(document["process"])})


def started(pid: int) -> int:
    """Return when a process was started, by the kernel's clock; 0 if it does not exist."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    # the name is in brackets and may have anything in it; the time is field 22
    return int(text.rpartition(")")[2].split()[19])


def remove(path: Path) -> list[str]:
    """Remove everything that a file has, and the file; return what could not be removed."""
    try:
        traces = read(path)
    except FileNotFoundError:
        return []
    problems = [
        *_end(*traces.process),
        *(problem for rule in traces.rules for problem in _remove_rule(rule)),
        *_remove_device(traces.device),
    ]
    _remove_control_groups([Path(folder) for folder in traces.containers])
    for folder in traces.folders:
        shutil.rmtree(folder, ignore_errors=True)
        if Path(folder).exists():
            problems.append(f"{folder} cannot be removed")
    if not problems:
        path.unlink(missing_ok=True)
    return problems


def remove_all(folder: Path) -> list[str]:
    """Remove what earlier calls have left; return what could not be removed."""
    return [problem for path in sorted(folder.glob("*.json")) for problem in remove(path)]


def _end(pid: int, since: int) -> list[str]:
    """End the first process of a namespace, and with it all that are in it."""
    if not pid or started(pid) != since:
        return []
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return []
    try:
        if started(pid) == since:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            # it ends after all others of its namespace
            if not select.select([descriptor], [], [], _END_S)[0]:
                return [f"process {pid} has not ended {_END_S:.0f} s after SIGKILL"]
    finally:
        os.close(descriptor)
    return []


def _remove_rule(rule: list[str]) -> list[str]:
    table, *words = rule
    while _quietly("iptables", "--wait", "10", "--table", table, "--check", *words):
        if not _quietly("iptables", "--wait", "10", "--table", table, "--delete", *words):
            return [f"iptables --table {table} --delete {' '.join(words)} fails"]
    return []


def _remove_device(name: str) -> list[str]:
    device = _DEVICES / name
    # it may disappear in between, with the network of its peer
    if name and device.exists() and not _quietly("ip", "link", "delete", name) and device.exists():
        return [f"ip link delete {name} fails"]
    return []


def _remove_control_groups(folders: list[Path]) -> None:
    """Remove the control groups of an engine's containers, which a kernel keeps when they were killed."""
    names = [path.name for folder in folders if folder.is_dir() for path in folder.iterdir()]
    for name in names:
        for group in (*_CGROUPS.glob(f"docker/{name}"), *_CGROUPS.glob(f"*/docker/{name}")):
            for inner in sorted(group.rglob("*/"), reverse=True):
                with contextlib.suppress(OSError):
                    inner.rmdir()
            with contextlib.suppress(OSError):
                group.rmdir()


def _quietly(*command: str) -> bool:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
