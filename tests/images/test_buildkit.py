"""A build by ``docker buildx``, with a program in its place that says what the real one said and notes what it gets."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.doctor import EngineFacts
from harness.doctor.builder import Builder
from harness.errors import BuildError
from harness.images import build as building
from harness.images import builders, buildkit
from harness.images.building import BuilderError, BuildLine, BuildRequest
from harness.images.context import Context, ContextEntry
from harness.images.dockerfile import Dockerfile, make_secret_mount

RECORDED = Path(__file__).parent / "recorded"
ADDRESS = "unix:///x/docker.sock"
TEXT = "FROM x\n"
PLUGIN = """\
import json, os, pathlib, sys, time
own = pathlib.Path({folder!r})
command = sys.argv[1]
with open(own / "calls", "a") as calls:
    calls.write(json.dumps({{"arguments": sys.argv[1:], "environment": dict(os.environ), "pid": os.getpid()}}) + "\\n")
if command == "build":
    pathlib.Path(os.environ["BUILDX_CONFIG"], "refs").mkdir()
    (own / "context.tar").write_bytes(sys.stdin.buffer.read({read}))
    sys.stderr.buffer.write((own / "says").read_bytes())
    sys.stderr.flush()
    time.sleep({seconds})
    sys.exit({status})
"""

Play = Callable[..., Builder]


@pytest.fixture
def plugin(tmp_path: Path) -> Play:
    """Let a program be the plugin."""

    def play(says: bytes = b"", status: int = 0, seconds: float = 0, read: int = -1) -> Builder:
        (tmp_path / "says").write_bytes(says)
        program, path = tmp_path / "plugin.py", tmp_path / "docker-buildx"
        program.write_text(PLUGIN.format(folder=str(tmp_path), status=status, seconds=seconds, read=read))
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{program}" "$@"\n')
        path.chmod(0o755)
        return Builder(str(path), (0, 29))

    return play


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    return BuildRequest(
        context=Context([ContextEntry("Dockerfile", content=TEXT.encode()), ContextEntry("a.txt", content=b"a")]),
        name="Dockerfile",
        dockerfile=Dockerfile(TEXT),
        tag="team/x:1",
        arguments={"A": "1"},
        hidden={"HTTPS_PROXY": "http://proxy:1"},
        secrets={"HTTP_PROXY": "http://ada:secret@proxy:1"},
        labels={"l": "m n"},
        network="host",
        timeout_s=60,
    )


def build(request: BuildRequest, builder: Builder, tmp_path: Path) -> list[BuildLine]:
    return list(buildkit.build(request, builder, ADDRESS, tmp_path / "state" / "buildx"))


def calls(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


def test_the_plugin_gets_the_context_and_all_of_the_request(
    plugin: Play, request_: BuildRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDX_BUILDER", "another")
    monkeypatch.setenv("DOCKER_CONTEXT", "another")
    build(request_, plugin(), tmp_path)
    [call] = calls(tmp_path)
    words = call["arguments"]
    assert words[0] == "build"
    assert words[-1] == "-"
    pairs = list(itertools.pairwise(words))
    for pair in (
        ("--builder", "default"), ("--file", "Dockerfile"), ("--tag", "team/x:1"), ("--label", "l=m n"),
        ("--build-arg", "A=1"), ("--build-arg", "HTTPS_PROXY"), ("--network", "host"),
    ):  # fmt: skip
        assert pair in pairs
    assert {"--provenance=false", "--sbom=false"} <= set(words)
    # the builder of this engine, whatever the user has chosen for other work
    assert call["environment"]["DOCKER_HOST"] == ADDRESS
    assert not {"DOCKER_CONTEXT", "BUILDX_BUILDER"} & set(call["environment"])
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "context.tar").read_bytes())) as archive:
        assert archive.getnames() == ["Dockerfile", "a.txt"]


def test_no_process_shows_what_is_secret_and_it_is_no_argument(
    plugin: Play, request_: BuildRequest, tmp_path: Path
) -> None:
    build(request_, plugin(), tmp_path)
    [call] = calls(tmp_path)
    words = call["arguments"]
    assert "proxy:1" not in " ".join(words)
    assert words[words.index("--secret") + 1] == "id=kaapana-harness-HTTP_PROXY,env=HTTP_PROXY"
    assert "HTTP_PROXY" not in words
    assert call["environment"]["HTTPS_PROXY"] == "http://proxy:1"
    assert call["environment"]["HTTP_PROXY"] == "http://ada:secret@proxy:1"


def test_the_plugins_files_are_gone_afterwards(plugin: Play, request_: BuildRequest, tmp_path: Path) -> None:
    with pytest.raises(BuilderError):
        build(request_, plugin(status=1), tmp_path)
    assert [path.name for path in (tmp_path / "state" / "buildx").iterdir()] == ["lock"]


@pytest.mark.parametrize("recorded", sorted(path.name for path in RECORDED.iterdir()))
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_output_of_the_plugin_is_reported_in_lines_however_it_arrives(recorded: str, size: int) -> None:
    said = (RECORDED / recorded).read_bytes()
    messages = buildkit._Messages()
    lines = [line for at in range(0, len(said), size) for line in messages.read(said[at : at + size])]
    lines += messages.end()
    run = 'RUN printf "l\\303\\266\\033[1mok"; echo b; cat /not-there'
    steps = [line.step.partition("@")[0] for line in lines if line.step]
    assert steps == ["FROM docker.io/local-only/base-installer:latest", "COPY a.txt /x/", run]
    assert all(line.text.startswith("Step ") for line in lines if line.step)
    assert sorted(line.text for line in lines if not line.step) == [
        "cat: /not-there: No such file or directory",
        "löokb",
    ]
    error = messages.failure(1)
    assert error.step == run
    assert str(error).endswith("exit code: 1")


def test_a_failure_without_a_step_is_the_plugins_own_last_word(
    plugin: Play, request_: BuildRequest, tmp_path: Path
) -> None:
    passed_on = (
        "failed to build: failed to solve: rpc error: code = Unknown desc = failed to solve with frontend "
        "dockerfile.v0: failed to create LLB definition: "
    )
    said = f"WARNING: something\nERROR: {passed_on}dockerfile parse error line 4: unknown instruction: FOO\n"
    words = said.encode()
    with pytest.raises(BuilderError, match=r"^dockerfile parse error line 4: unknown instruction: FOO$") as caught:
        build(request_, plugin(words, status=1), tmp_path)
    assert caught.value.step == ""
    with pytest.raises(BuilderError, match=r"^docker buildx ended with status 7$"):
        build(request_, plugin(b"", status=7), tmp_path)
    with pytest.raises(BuilderError, match=r"^\{cut off"):
        build(request_, plugin(b"{cut off", status=1), tmp_path)


def test_a_step_that_is_given_up_is_not_the_cause() -> None:
    messages = buildkit._Messages()
    document = {
        "vertexes": [
            {"digest": "1", "name": "[a 2/2] RUN sleep 9", "error": "context canceled"},
            {"digest": "2", "name": "[b 2/3] RUN false", "error": "exit code: 1"},
        ]
    }
    list(messages.read(json.dumps(document).encode()))
    assert (messages.failure(1).step, str(messages.failure(1))) == ("RUN false", "exit code: 1")


def test_a_silent_build_ends_with_the_time_that_it_may_take(
    plugin: Play, request_: BuildRequest, tmp_path: Path
) -> None:
    builder = plugin(seconds=60)
    with pytest.raises(
        BuilderError, match=r"not finished within 1 s: raise the limit with KAAPANA_HARNESS_BUILD_TIMEOUT"
    ):
        build(dataclasses.replace(request_, timeout_s=1), builder, tmp_path)
    assert not alive(calls(tmp_path)[0]["pid"])


def test_a_plugin_that_ends_before_it_has_read_everything_says_why(
    plugin: Play, request_: BuildRequest, tmp_path: Path
) -> None:
    large = Context([ContextEntry("Dockerfile", content=TEXT.encode()), ContextEntry("large", content=bytes(1 << 22))])
    with pytest.raises(BuilderError, match="no room"):
        build(dataclasses.replace(request_, context=large), plugin(b"ERROR: no room\n", status=1, read=10), tmp_path)


def test_a_file_that_cannot_be_read_is_named_and_ends_the_build(
    plugin: Play, request_: BuildRequest, tmp_path: Path
) -> None:
    gone = Context([ContextEntry("Dockerfile", content=TEXT.encode()), ContextEntry("gone", path=tmp_path / "gone")])
    with pytest.raises(BuildError, match="gone cannot be read"):
        build(dataclasses.replace(request_, context=gone), plugin(seconds=60), tmp_path)


def test_a_missing_plugin_is_an_error(request_: BuildRequest, tmp_path: Path) -> None:
    with pytest.raises(BuilderError, match="No such file or directory"):
        build(request_, Builder(str(tmp_path / "gone"), (0, 29)), tmp_path)


KILLED = """\
import sys
from pathlib import Path
from harness.doctor.builder import Builder
from harness.images import buildkit
from harness.images.building import BuildRequest
from harness.images.context import Context, ContextEntry
from harness.images.dockerfile import Dockerfile
context = Context([ContextEntry("Dockerfile", content=b"FROM x")])
request = BuildRequest(context, "Dockerfile", Dockerfile("FROM x"), "x:1", {}, {}, {}, {}, None, 60)
for line in buildkit.build(request, Builder(sys.argv[1], (0, 29)), sys.argv[2], Path(sys.argv[3])):
    print(line, flush=True)
"""


def test_after_a_kill_the_build_ends_and_the_next_one_removes_the_plugins_files(
    plugin: Play, request_: BuildRequest, tmp_path: Path
) -> None:
    log = {"digest": "1", "name": "[2/2] RUN sleep 60", "started": "2026-01-01T00:00:00Z"}
    builder = plugin(json.dumps({"vertexes": [log]}).encode(), seconds=60)
    folder = tmp_path / "state" / "buildx"
    owner = subprocess.Popen(
        [sys.executable, "-c", KILLED, builder.plugin, ADDRESS, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert "RUN sleep 60" in owner.stdout.readline()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    pid = calls(tmp_path)[0]["pid"]
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline, "the plugin goes on without its owner"
        time.sleep(0.02)
    [left] = folder.glob("scratch-*")
    build(request_, plugin(), tmp_path)
    assert not left.exists()


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_running_build_is_left_alone(plugin: Play, request_: BuildRequest, tmp_path: Path) -> None:
    with buildkit.scratch_folder(tmp_path / "state" / "buildx") as own:
        build(request_, plugin(), tmp_path)
        assert own.exists()


def test_a_failure_before_the_first_step_is_named() -> None:
    messages = buildkit._Messages()
    vertex = {"digest": "1", "name": "[internal] load metadata for docker.io/team/x:1", "error": "not found"}
    assert list(messages.read(json.dumps({"vertexes": [vertex]}).encode())) == []
    assert str(messages.failure(1)) == "[internal] load metadata for docker.io/team/x:1: not found"


def test_options_that_the_author_did_not_write_are_not_shown(request_: BuildRequest) -> None:
    mount = make_secret_mount("HTTP_PROXY")
    messages = buildkit._Messages(mount)
    vertex = {"digest": "1", "name": f"[2/2] RUN {mount} --mount=type=cache,target=/x true", "started": "now"}
    [line] = messages.read(json.dumps({"vertexes": [vertex]}).encode())
    assert line.step == "RUN --mount=type=cache,target=/x true"


def test_a_frontend_that_is_too_old_for_secrets_gives_way_to_the_builders_own(
    request_: BuildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builders, "pull_frontend", lambda _reference, _on_line: "")
    engine = EngineFacts(ADDRESS, "up", version="28.5.2", api="1.51")

    def prepare(frontend: str, proxy: str) -> tuple[str, list[str]]:
        text = f"# syntax={frontend}\n{TEXT}RUN true\n"
        request = dataclasses.replace(
            request_,
            context=Context([ContextEntry("Dockerfile", content=text.encode())]),
            dockerfile=Dockerfile(text),
            hidden={"HTTP_PROXY": proxy},
            secrets={},
        )
        notices: list[str] = []
        prepared = building._prepare(request, Builder("/x", (0, 29)), engine, "my/Dockerfile", notices.append)
        return prepared.context.entries["Dockerfile"].read().decode(), notices

    mount = make_secret_mount("HTTP_PROXY")
    sent, [notice] = prepare("docker/dockerfile:1.4", "http://ada:secret@proxy:1")
    assert sent == f"#\nFROM x\nRUN {mount} true\n"
    assert notice.startswith("my/Dockerfile: # syntax=docker/dockerfile:1.4 is read by the builder's own frontend: ")
    newest = "# syntax=docker/dockerfile:1\n"
    assert prepare("docker/dockerfile:1", "http://ada:secret@proxy:1") == (f"{newest}FROM x\nRUN {mount} true\n", [])
    old = "# syntax=docker/dockerfile:1.4\n"
    assert prepare("docker/dockerfile:1.4", "http://proxy:1") == (f"{old}FROM x\nRUN true\n", [])
