"""A build on the engine's legacy builder, which every engine has: a context is sent, the stream followed."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from typing import IO, Any

from harness import engine
from harness.images.building import BuilderError, BuildLine, BuildRequest, make_timeout_error
from harness.images.dockerfile import AUTOMATIC

_STEP = re.compile(r"^Step (\d+)/\d+ : (.*)")
_BLOCK = 1 << 20
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def build(request: BuildRequest) -> Iterator[BuildLine]:
    """Yield the lines of a build.

    Raises:
        BuilderError: it fails.
    """
    deadline = time.monotonic() + request.timeout_s
    # the engine may say nothing during a whole step
    api = engine.connect_api(timeout_s=request.timeout_s)
    try:
        with request.context.tar() as archive:
            blocks = _read_until(deadline, archive, request.timeout_s)
            with contextlib.closing(engine.build(api, blocks, _make_params(request), deadline=deadline)) as messages:
                for line in _lines(messages):
                    found = _STEP.match(line)
                    yield BuildLine(line, found[2], int(found[1])) if found else BuildLine(line)
    except engine.TransferError as problem:
        if time.monotonic() >= deadline:
            raise make_timeout_error(request.timeout_s) from None
        raise BuilderError(str(problem)) from None
    finally:
        api.close()


def _read_until(deadline: float, archive: IO[bytes], timeout_s: float) -> Iterator[bytes]:
    """Yield the blocks of a context, which an engine may take slowly.

    Raises:
        BuilderError: the deadline is over.
    """
    while block := archive.read(_BLOCK):
        yield block
        if time.monotonic() >= deadline:
            raise make_timeout_error(timeout_s)


def _make_params(request: BuildRequest) -> dict[str, str]:
    params = {
        "dockerfile": request.name,
        "t": request.tag,
        "buildargs": json.dumps({**_platform(request), **request.hidden, **request.arguments}),
        "labels": json.dumps(dict(request.labels)),
        # intermediate containers go, also after a failure
        "rm": "1",
        "forcerm": "1",
    }
    return {**params, "networkmode": request.network} if request.network else params


def _platform(request: BuildRequest) -> dict[str, str]:
    """Return the values that BuildKit gives to a Dockerfile that declares them."""
    # one that is declared with a value keeps it
    arguments = [instruction for instruction in request.dockerfile.instructions if instruction.keyword == "ARG"]
    declared = {word for instruction in arguments for word in instruction.words}
    return {name: value for name, value in AUTOMATIC.items() if name in declared}


def _lines(stream: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Yield whole lines of the builder's stream.

    Raises:
        TransferError: the build fails.
    """
    rest = ""
    for message in stream:
        rest += message.get("stream", "")
        *whole, rest = rest.split("\n")
        for line in whole:
            if text := _COLOUR.sub("", line).strip():
                yield text
    if text := _COLOUR.sub("", rest).strip():
        yield text
