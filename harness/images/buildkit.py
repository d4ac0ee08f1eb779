"""A build by the user's ``docker buildx``, on the BuildKit that the engine has built in: its images are the bases.

The plugin keeps its records of a build in a folder of the harness, and no choice of a builder that the user has made
for other work counts. Engines record the values of a build's arguments, so secrets are not passed as arguments.
"""

from __future__ import annotations

import base64
import codecs
import json
import os
import re
import selectors
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from harness.common.scratch import scratch_folder
from harness.doctor.builder import Builder
from harness.doctor.client_environment import make_client_environment
from harness.errors import HarnessError
from harness.images.building import BuilderError, BuildLine, BuildRequest, make_timeout_error
from harness.images.dockerfile import make_secret_id, make_secret_mount

_BUILDER: Final = "default"
"""The name of the builder that an engine has built in, for the engine that DOCKER_HOST names."""
_LAUNCHER: Final = Path(__file__).with_name("owned_process.py")
_BLOCK: Final = 1 << 20
_END_S: Final = 10.0
_ERROR: Final = "ERROR: "
# prefixes of components that passed the error on
_PASSED_ON: Final = re.compile(
    r"^(?:failed to (?:build|solve|solve with frontend \S+|create LLB definition): |rpc error: code = \w+ desc = )+"
)
_STEP: Final = re.compile(r"\[(?:\S+ )?(\d+/\d+)\] (\S.*)", re.DOTALL)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def build(request: BuildRequest, builder: Builder, address: str, folder: Path) -> Iterator[BuildLine]:
    """Yield the lines of a build.

    Args:
        request: the build.
        builder: the plugin.
        address: URL of the engine.
        folder: for the plugin's files during the build; is created.

    Raises:
        BuilderError: it fails.
        BuildError: a file of the context cannot be read.
    """
    with scratch_folder(folder) as own:
        yield from _follow(request, builder, _environment(own, address, {**request.hidden, **request.secrets}))


def _follow(request: BuildRequest, builder: Builder, environment: Mapping[str, str]) -> Iterator[BuildLine]:
    deadline = time.monotonic() + request.timeout_s
    try:
        child = subprocess.Popen(
            # -S and -E: without the packages of this environment
            [sys.executable, "-S", "-E", str(_LAUNCHER), str(os.getpid()), *_command(request, builder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise BuilderError(f"{builder.plugin} cannot be started: {error}") from None
    sender = _Sender(request, child)
    messages = _Messages(" ".join(map(make_secret_mount, request.secrets)))
    try:
        for block in _blocks(child, deadline):
            yield from messages.read(block)
        yield from messages.end()
        status = child.wait(max(deadline - time.monotonic(), 0.1))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise make_timeout_error(request.timeout_s) from None
    finally:
        child.kill()
        child.wait(_END_S)
        sender.join()
        assert child.stderr is not None
        child.stderr.close()
    if sender.trouble is not None:
        raise sender.trouble
    if status:
        raise messages.failure(status)


def _command(request: BuildRequest, builder: Builder) -> list[str]:
    command = [builder.plugin, "build", "--builder", _BUILDER, "--progress", "rawjson"]
    command += ["--provenance=false", "--sbom=false", "--file", request.name, "--tag", request.tag]
    for name, value in request.labels.items():
        command += ["--label", f"{name}={value}"]
    for name, value in request.arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    # values that are not given here come from the environment
    for name in request.hidden:
        command += ["--build-arg", name]
    for name in request.secrets:
        command += ["--secret", f"id={make_secret_id(name)},env={name}"]
    if request.network:
        command += ["--network", request.network]
    return [*command, "-"]


def _environment(own: Path, address: str, hidden: Mapping[str, str]) -> dict[str, str]:
    return {**make_client_environment(os.environ), **hidden, "DOCKER_HOST": address, "BUILDX_CONFIG": str(own)}


class _Sender:
    """Sends the context in a separate thread, so that the plugin's output is read at the same time."""

    def __init__(self, request: BuildRequest, child: subprocess.Popen[bytes]) -> None:
        self.trouble: HarnessError | None = None
        self._request, self._child = request, child
        self._thread = threading.Thread(target=self._send, daemon=True, name="build-context")
        self._thread.start()

    def join(self) -> None:
        """Wait until nothing is sent any more; the child has ended."""
        self._thread.join()

    def _send(self) -> None:
        assert self._child.stdin is not None
        try:
            with self._request.context.tar() as archive, self._child.stdin as target:
                shutil.copyfileobj(archive, target, _BLOCK)
        except HarnessError as error:
            self.trouble = error
            self._child.kill()
        except OSError:
            # it ended before it had read everything, and says why
            pass


def _blocks(child: subprocess.Popen[bytes], deadline: float) -> Iterator[bytes]:
    assert child.stderr is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stderr, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                block = os.read(child.stderr.fileno(), _BLOCK)
                if not block:
                    return
                yield block
    raise TimeoutError


class _Pipe(NamedTuple):
    """A stream of a step: its standard output or its standard error, whose lines may be mixed."""

    vertex: str
    stream: int


class _Messages:
    """What the plugin says: JSON documents about the steps, and at the end perhaps text."""

    def __init__(self, mounts: str = "") -> None:
        # options of RUN that the author did not write
        self._mounts = f" {mounts}" if mounts else ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder = json.JSONDecoder()
        self._rest = ""
        self._words: list[str] = []
        self._begun: set[str] = set()
        self._output: dict[_Pipe, tuple[codecs.IncrementalDecoder, str]] = {}
        self._failed: tuple[str, str] | None = None

    def read(self, block: bytes) -> Iterator[BuildLine]:
        """Yield the lines that a block completes."""
        self._rest = (self._rest + self._decode.decode(block)).lstrip()
        while self._rest:
            if self._rest.startswith("{"):
                try:
                    document, end = self._decoder.raw_decode(self._rest)
                except ValueError:
                    return
                yield from self._lines(document)
            else:
                end = self._rest.find("\n") + 1
                if not end:
                    return
                self._words.append(self._rest[:end].rstrip())
            self._rest = self._rest[end:].lstrip()

    def end(self) -> Iterator[BuildLine]:
        """Yield the rest."""
        for vertex in {pipe.vertex for pipe in self._output}:
            yield from self._flush(vertex)
        self._words += self._rest.splitlines()

    def failure(self, status: int) -> BuilderError:
        """Return the error for a status with which the plugin ended."""
        step, words = self._failed or ("", "")
        last = next((line for line in reversed(self._words) if line.startswith(_ERROR)), "")
        message = _PASSED_ON.sub("", last.removeprefix(_ERROR), count=1)
        words = words or message or "\n".join(self._words) or f"docker buildx ended with status {status}"
        return BuilderError(words, step)

    def _lines(self, document: Any) -> Iterator[BuildLine]:
        for log in document.get("logs") or ():
            pipe = _Pipe(str(log["vertex"]), int(log.get("stream", 1)))
            yield from self._log_lines(pipe, base64.b64decode(log.get("data") or ""))
        for vertex in document.get("vertexes") or ():
            name = str(vertex.get("name", "")).replace(self._mounts, "")
            digest, step = str(vertex["digest"]), _STEP.fullmatch(name)
            if step and vertex.get("started") and digest not in self._begun:
                self._begun.add(digest)
                text = " ".join(step[2].split())
                yield BuildLine(f"Step {step[1]} : {text}" + (" (cached)" if vertex.get("cached") else ""), text)
            if vertex.get("completed"):
                yield from self._flush(digest)
            error = str(vertex.get("error", ""))
            # a step that is given up because another one has failed is not the cause
            if error and "context canceled" not in error and self._failed is None:
                self._failed = (" ".join(step[2].split()), error) if step else ("", f"{name}: {error}")

    def _log_lines(self, pipe: _Pipe, data: bytes) -> Iterator[BuildLine]:
        decoder, rest = self._output.get(pipe) or (codecs.getincrementaldecoder("utf-8")("replace"), "")
        *whole, rest = (rest + decoder.decode(data)).split("\n")
        self._output[pipe] = (decoder, rest)
        yield from _non_empty(whole)

    def _flush(self, vertex: str) -> Iterator[BuildLine]:
        for pipe in [pipe for pipe in self._output if pipe.vertex == vertex]:
            yield from _non_empty([self._output.pop(pipe)[1]])


def _non_empty(lines: list[str]) -> Iterator[BuildLine]:
    for line in lines:
        if text := _COLOUR.sub("", line).strip():
            yield BuildLine(text)
