"""The remedies of ``fix``, as root: install packages of the distribution, start the engine."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.doctor import checks
from harness.doctor.address import DEFAULT_SOCKET
from harness.doctor.engine import ask_engine
from harness.doctor.facts import Facts
from harness.doctor.probe import find_program, find_state_folder
from harness.errors import PlatformError
from harness.wire.polling import Polling

_APT_TIMEOUT_S = 900.0
_START_TIMEOUT_S = 60.0
_POLL_S = 0.1
RUNTIME = "kaapana-harness"
_DAEMON_PID_FILES = {
    "dockerd": Path("/var/run/docker.pid"),
    "containerd": Path("/var/run/docker/containerd/containerd.pid"),
}


def apply(remedy: str, facts: Facts, say: Callable[[str], None]) -> None:
    """Carry out one remedy.

    Raises:
        PlatformError: it did not work; the log's path and its last lines are in the error.
    """
    if remedy == checks.INSTALL_ENGINE:
        # one call for both: the second would cost another round of apt
        tools = () if facts.bootstrapper else checks.IMAGE_TOOL_PACKAGES
        install((*checks.ENGINE_PACKAGES, *tools), say, if_offered=checks.BUILDER_PACKAGES)
    elif remedy == checks.INSTALL_IMAGE_TOOLS:
        install(checks.IMAGE_TOOL_PACKAGES, say)
    elif remedy == checks.START_ENGINE:
        start_engine(facts, say)
    else:
        raise ValueError(f"no such remedy: {remedy}")


def install(packages: tuple[str, ...], say: Callable[[str], None], *, if_offered: tuple[str, ...] = ()) -> None:
    """Run ``apt-get install`` without recommendations, after ``apt-get update`` (once in a process).

    Args:
        packages: the needed packages.
        say: receives a line for each step.
        if_offered: more packages, for distributions that have them.
    """
    _update()
    packages += tuple(filter(_is_offered, if_offered))
    say(f"installing {', '.join(packages)} (apt-get)")
    _apt("install", "-y", "--no-install-recommends", *packages)


def install_if_offered(package: str, say: Callable[[str], None]) -> bool:
    """Install a package where the distribution has it; return whether it does."""
    _update()
    if not _is_offered(package):
        return False
    install((package,), say)
    return True


@functools.cache
def _update() -> None:
    _apt("update")


def _is_offered(package: str) -> bool:
    command = ["apt-cache", "show", package]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_APT_TIMEOUT_S)
    except FileNotFoundError:
        outcome = "no such program"
    except subprocess.TimeoutExpired:
        outcome = f"not done after {_APT_TIMEOUT_S:.0f} s"
    else:
        return done.returncode == 0
    raise PlatformError(f"{' '.join(command)}: {outcome}", fix="run it by hand")


def _apt(*arguments: str) -> None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *arguments]
    run_logged(command, find_state_folder() / "apt.log", environ, _APT_TIMEOUT_S)


def start_engine(facts: Facts, say: Callable[[str], None], *, extra: tuple[str, ...] = ()) -> None:
    """Start the installed engine and return when it answers.

    A service manager is used where one runs. Elsewhere the daemon is started detached from this process, with
    its log in the state folder; it keeps running until the machine stops.
    """
    environ = {**os.environ, "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"}
    if facts.systemd:
        say("starting the container engine (systemctl start docker)")
        run_logged(["systemctl", "start", "docker"], find_state_folder() / "systemctl.log", environ, _START_TIMEOUT_S)
        _await_answer(None, Path("/var/log/syslog"), f"unix://{DEFAULT_SOCKET}")
        return
    running = _clean_pid_files()
    log = find_state_folder() / "dockerd.log"
    process = None
    if not running:
        # Packages may have started it already (an init script); only where nothing runs it is ours to start.
        command = [facts.daemon or "dockerd", *runtime_options(facts), *extra]
        say(f"starting the container engine ({' '.join(command)}; log in {log})")
        process = launch(command, log, environ)
    else:
        say(f"waiting for the container engine that is starting (process {running})")
    _await_answer(process, log, f"unix://{DEFAULT_SOCKET}")


def launch(command: list[str], log: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a daemon that outlives this process and takes no signal from its terminal."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=dict(environ),
        )


def runtime_options(facts: Facts) -> tuple[str, ...]:
    """Return options for our OCI runtime, if privileged containers would fail without it.

    It is not the default runtime: plain containers do not need it, and it costs each start a Python process.
    """
    if facts.resource_capability or not find_program("runc", os.environ):
        return ()
    configuration = Path("/etc/docker/daemon.json")
    if configuration.is_file() and '"runtimes"' in configuration.read_text("utf-8", "replace"):
        return ()  # the daemon refuses an option that its file sets too
    return ("--add-runtime", f"{RUNTIME}={install_runtime_wrapper(find_state_folder())}")


def wrapper_path(folder: Path) -> Path:
    """Return the path of the wrapper, below a folder of state."""
    return folder / "oci-runtime"


def install_runtime_wrapper(folder: Path, interpreter: Path | None = None) -> Path:
    """Copy the wrapper to a place that outlives this clone, and return its path.

    The daemon runs it as root, so only root may write it.

    Args:
        folder: of state.
        interpreter: a Python where the daemon runs; by default the one below this virtual environment, which may go.
    """
    interpreter = interpreter or Path(sys.executable).resolve()
    source = Path(__file__).with_name("runtime_wrapper.py").read_text("utf-8")
    path = wrapper_path(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(f"#!{interpreter} -IS\n{source}", "utf-8")
    part.chmod(0o755)
    part.replace(path)
    return path


def run_logged(command: list[str], log: Path, environ: Mapping[str, str], timeout_s: float) -> None:
    """Run a command with its output appended to ``log``; raise with the last lines where it fails."""
    with log.open("ab") as output:
        start = output.tell()
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                timeout=timeout_s,
            )
            outcome = f"exit status {done.returncode}" if done.returncode else ""
        except FileNotFoundError:
            outcome = "no such program"
        except subprocess.TimeoutExpired:
            outcome = f"not done after {timeout_s:.0f} s"
    if outcome:
        raise PlatformError(
            f"{' '.join(command)}: {outcome}", last_seen=_tail(log, start), evidence=str(log), fix="run it by hand"
        )


def _await_answer(process: subprocess.Popen[bytes] | None, log: Path, address: str) -> None:
    polling = Polling(timeout_s=_START_TIMEOUT_S, pause_s=_POLL_S)
    while ask_engine({"DOCKER_HOST": address}).state != "up":
        ended = process is not None and process.poll() is not None
        if ended and _clean_pid_files():
            process, ended = None, False  # an init script was faster by a moment: its daemon is waited for
        if ended or not polling.again():
            why = "ended at once" if ended else f"does not answer after {_START_TIMEOUT_S:.0f} s"
            raise PlatformError(
                f"the container engine was started but {why}",
                last_seen=_tail(log),
                evidence=str(log),
                fix="read its log; inside a container an engine needs more rights than the default ones",
            )


def _clean_pid_files() -> int:
    """Remove pid files of daemons that are gone; the process id of a running ``dockerd``, 0 if none runs.

    A daemon that was killed leaves its file, and refuses to start while another process happens to have the id.
    """
    running = 0
    for name, path in _DAEMON_PID_FILES.items():
        try:
            pid = int(path.read_text("ascii").strip())
        except (OSError, ValueError):
            continue
        try:
            alive = Path(f"/proc/{pid}/comm").read_text("ascii").strip() == name
        except OSError:
            alive = False
        if not alive:
            path.unlink(missing_ok=True)
        elif name == "dockerd":
            running = pid
    return running


def _tail(log: Path, start: int = 0, lines: int = 15) -> str:
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(start, size - 16_384))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
