"""The doctor's decisions on faked machines, its fixing, and its look at engines that answer strangely."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http.server
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import doctor
from harness.doctor import Check, EngineFacts, Facts, builder, buildkit_probe, checks, command, decide, probe, remedies
from harness.doctor.builder import Builder, find_builder
from harness.doctor.engine import ask_engine
from harness.doctor.facts import Inside
from harness.errors import EngineError, PlatformError
from tests.engines.recorder import Recorder

GIB = 1024**3
SOCKET = "unix:///var/run/docker.sock"
UP = EngineFacts(SOCKET, "up", version="20.10.24", api="1.41")
DOWN = EngineFacts(SOCKET, "down", detail="No such file or directory")
GOOD = Facts(
    python=(3, 11, 2),
    root=False,
    user="ada",
    apt=True,
    systemd=True,
    daemon="/usr/sbin/dockerd",
    engine=UP,
    bootstrapper="/usr/bin/mmdebstrap",
    disk_free=100 * GIB,
    memory=16 * GIB,
)


def _chosen(address: str, state: str) -> EngineFacts:
    return EngineFacts(address, state, detail="so it is", way_out="unset DOCKER_HOST")


def engine_check(**changes: object) -> Check:
    [found] = [check for check in decide(dataclasses.replace(GOOD, **changes)) if check.name == checks.ENGINE]
    return found


def test_a_machine_with_everything_is_all_ok() -> None:
    assert {check.status for check in decide(GOOD)} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "command", "remedy"),
    [
        pytest.param(
            {"engine": DOWN, "daemon": "", "root": True, "user": "root"},
            "apt-get update && apt-get install -y --no-install-recommends docker.io iptables ca-certificates",
            checks.INSTALL_ENGINE,
            id="no engine, root: it is installed",
        ),
        pytest.param(
            {"engine": DOWN, "daemon": ""},
            "sudo apt-get update && sudo apt-get install -y --no-install-recommends docker.io iptables "
            "ca-certificates && sudo usermod -aG docker ada && newgrp docker",
            "",
            id="no engine, not root: the command is printed",
        ),
        pytest.param(
            {"engine": DOWN, "daemon": "", "apt": False, "root": True},
            "install Docker Engine 20.10 or newer with the package manager of this system",
            "",
            id="no engine, another distribution",
        ),
        pytest.param(
            {"engine": DOWN, "root": True, "systemd": False},
            "service docker start",
            checks.START_ENGINE,
            id="engine down, root, no service manager: it is started",
        ),
        pytest.param({"engine": DOWN}, "sudo systemctl start docker", "", id="engine down, not root"),
        pytest.param(
            {"engine": DOWN, "rootless": "/run/user/1000/docker.sock"},
            "export DOCKER_HOST=unix:///run/user/1000/docker.sock",
            "",
            id="a rootless engine of this user is pointed at",
        ),
        pytest.param(
            {"engine": EngineFacts(SOCKET, "denied")},
            "sudo usermod -aG docker ada && newgrp docker",
            "",
            id="not permitted",
        ),
        pytest.param(
            {"engine": EngineFacts(SOCKET, "denied"), "group_member": True},
            "newgrp docker  (or log in again: the membership is not in this session yet)",
            "",
            id="in the group, but not in this session",
        ),
        pytest.param(
            {"engine": dataclasses.replace(UP, api="1.40", version="19.03.15"), "root": True},
            "install Docker Engine 20.10 or newer",
            "",
            id="too old",
        ),
        pytest.param(
            {"engine": dataclasses.replace(UP, system="windows")}, "switch it to Linux containers", "", id="windows"
        ),
        pytest.param(
            {"engine": _chosen("tcp://10.0.0.1:2375", "remote"), "root": True},
            "name a local socket, or unset DOCKER_HOST",
            "",
            id="remote",
        ),
        pytest.param(
            {"engine": _chosen("unix:///somewhere/else.sock", "down"), "root": True},
            "start it, or unset DOCKER_HOST",
            "",
            id="an engine of the user's choice is not replaced by another one",
        ),
        pytest.param(
            {"engine": _chosen("unix:///somewhere/else.sock", "foreign"), "root": True},
            "name the engine's own address, or unset DOCKER_HOST",
            "",
            id="something else answers",
        ),
        pytest.param(
            {"engine": dataclasses.replace(UP, api="1.99", minimum="1.70", version="50.0"), "root": True},
            "use a newer version of the harness, or an older engine",
            "",
            id="too new",
        ),
        pytest.param(
            {"engine": dataclasses.replace(UP, product="Podman", version="4.3.1"), "root": True},
            "install Docker Engine 20.10 or newer",
            "",
            id="podman",
        ),
        pytest.param(
            {"engine": dataclasses.replace(UP, architecture="arm64", context="colima", way_out="unset DOCKER_CONTEXT")},
            "use an engine on a machine with amd64 processors, or unset DOCKER_CONTEXT",
            "",
            id="another architecture",
        ),
    ],
)
def test_each_state_of_the_engine_has_its_command(changes: dict[str, object], command: str, remedy: str) -> None:
    found = engine_check(**changes)
    assert (found.status, found.command, found.remedy) == ("missing", command, remedy)


@pytest.mark.parametrize(
    ("api", "minimum", "spoken"),
    [
        ("1.41", "1.12", "1.41"),
        ("1.44", "", "1.44"),
        ("1.51", "1.24", "1.51"),
        ("1.52", "1.44", "1.51"),
        ("1.100", "1.44", "1.51"),
        ("1.51", "1.51", "1.51"),
        ("1.100", "1.52", ""),
        ("1.9", "1.0", ""),
        ("1.40", "1.12", ""),
        ("2.0", "2.0", ""),
        ("", "", ""),
        ("one.two", "", ""),
        ("1.٤٥", "", ""),
    ],
)
def test_the_version_that_is_spoken_is_the_newest_that_both_sides_know(api: str, minimum: str, spoken: str) -> None:
    engine = dataclasses.replace(UP, api=api, minimum=minimum)
    assert engine.spoken == spoken
    assert engine_check(engine=engine).status == ("ok" if spoken else "missing")


def test_an_unsupported_architecture_is_the_first_error() -> None:
    there = dataclasses.replace(UP, architecture="arm64", version="28.5.2", product="Podman", api="1.20")
    first, *_ = decide(dataclasses.replace(GOOD, engine=there, python=(3, 9, 0), disk_free=0))
    assert first.detail == f"Podman 28.5.2 at {SOCKET} runs arm64 containers; images of the platform are amd64"


def test_an_engine_is_described_with_its_range_its_context_and_what_is_inside() -> None:
    inside = Inside(driver="overlayfs", containerd=True, cgroups="2", rootless=True)
    there = dataclasses.replace(UP, api="1.52", minimum="1.44", version="29.1.3", context="desktop", inside=inside)
    assert engine_check(engine=there).detail == (
        f"Docker 29.1.3, API 1.44 to 1.52, {SOCKET} (context desktop), "
        "overlayfs image store of containerd, cgroup v2, rootless"
    )


def test_the_first_image_waits_for_a_look_at_all_that_it_needs() -> None:
    said: list[str] = []
    doctor.preflight(said.append, look=lambda: dataclasses.replace(GOOD, disk_free=10 * GIB, bootstrapper=""))
    assert [line.partition(":")[0] for line in said] == ["container engine", "image builder", "image bootstrap", "disk"]
    with pytest.raises(PlatformError, match=r"no image can be made: disk: 1\.0 GiB free") as caught:
        doctor.preflight(said.append, look=lambda: dataclasses.replace(GOOD, disk_free=GIB))
    assert caught.value.fix.startswith("free some space")
    with pytest.raises(EngineError, match=r"^container engine: not installed"):
        doctor.preflight(said.append, look=lambda: dataclasses.replace(GOOD, engine=DOWN, daemon="", apt=False))


def test_a_user_name_with_special_characters_is_quoted_in_the_command() -> None:
    assert "-aG docker 'a b;c' &&" in engine_check(engine=EngineFacts(SOCKET, "denied"), user="a b;c").command


def test_a_missing_mmdebstrap_is_a_warning_that_root_has_fixed() -> None:
    def tools(root: bool) -> Check:
        found = decide(dataclasses.replace(GOOD, bootstrapper="", root=root))
        return next(check for check in found if check.name == "image bootstrap")

    assert (tools(False).status, tools(False).remedy) == ("warning", "")
    assert "sudo apt-get install" in tools(False).command
    assert tools(True).remedy == checks.INSTALL_IMAGE_TOOLS


@pytest.mark.parametrize(("free", "status"), [(1, "missing"), (10, "warning"), (20, "ok"), (None, "ok")])
def test_disk_space_is_judged(free: int | None, status: str) -> None:
    facts = dataclasses.replace(GOOD, disk_free=None if free is None else free * GIB)
    assert next(check for check in decide(facts) if check.name == "disk").status == status


def test_an_old_python_is_missing() -> None:
    assert decide(dataclasses.replace(GOOD, python=(3, 9, 18)))[0].status == "missing"


class Machine:
    """A machine that remedies change."""

    def __init__(self, facts: Facts, *, broken: bool = False) -> None:
        self.facts = facts
        self.broken = broken
        self.applied: list[str] = []

    def look(self) -> Facts:
        return self.facts

    def apply(self, remedy: str, facts: Facts, say: Callable[[str], None]) -> None:
        self.applied.append(remedy)
        if self.broken:
            return
        if remedy == checks.INSTALL_ENGINE:
            self.facts = dataclasses.replace(self.facts, daemon="/usr/sbin/dockerd", bootstrapper="/usr/bin/mmdebstrap")
        elif remedy == checks.START_ENGINE:
            self.facts = dataclasses.replace(self.facts, engine=UP)


BARE = dataclasses.replace(GOOD, root=True, systemd=False, daemon="", bootstrapper="", engine=DOWN)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def test_fix_on_a_bare_machine_installs_then_starts_and_says_fixed() -> None:
    machine = Machine(BARE)
    result = doctor.fix(lambda line: None, look=machine.look, apply=machine.apply)
    assert machine.applied == [checks.INSTALL_ENGINE, checks.START_ENGINE]
    assert {check.name: check.status for check in result}[checks.ENGINE] == "fixed"
    again = doctor.fix(lambda line: None, look=machine.look, apply=machine.apply)
    assert machine.applied == [checks.INSTALL_ENGINE, checks.START_ENGINE]
    assert {check.status for check in again} == {"ok"}


def test_fix_does_nothing_that_needs_root_for_an_ordinary_user() -> None:
    machine = Machine(dataclasses.replace(BARE, root=False))
    result = doctor.fix(lambda line: None, look=machine.look, apply=machine.apply)
    assert machine.applied == []
    assert [check.status for check in result if check.name == checks.ENGINE] == ["missing"]


def test_a_remedy_that_does_not_help_ends_with_an_error_and_not_in_a_loop() -> None:
    machine = Machine(BARE, broken=True)
    with pytest.raises(PlatformError, match="tried to install engine, but still: not installed"):
        doctor.fix(lambda line: None, look=machine.look, apply=machine.apply)
    assert machine.applied == [checks.INSTALL_ENGINE]


def test_two_callers_at_once_fix_a_machine_once() -> None:
    machine = Machine(BARE)
    threads = [
        threading.Thread(target=doctor.fix, args=(print,), kwargs={"look": machine.look, "apply": machine.apply})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert machine.applied == [checks.INSTALL_ENGINE, checks.START_ENGINE]


@contextmanager
def answering(path: Path, body: bytes, status: int = 200) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

        def address_string(self) -> str:
            return "socket"

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield
        server.shutdown()


@pytest.mark.parametrize(
    ("body", "status", "state"),
    [
        (json.dumps({"Version": "27.0", "ApiVersion": "1.46", "Os": "linux"}).encode(), 200, "up"),
        (b"<html>404 from an interceptor</html>", 404, "foreign"),
        (b'{"message": "hello"}', 200, "foreign"),
        (b"[]", 200, "foreign"),
    ],
)
def test_only_the_body_makes_an_answer_an_engine(body: bytes, status: int, state: str, tmp_path: Path) -> None:
    with answering(tmp_path / "s", body, status):
        assert ask_engine({"DOCKER_HOST": f"unix://{tmp_path}/s"}).state == state


def test_a_refusal_is_quoted_in_the_words_of_who_refuses(tmp_path: Path) -> None:
    words = "authorization denied by plugin: questions about the version are for administrators"
    with answering(tmp_path / "s", json.dumps({"message": words}).encode(), 403):
        assert ask_engine({"DOCKER_HOST": f"unix://{tmp_path}/s"}).detail == f"status 403, '{words}'"


def test_facts_that_an_engine_leaves_open_are_those_of_docker(tmp_path: Path) -> None:
    answer = {"Version": "27.0", "ApiVersion": "1.46", "MinAPIVersion": None, "Os": None, "Arch": "x86_64"}
    with answering(tmp_path / "s", json.dumps(answer).encode()):
        found = ask_engine({"DOCKER_HOST": f"unix://{tmp_path}/s"})
    assert (found.minimum, found.system, found.architecture) == ("", "linux", "amd64")


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which is for root")
def test_the_disk_of_a_data_root_is_examined_by_a_user_who_may_not_look_into_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "165536.165536").mkdir(parents=True)
    closed.chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            (closed / "165536.165536").stat()
        assert probe._disk_free(str(closed / "165536.165536"))
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("address", "state"),
    [
        ("unix:///does/not/exist.sock", "down"),
        ("tcp://127.0.0.1:1", "remote"),
        ("tcp://127.0.0.1:99999999", "remote"),
        ("tcp://engine.example:2375", "remote"),
        ("ssh://alice@host", "remote"),
    ],
)
def test_an_engine_that_cannot_be_asked_is_distinguished(address: str, state: str) -> None:
    assert ask_engine({"DOCKER_HOST": address}).state == state


def test_a_socket_without_permission_is_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("harness.doctor.engine._UnixConnection.connect", refuse)
    assert ask_engine({}).state == "denied"


@pytest.mark.parametrize(
    ("delay_s", "inside", "unanswered"),
    [(0.3, Inside(driver="overlay2", cgroups="2"), ""), (3600.0, None, "/info has no answer after 1 s")],
    ids=["late", "never"],
)
def test_an_engine_that_is_slow_to_say_more_than_its_version_is_still_one(
    delay_s: float, inside: Inside | None, unanswered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.doctor.engine._TIMEOUT_S", 0.1)
    monkeypatch.setattr("harness.doctor.engine._FURTHER_S", 1.0)
    monkeypatch.setattr("harness.doctor.own_container.find_own_container", lambda: "own")
    with Recorder(delays={"GET /info": delay_s}).listening(tmp_path / "s") as url:
        found = ask_engine({"DOCKER_HOST": url}, inside=True)
    assert (found.state, found.version, found.spoken) == ("up", "28.5.2", "1.51")
    assert (found.inside, found.unanswered) == (inside, unanswered)
    # what was asked after it
    assert found.enclosing == "made"


@pytest.mark.parametrize(
    ("kind", "address", "root"),
    [
        ("io.containerd.snapshotter.v1", "/run/containerd/containerd.sock", "/var/lib/containerd"),
        ("io.containerd.snapshotter.v1", "/var/run/docker/containerd/containerd.sock", "/data/docker"),
        ("", "/run/containerd/containerd.sock", "/data/docker"),
    ],
    ids=["kept by the system's containerd", "kept by the engine's containerd", "kept by the engine"],
)
def test_free_disk_is_that_of_images_and_of_volumes(
    kind: str, address: str, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = {
        "DockerRootDir": "/data/docker",
        "DriverStatus": [["driver-type", kind]],
        "Containerd": {"Address": address},
    }
    free = {"/data/docker": 100, root: 7}
    monkeypatch.setattr(probe, "_disk_free", free.__getitem__)
    with Recorder(inside=inside).listening(tmp_path / "s") as url:
        facts = probe.collect_facts({"DOCKER_HOST": url, "PATH": ""})
    assert facts.engine.inside is not None
    assert facts.engine.inside.image_root == root
    assert facts.disk_free == 7


def test_an_engine_that_breaks_off_what_it_says_beside_its_version_is_still_one(tmp_path: Path) -> None:
    with Recorder(delays={"GET /info": -1}).listening(tmp_path / "s") as url:
        found = ask_engine({"DOCKER_HOST": url}, inside=True)
    assert (found.state, found.version, found.inside) == ("up", "28.5.2", None)
    assert found.unanswered.startswith("/info has no answer: Remote end closed connection")


def test_an_engine_that_is_slow_to_say_where_this_process_is_is_still_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.doctor.engine._FURTHER_S", 0.1)
    monkeypatch.setattr("harness.doctor.own_container.find_own_container", lambda: "own")
    with Recorder(delays={"GET /containers/own/json": 3600}).listening(tmp_path / "s") as url:
        found = ask_engine({"DOCKER_HOST": url})
    assert (found.state, found.enclosing) == ("up", "")


def test_a_slow_engine_is_a_warning_with_what_is_not_known() -> None:
    engine = dataclasses.replace(UP, unanswered="/info has no answer after 30 s")
    [warning] = [check for check in decide(dataclasses.replace(GOOD, engine=engine)) if check.status != checks.OK]
    assert str(warning) == (
        "warning  slow engine       /info has no answer after 30 s: how it keeps images and which limits it sets is "
        "unknown  ->  wait until it has less to do, or restart it"
    )


def test_an_engine_that_does_not_say_its_version_in_time_is_not_taken_for_one_that_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.doctor.engine._TIMEOUT_S", 0.1)
    with Recorder(delays={"GET /version": 3600}).listening(tmp_path / "s") as url:
        engine = ask_engine({"DOCKER_HOST": url})
    found = engine_check(engine=dataclasses.replace(engine, address=SOCKET), root=True)
    assert found.detail == f"the engine at {SOCKET} does not answer in time: /version has no answer after 0.1 s"
    assert (found.command, found.remedy) == ("wait until it has less to do, or restart it, or unset DOCKER_HOST", "")


def test_an_engine_whose_queue_of_connections_is_full_is_not_taken_for_one_that_does_not_run(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(path)
        listener.listen(0)
        problem = 0
        while not problem:
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            problem = client.connect_ex(path)
        found = ask_engine({"DOCKER_HOST": f"unix://{path}"})
    assert (found.state, found.detail) == ("silent", "it accepts no further connection")


def test_an_engine_that_answers_when_it_is_asked_again_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "ask_engine", lambda environ: EngineFacts(SOCKET, "silent", detail="no answer"))
    monkeypatch.setattr(command.probe, "collect_facts", lambda environ: GOOD)
    assert doctor.require_engine({}) == UP


def test_require_engine_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="no answer from unix:///no/such") as caught:
        doctor.require_engine({"DOCKER_HOST": "unix:///no/such"})
    assert caught.value.exit_status == 3
    assert caught.value.fix == "start it, or unset DOCKER_HOST"


def test_the_command_line_ends_with_3_where_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = dataclasses.replace(GOOD, engine=DOWN, daemon="")
    monkeypatch.setattr(command.probe, "collect_facts", lambda **_: facts)
    assert doctor.main([]) == 3
    assert "missing  container engine  not installed  ->  sudo apt-get update" in capsys.readouterr().out
    monkeypatch.setattr(command.probe, "collect_facts", lambda **_: GOOD)
    assert doctor.main([]) == 0


def test_a_state_folder_that_cannot_be_written_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "file" / "state"))
    machine = Machine(BARE)
    monkeypatch.setattr(command, "fix", functools.partial(doctor.fix, look=machine.look, apply=machine.apply))
    assert doctor.main(["--fix"]) == 2
    assert capsys.readouterr().err.startswith(f"doctor: {tmp_path}/file/state cannot be used: Not a directory\n")
    assert machine.applied == []


def test_the_doctor_needs_no_library_but_pythons_own() -> None:
    code = "import sys, harness.doctor, harness.bootstrap.main; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {_root()!r}); {code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert "harness.doctor.command" in done.stdout


def _root() -> str:
    return str(Path(doctor.__file__).parents[2])


def test_a_failing_command_ends_with_its_last_lines_and_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier call\n")
    with pytest.raises(PlatformError, match="exit status 7") as caught:
        remedies.run_logged(["sh", "-c", "echo cannot find package; exit 7"], log, os.environ, 10)
    assert "cannot find package" in caught.value.last_seen
    assert "earlier" not in caught.value.last_seen
    assert caught.value.evidence == str(log)


def test_a_daemon_that_ends_at_once_is_reported_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = tmp_path / "dockerd"
    daemon.write_text("#!/bin/sh\necho failed to mount overlay: operation not permitted\nexit 1\n")
    daemon.chmod(0o755)
    monkeypatch.setattr(remedies, "DEFAULT_SOCKET", str(tmp_path / "none.sock"))
    monkeypatch.setattr(remedies, "_DAEMON_PID_FILES", {})
    facts = dataclasses.replace(BARE, daemon=str(daemon))
    with pytest.raises(PlatformError, match="was started but ended at once") as caught:
        remedies.start_engine(facts, lambda line: None)
    assert "operation not permitted" in caught.value.last_seen


def test_a_stale_pid_file_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = tmp_path / "docker.pid"
    stale.write_text(f"{os.getpid()}\n")  # the id lives, but it is not a dockerd
    monkeypatch.setattr(remedies, "_DAEMON_PID_FILES", {"dockerd": stale})
    assert remedies._clean_pid_files() == 0
    assert not stale.exists()


PROCESS = {
    "capabilities": {kind: ["CAP_CHOWN", "CAP_SYS_RESOURCE"] for kind in ("bounding", "effective", "permitted")},
    "oomScoreAdj": -998,
}


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The installed wrapper in front of a ``runc`` that prints its arguments."""
    fake = tmp_path / "bin" / "runc"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    fake.chmod(0o755)
    wrapper = remedies.install_runtime_wrapper(tmp_path)
    environ = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}

    def call(*arguments: str, cwd: Path = tmp_path) -> list[str]:
        return subprocess.run(
            [wrapper, *arguments], env=environ, cwd=cwd, capture_output=True, text=True, check=True
        ).stdout.splitlines()

    return call


@pytest.mark.parametrize("bundle", [["--bundle", "{}"], ["--bundle={}"], ["-b", "{}"], []])
def test_the_runtime_gives_up_the_withheld_capability_on_create(
    bundle: list[str], runtime: Callable[..., list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"ociVersion": "1.0.2", "process": PROCESS}))
    arguments = ["--root", "create", "--log-format", "json", "create", *(word.format(folder) for word in bundle), "id"]
    assert runtime(*arguments, cwd=folder) == arguments
    process = json.loads((folder / "config.json").read_text())["process"]
    assert process["oomScoreAdj"] == 0
    assert all(names == ["CAP_CHOWN"] for names in process["capabilities"].values())


def test_the_runtime_reads_the_process_file_on_exec(runtime: Callable[..., list[str]], tmp_path: Path) -> None:
    file = tmp_path / "process.json"
    file.write_text(json.dumps(PROCESS))
    arguments = ["--root", "/run/x", "exec", "--process", str(file), "--detach", "id"]
    assert runtime(*arguments) == arguments
    assert json.loads(file.read_text())["capabilities"]["bounding"] == ["CAP_CHOWN"]


@pytest.mark.parametrize("arguments", [["--version"], ["state", "id"], ["kill", "id", "9"], []])
def test_the_runtime_passes_every_other_command_through(
    arguments: list[str], runtime: Callable[..., list[str]]
) -> None:
    assert runtime(*arguments) == arguments


def _plugin(folder: Path, version: str, status: int = 0) -> Path:
    path = folder / "docker-buildx"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n[ $1 = version ] && echo '{version}'\nexit {status}\n")
    path.chmod(0o755)
    return path


DEBIANS = "github.com/docker/buildx 0.29.1+ds1 0.29.1+ds1-4"


def test_the_builder_is_the_plugin_that_docker_would_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "_SYSTEM", (str(tmp_path / "system"),))
    environ = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "config")}
    assert str(find_builder(environ)) == "legacy builder: docker buildx is not installed"
    _plugin(tmp_path / "system", "github.com/docker/buildx v0.13.1 788433953af1")
    assert str(find_builder(environ)) == "BuildKit by docker buildx 0.13"
    own = _plugin(tmp_path / "config" / "cli-plugins", DEBIANS)
    assert find_builder(environ) == Builder(str(own), (0, 29))
    extra = _plugin(tmp_path / "extra", DEBIANS)
    (tmp_path / "config" / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(tmp_path / "extra")]}))
    assert find_builder(environ).plugin == str(extra)
    # switched off as for `docker build`
    assert str(find_builder({**environ, "DOCKER_BUILDKIT": "0"})) == "legacy builder: DOCKER_BUILDKIT=0"
    assert find_builder({**environ, "DOCKER_BUILDKIT": "1"}).buildkit


@pytest.mark.parametrize(
    ("version", "status", "reason"),
    [
        ("github.com/docker/buildx v0.12.5 abc", 0, "docker buildx 0.12 is older than 0.13"),
        ("something else", 0, "does not say its version: something else"),
        ("", 1, "does not say its version: exit status 1"),
    ],
)
def test_an_unusable_plugin_is_skipped_with_the_reason(tmp_path: Path, version: str, status: int, reason: str) -> None:
    _plugin(tmp_path / "cli-plugins", version, status)
    found = find_builder({"DOCKER_CONFIG": str(tmp_path)})
    assert not found.buildkit
    assert reason in found.reason
    assert "apt-get install docker-buildx" in found.remedy


def test_a_plugin_that_does_not_start_and_damaged_settings_are_no_errors(tmp_path: Path) -> None:
    plugin = _plugin(tmp_path / "cli-plugins", "")
    plugin.write_bytes(b"\x7fELF nothing")
    (tmp_path / "config.json").write_text("[")
    assert "cannot be run" in find_builder({"DOCKER_CONFIG": str(tmp_path)}).reason


def test_a_plugin_that_takes_too_long_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = _plugin(tmp_path / "cli-plugins", DEBIANS)
    quick = plugin.read_text()
    before = plugin.stat()
    plugin.write_text("#!/bin/sh\nexec sleep 60\n")
    os.utime(plugin, ns=(before.st_atime_ns, before.st_mtime_ns))
    with monkeypatch.context() as patch:
        patch.setattr(builder, "_PATIENCE_S", 0.2)
        found = find_builder({"DOCKER_CONFIG": str(tmp_path)})
    assert "timed out" in found.reason
    assert found.remedy == "try again when the machine is less busy"
    plugin.write_text(quick)
    os.utime(plugin, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert find_builder({"DOCKER_CONFIG": str(tmp_path)}).buildkit


def test_an_engine_that_does_not_say_whether_it_has_buildkit_is_not_taken_for_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plugin(tmp_path / "cli-plugins", DEBIANS)
    monkeypatch.setattr(buildkit_probe, "_TIMEOUT_S", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        found = builder.find_socket_builder(str(tmp_path / "s"), {"DOCKER_CONFIG": str(tmp_path)})
    assert found.reason == "the engine does not say in time whether it has BuildKit"
    assert found.remedy == "try again when the machine is less busy"
    with answering(tmp_path / "old", b"", 404):
        found = builder.find_socket_builder(str(tmp_path / "old"), {"DOCKER_CONFIG": str(tmp_path)})
    assert found.reason == "the engine has no BuildKit"


def test_the_doctor_says_which_builder_is_used_and_how_the_other_one_is_had() -> None:
    with_buildkit = dataclasses.replace(GOOD, builder=Builder("/x/docker-buildx", (0, 29)))
    without = dataclasses.replace(GOOD, builder=Builder(reason="it is not there", remedy="install it"))
    lines = [str(check) for facts in (with_buildkit, without) for check in decide(facts) if "builder" in check.name]
    assert lines == [
        "ok       image builder     BuildKit by docker buildx 0.29",
        "ok       image builder     legacy builder: it is not there; "
        "for RUN --mount, here-documents, COPY --link: install it",
    ]


@pytest.mark.parametrize(
    ("used", "status", "slow", "remedy"),
    [
        (Builder(reason="it is not there", remedy="install it"), checks.WARNING, True, "install it"),
        (Builder("/x/docker-buildx", (0, 29)), checks.OK, False, ""),
    ],
)
def test_the_doctor_warns_of_slow_builds_where_containerd_keeps_the_images(
    used: Builder, status: str, slow: bool, remedy: str
) -> None:
    engine = dataclasses.replace(UP, inside=Inside(driver="overlayfs", containerd=True))
    facts = dataclasses.replace(GOOD, engine=engine, builder=used)
    (found,) = (check for check in decide(facts) if check.name == "image builder")
    assert (found.status, found.command) == (status, remedy)
    assert ("two to ten times as long" in found.detail) is slow


@pytest.mark.parametrize(("offered", "status"), [(True, 0), (False, 100)])
def test_buildx_is_installed_with_the_engine_where_the_distribution_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offered: bool, status: int
) -> None:
    for name, script in (("apt-get", f'echo "$@" >> {tmp_path}/calls'), ("apt-cache", f"exit {status}")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    remedies._update.cache_clear()
    said: list[str] = []
    remedies.apply(checks.INSTALL_ENGINE, GOOD, said.append)
    update, installed = (tmp_path / "calls").read_text().splitlines()
    assert update.endswith(" update")
    packages = installed.partition(" --no-install-recommends ")[2].split()
    assert packages == ["docker.io", "iptables", "ca-certificates", *(["docker-buildx"] if offered else [])]
    assert said == [f"installing {', '.join(packages)} (apt-get)"]


def test_a_package_index_that_does_not_answer_is_an_error_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlatformError, match="apt-cache show docker-buildx: no such program"):
        remedies._is_offered("docker-buildx")
    (tmp_path / "apt-cache").write_text("#!/bin/sh\nexec /usr/bin/tail -f /dev/null\n")
    (tmp_path / "apt-cache").chmod(0o755)
    monkeypatch.setattr(remedies, "_APT_TIMEOUT_S", 0.2)
    with pytest.raises(PlatformError, match="apt-cache show docker-buildx: not done after"):
        remedies._is_offered("docker-buildx")
