"""The private virtual environment that holds tox."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from harness.bootstrap.index import make_uv_environment
from harness.doctor import remedies
from harness.errors import PlatformError

TOX = "tox>=4.21,<5"
# Installs in seconds what takes pip half a minute. A plain tox does the same where it cannot be obtained.
TOX_UV = "tox-uv>=1.20"
_MARK = "bootstrap.json"
_TIMEOUT_S = 900.0


class Machine(Protocol):
    """What the making of the environment asks of this machine."""

    root: bool
    apt: bool

    def module(self, name: str) -> bool:
        """Return whether this interpreter can import a module."""

    def program(self, name: str) -> str:
        """Return the path of a program, '' where absent."""

    def run(self, command: list[str], environ: Mapping[str, str] | None = None) -> str:
        """Run a command; '' when it succeeded, otherwise its last lines."""

    def install(self, packages: tuple[str, ...]) -> None:
        """Install packages of the distribution."""

    def install_if_offered(self, package: str, say: Callable[[str], None]) -> bool:
        """Install a package where the distribution has it; return whether it does."""


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to make a virtual environment with pip in it."""

    name: str
    commands: tuple[tuple[str, ...], ...]


def find_python(folder: Path) -> Path:
    """Return the interpreter inside a virtual environment."""
    return folder / "bin" / "python"


def is_ready(folder: Path) -> bool:
    """Return whether this interpreter has completed the environment for these requirements."""
    try:
        mark = json.loads((folder / _MARK).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(mark == _state()) and find_python(folder).exists() and (folder / "bin" / "tox").exists()


def _state() -> dict[str, str]:
    interpreter = str(Path(sys.executable).resolve())
    return {"python": sys.version.split()[0], "interpreter": interpreter, "tox": TOX, "tox_uv": TOX_UV}


def make(folder: Path, host: Machine, say: Callable[[str], None]) -> None:
    """Make the environment again, by the first way that works here.

    Raises:
        PlatformError: no way works; the fix is the one command to run.
    """
    say(f"making the private environment {folder}")
    tried: list[str] = []
    if not any(_attempt(way, folder, host, tried) for way in list_ways(folder, host)):
        if not (host.root and host.apt):
            raise _no_way(host, tried)
        say("installing python3-venv (apt-get)")
        host.install(("python3-venv",))
        if not _attempt(_venv(folder), folder, host, tried):
            raise _no_way(host, tried)
    _install_tox(folder, host, say)
    (folder / _MARK).write_text(json.dumps(_state()), "utf-8")


def list_ways(folder: Path, host: Machine) -> list[Way]:
    """Return the ways that look possible, the plainest first."""
    target = str(folder)
    python = str(find_python(folder))
    found = []
    if host.module("venv") and host.module("ensurepip"):
        found.append(_venv(folder))
    if uv := host.program("uv"):
        found.append(Way("uv", ((uv, "venv", "--quiet", "--seed", "--python", sys.executable, target),)))
    if host.module("virtualenv"):
        found.append(Way("virtualenv", ((sys.executable, "-m", "virtualenv", "--quiet", target),)))
    elif virtualenv := host.program("virtualenv"):
        found.append(Way("virtualenv", ((virtualenv, "--quiet", "--python", sys.executable, target),)))
    if host.module("venv") and host.module("pip"):
        # This Python has pip but not the wheel that venv needs: the environment's folder gets its own pip.
        bare = (sys.executable, "-m", "venv", "--without-pip", target)
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--target", _packages(folder), "pip")
        found.append(Way("venv and pip", (bare, pip, (python, "-m", "pip", "--version"))))
    if pipx := host.program("pipx"):
        found.append(Way("pipx", ((pipx, "run", "virtualenv", "--quiet", "--python", sys.executable, target),)))
    return found


def _packages(folder: Path) -> str:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return str(folder / "lib" / version / "site-packages")


def _venv(folder: Path) -> Way:
    return Way("venv", ((sys.executable, "-m", "venv", str(folder)),))


def _attempt(way: Way, folder: Path, host: Machine, tried: list[str]) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    for command in way.commands:
        problem = host.run(list(command))
        if problem:
            tried.append(f"{way.name}: {problem}")
            return False
    return True


def _install_tox(folder: Path, host: Machine, say: Callable[[str], None]) -> None:
    pip = [str(find_python(folder)), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    say("installing tox")
    if not host.run([*pip, TOX, TOX_UV]):
        return
    problem = host.run([*pip, TOX])
    if problem:
        raise PlatformError(
            "tox cannot be installed",
            last_seen=problem,
            fix="give pip the index, proxy and certificates of this site (PIP_INDEX_URL, HTTPS_PROXY, PIP_CERT)",
        )
    say("tox-uv cannot be installed here: using pip, which is slower")


def _no_way(host: Machine, tried: list[str]) -> PlatformError:
    sudo = "" if host.root else "sudo "
    fix = (
        f"{sudo}apt-get update && {sudo}apt-get install -y python3-venv"
        if host.apt
        else "install Python's venv and pip"
    )
    missing = "this Python has neither ensurepip nor pip, and uv, virtualenv and pipx are not installed"
    reason = tried[0].splitlines()[-1] if tried else missing
    return PlatformError(
        f"no virtual environment can be made: {reason}",
        last_seen="\n".join(tried),
        fix=fix,
    )


class RealHost:
    """This machine."""

    def __init__(self, *, root: bool, apt: bool) -> None:
        self.root = root
        self.apt = apt

    def module(self, name: str) -> bool:
        """Return whether this interpreter can import a module."""
        import importlib.util

        return importlib.util.find_spec(name) is not None

    def program(self, name: str) -> str:
        """Return the path of a program, '' where absent."""
        return shutil.which(name) or ""

    def run(self, command: list[str], environ: Mapping[str, str] | None = None) -> str:
        """Run a command; '' when it succeeded, otherwise its last lines."""
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                env=None if environ is None else dict(environ),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode == 0:
            return ""
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        return "\n".join(lines[-8:]) or f"exit status {done.returncode}"

    def install(self, packages: tuple[str, ...]) -> None:
        """Install packages of the distribution."""
        remedies.install(packages, lambda line: None)

    def install_if_offered(self, package: str, say: Callable[[str], None]) -> bool:
        """Install a package where the distribution has it; return whether it does."""
        return remedies.install_if_offered(package, say)


def make_tox_environment(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of tox: pip's index settings also in the words that uv reads."""
    # an activated environment of the caller must not leak into those that tox makes
    kept = {name: value for name, value in environ.items() if name not in {"VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH"}}
    kept["PATH"] = os.pathsep.join([str(folder / "bin"), environ.get("PATH", os.defpath)])
    return {**kept, **make_uv_environment(read_pip_configuration(str(find_python(folder)), environ), environ)}


def read_pip_configuration(python: str, environ: Mapping[str, str]) -> str:
    """Return the output of ``pip config list``: configuration files and ``PIP_*`` variables; '' if pip fails."""
    try:
        done = subprocess.run(
            [python, "-m", "pip", "--disable-pip-version-check", "config", "list"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env=dict(environ),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
