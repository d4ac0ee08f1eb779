"""From facts to checks: a pure decision table."""

from __future__ import annotations

import dataclasses
import shlex

from harness.doctor import api_range
from harness.doctor.facts import EngineFacts, Facts

OLDEST_PYTHON = (3, 10)
OLDEST_ENGINE = "20.10"
ARCHITECTURES = ("amd64",)
"""What the images of the platform and their bases exist for."""
ENGINE_PACKAGES = ("docker.io", "iptables", "ca-certificates")
BUILDER_PACKAGES = ("docker-buildx",)
"""For BuildKit; Debian has them since 13."""
IMAGE_TOOL_PACKAGES = ("mmdebstrap", "debian-archive-keyring")
GIB = 1024**3
# Podman 5.8: it ignores the option inhibit_ipv4 of networks, and lists images as docker.io/NAME
_NOT_DOCKER = "its networks do not keep pods from the engine's machine, and it lists images by other names than given"
_CGROUP_2 = "boot this machine with cgroup v2 (kernel parameter systemd.unified_cgroup_hierarchy=1)"
_AS_SERVICE = "start it as a service of systemd (dockerd-rootless-setuptool.sh install)"
_SWITCH_ON = "switch the control groups on in the kernel (parameters cgroup_enable=memory cgroup_memory=1)"
DELEGATE = (
    "let systemd delegate them: Delegate=cpu cpuset io memory pids below [Service] in "
    "/etc/systemd/system/user@.service.d/delegate.conf, then log in again"
)
_RELIEVE = "wait until it has less to do, or restart it"
_NAME_IT = "correct it, or name the engine's socket (export DOCKER_HOST=unix:///PATH)"
_DISK_NEEDED, _DISK_GOOD = 3 * GIB, 15 * GIB
_MEMORY_NEEDED, _MEMORY_GOOD = 2 * GIB, 4 * GIB

ENGINE = "container engine"
OK, MISSING, WARNING, FIXED = "ok", "missing", "warning", "fixed"
INSTALL_ENGINE, START_ENGINE, INSTALL_IMAGE_TOOLS = "install engine", "start engine", "install image tools"


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of the doctor.

    Attributes:
        name: the subject of the check.
        status: ``ok``, ``missing`` (the harness cannot run), ``warning`` (it may) or ``fixed``.
        detail: the observation.
        command: the command or the sentence that fixes it; empty where ok.
        remedy: what ``fix`` can do about it; empty if only the user can fix it.
    """

    name: str
    status: str
    detail: str
    command: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.status:<8} {self.name:<17} {self.detail}"
        return f"{line}  ->  {self.command}" if self.command and self.status != FIXED else line


def decide(facts: Facts) -> list[Check]:
    """Return the checks for one look at the machine, the gravest subject first."""
    python, engine = _python(facts), _engine(facts)
    # nothing that could be done about the rest would help there
    first = [python, engine] if is_served(facts.engine) else [engine, python]
    doubts = [*_slow(facts), *_rootless(facts)]
    return [*first, _builder(facts), _image_tools(facts), *_room(facts), *doubts, *_capability(facts)]


def _python(facts: Facts) -> Check:
    version = ".".join(map(str, facts.python))
    if facts.python[:2] >= OLDEST_PYTHON:
        return Check("Python", OK, version)
    return Check("Python", MISSING, f"{version} is too old", "use Python 3.10 or newer")


def is_served(engine: EngineFacts) -> bool:
    """Return whether images for the engine's machine can be had."""
    return engine.state != "up" or engine.architecture in ARCHITECTURES


def engine_check(engine: EngineFacts) -> Check:
    """Return the check of an engine that answers."""
    who = f"{engine.product} {engine.version}"

    def refused(detail: str, command: str) -> Check:
        return Check(ENGINE, MISSING, detail, _or_way_out(engine, command))

    if not is_served(engine):
        return refused(
            f"{who} at {engine.place} runs {engine.architecture} containers; images of the platform are "
            f"{' or '.join(ARCHITECTURES)}",
            f"use an engine on a machine with {' or '.join(ARCHITECTURES)} processors",
        )
    if engine.product != "Docker":
        detail = f"{who} at {engine.place} is not Docker: {_NOT_DOCKER}"
        return refused(detail, f"install Docker Engine {OLDEST_ENGINE} or newer")
    known = f"API {api_range.format_version(api_range.OLDEST)} to {api_range.format_version(api_range.NEWEST)}"
    spoken = f"API {engine.minimum} to {engine.api}" if engine.minimum else f"API {engine.api}"
    found = f"{who}, {spoken}, {engine.place}"
    if not engine.spoken and api_range.parse_version(engine.api) < api_range.OLDEST:
        return refused(f"{found}: too old, {known} is needed", f"install Docker Engine {OLDEST_ENGINE} or newer")
    if not engine.spoken:
        return refused(f"{found}: too new, {known} is known", "use a newer version of the harness, or an older engine")
    if engine.system != "linux":
        return refused(f"{found}: runs {engine.system} containers", "switch it to Linux containers")
    if engine.enclosing:
        detail = f"{found}: this process is in its container {engine.enclosing}, from where its published ports are not"
        return refused(f"{detail} reached", "give that container the network of the machine: docker run --network host")
    if engine.inside and not engine.inside.grouped:
        detail = f"{found}: rootless without control groups: its containers can be neither limited nor paused"
        way = _AS_SERVICE if engine.inside.cgroups == "2" else _CGROUP_2
        return refused(detail, f"{way}, or use an engine that root runs")
    if engine.inside and engine.inside.remapped:
        detail = f"{found}: userns-remap: root in its containers is another user, who may not use the engine's socket"
        return refused(detail, "remove userns-remap from /etc/docker/daemon.json and restart the engine")
    return Check(ENGINE, OK, f"{found}, {engine.inside}" if engine.inside else found)


def _or_way_out(engine: EngineFacts, command: str) -> str:
    """Return a command, or the way back to the default engine where the user has chosen another one."""
    return f"{command}, or {engine.way_out}" if engine.way_out else command


def _engine(facts: Facts) -> Check:
    engine, name = facts.engine, ENGINE
    if engine.state == "up":
        return engine_check(engine)
    if engine.state == "denied":
        detail = f"user {facts.user} may not use {engine.place}"
        return Check(name, MISSING, detail, _or_way_out(engine, _permit(facts)))
    if engine.state == "unnamed":
        return Check(name, MISSING, engine.detail, _or_way_out(engine, _NAME_IT))
    if engine.state == "remote":
        return Check(name, MISSING, f"{engine.place}: {engine.detail}", _or_way_out(engine, "name a local socket"))
    if engine.state == "silent":
        detail = f"the engine at {engine.place} does not answer in time: {engine.detail}"
        return Check(name, MISSING, detail, _or_way_out(engine, _RELIEVE))
    if engine.state == "foreign":
        detail = f"what answers at {engine.place} is not an engine: {engine.detail}"
        return Check(name, MISSING, detail, _or_way_out(engine, "name the engine's own address"))
    if not engine.local:
        detail = f"no answer from {engine.place}: {engine.detail}"
        return Check(name, MISSING, detail, _or_way_out(engine, "start it"))
    if facts.rootless:
        detail = f"not at {engine.address}, but this user's own is at {facts.rootless}"
        return Check(name, MISSING, detail, f"export DOCKER_HOST=unix://{facts.rootless}")
    if facts.daemon:
        remedy = START_ENGINE if facts.root else ""
        return Check(name, MISSING, f"{facts.daemon} is installed but not running", _start(facts), remedy)
    if facts.apt:
        remedy = INSTALL_ENGINE if facts.root else ""
        return Check(name, MISSING, "not installed", _install(facts, ENGINE_PACKAGES, permit=True), remedy)
    command = f"install Docker Engine {OLDEST_ENGINE} or newer with the package manager of this system"
    return Check(name, MISSING, "not installed", command)


def _builder(facts: Facts) -> Check:
    # both build what most extensions need; a Dockerfile that needs more says so when it is built
    name, detail = "image builder", str(facts.builder)
    if facts.builder.buildkit:
        return Check(name, OK, detail)
    if facts.engine.inside and facts.engine.inside.containerd:
        # measured with Docker 28.5: docs/decisions/0008-builders.md
        slow = f"{detail}; with containerd's image store a build takes two to ten times as long as with BuildKit"
        return Check(name, WARNING, slow, facts.builder.remedy)
    return Check(name, OK, f"{detail}; for RUN --mount, here-documents, COPY --link: {facts.builder.remedy}")


def _image_tools(facts: Facts) -> Check:
    # Base images are pulled where an image registry can be reached; mmdebstrap makes them where none can be.
    name = "image bootstrap"
    if facts.bootstrapper:
        return Check(name, OK, facts.bootstrapper)
    detail = "mmdebstrap is not installed: needed only if base images cannot be pulled"
    if not facts.apt:
        return Check(name, WARNING, detail, "install mmdebstrap if no image registry can be reached from here")
    remedy = INSTALL_IMAGE_TOOLS if facts.root else ""
    return Check(name, WARNING, detail, _install(facts, IMAGE_TOOL_PACKAGES), remedy)


def _room(facts: Facts) -> list[Check]:
    checks = []
    for name, amount, needed, good, advice in (
        ("disk", facts.disk_free, _DISK_NEEDED, _DISK_GOOD, "free some space, e.g. docker image prune"),
        ("memory", facts.memory, _MEMORY_NEEDED, _MEMORY_GOOD, "close other programs"),
    ):
        if amount is None:
            checks.append(Check(name, OK, "unknown"))
            continue
        detail = f"{amount / GIB:.1f} GiB free"
        if amount < needed:
            checks.append(Check(name, MISSING, f"{detail}, at least {needed // GIB} GiB are needed", advice))
        elif amount < good:
            checks.append(Check(name, WARNING, f"{detail}, building all images needs {good // GIB} GiB", advice))
        else:
            checks.append(Check(name, OK, detail))
    return checks


def _slow(facts: Facts) -> list[Check]:
    """Return a warning of an engine that did not say all that it was asked."""
    if not facts.engine.unanswered:
        return []
    detail = f"{facts.engine.unanswered}: how it keeps images and which limits it sets is unknown"
    return [Check("slow engine", WARNING, detail, _RELIEVE)]


def _rootless(facts: Facts) -> list[Check]:
    """Return warnings of an engine that does less for containers than one that root runs on a usual kernel."""
    inside = facts.engine.inside
    if inside is None or not inside.grouped:
        return []
    found = []
    if inside.rootless:
        detail = "not tried with control groups; users of containers above its share of ids (/etc/subuid) do not work"
        found.append(Check("rootless engine", WARNING, detail, "use an engine that root runs if something fails there"))
    if inside.unlimited:
        # it ignores these limits without an error
        detail = f"the engine sets none for {' and '.join(inside.unlimited)}: containers get more than pods may have"
        found.append(Check("limits", WARNING, detail, DELEGATE if inside.rootless else _SWITCH_ON))
    return found


def _capability(facts: Facts) -> list[Check]:
    if facts.resource_capability or not facts.root:
        return []
    detail = "CAP_SYS_RESOURCE is withheld here: plain containers run, privileged ones need the harness's runtime"
    return [Check("capabilities", OK, detail)]


def _install(facts: Facts, packages: tuple[str, ...], *, permit: bool = False) -> str:
    sudo = "" if facts.root else "sudo "
    names = " ".join(packages)
    command = f"{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {names}"
    if permit and not facts.root:
        command += f" && {_permit(facts)}"
    return command


def _permit(facts: Facts) -> str:
    if facts.group_member:
        return "newgrp docker  (or log in again: the membership is not in this session yet)"
    return f"sudo usermod -aG docker {shlex.quote(facts.user)} && newgrp docker"


def _start(facts: Facts) -> str:
    sudo = "" if facts.root else "sudo "
    return f"{sudo}systemctl start docker" if facts.systemd else f"{sudo}service docker start"
