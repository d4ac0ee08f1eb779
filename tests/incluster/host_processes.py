"""What the kernel shows of a container's first process, in a folder that stands for ``/proc``."""

from __future__ import annotations

from pathlib import Path


def make_process(processes: Path, number: int, mountinfo: bytes, cgroup: str) -> Path:
    """Make the files of one process; return the folder of all."""
    process = processes / str(number)
    process.mkdir()
    (process / "mountinfo").write_bytes(mountinfo)
    (process / "cgroup").write_text(cgroup, "utf-8")
    return processes
