"""The command ``kind``: the one on PATH, or one that is compiled from its Go module and kept in the user's cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from harness import engine
from harness.cluster.kind import privileges
from harness.cluster.kind.node_image import programs
from harness.common.locking import lock_image
from harness.common.progress import OnProgress, quiet
from harness.doctor.client_environment import make_client_environment

if TYPE_CHECKING:
    from harness.settings.builds import BuildSettings

OLDEST = (0, 27)
"""The oldest kind that makes nodes of this image: from there on its configuration of containerd is the one we use."""
_TIMEOUT_S = 20.0


def ensure(settings: BuildSettings, on_progress: OnProgress = quiet) -> Path:
    """Return the command.

    Args:
        settings: where the cache is, time limit of the build, CA bundle.
        on_progress: gets the lines of the build.

    Returns:
        Its path. Call it with :func:`environment`.

    Raises:
        ImageError: it is missing, and cannot be compiled.
        EngineError: no container engine answers.
    """
    on_path = shutil.which("kind")
    if on_path is not None and (read_version(Path(on_path)) or (0, 0)) >= OLDEST:
        return Path(on_path)
    tag = programs.make_tag(programs.KIND)
    path = settings.cache / "bin" / f"kind-{programs.KIND.version}-{tag.rpartition(':')[2]}"
    if path.is_file():
        return path
    with lock_image("kind-command", settings, on_progress):
        if not path.is_file():
            programs.ensure_program(programs.KIND, settings, on_progress)
            _extract(tag, path)
    return path


def make_environment(state: Path) -> dict[str, str]:
    """Return the command's own variables: PATH with the ``docker`` to call, and no experimental features.

    Raises:
        EngineError: there is no program ``docker``, or no engine answers.
    """
    folder = str(privileges.docker_command(state).parent)
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": f"{folder}{os.pathsep}{path}", "KIND_EXPERIMENTAL_PROVIDER": "docker"}


def read_version(program: Path) -> tuple[int, ...] | None:
    """Return the version of a program called kind, such as ``(0, 30, 0)``; ``None`` if it is another program."""
    try:
        done = subprocess.run(
            [program, "version"],
            stdin=subprocess.DEVNULL,
            env=make_client_environment(os.environ),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    found = re.match(r"kind v(\d+)\.(\d+)\.(\d+)", done.stdout)
    return tuple(int(number) for number in found.groups()) if found and done.returncode == 0 else None


def _extract(tag: str, path: Path) -> None:
    """Copy the program out of its image."""
    api = engine.connect_api()
    try:
        content = programs.read_file(tag, "/bin/kind", api)
    finally:
        api.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.chmod(0o755)
    part.replace(path)
