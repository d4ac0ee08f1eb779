"""The Docker engine's API over its socket, asynchronously: a handful of calls, no threads.

A new connection for every call: on a local socket it costs less than managing a pool, and a call
that lasts as long as a container blocks no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import h11

from harness.incluster.controlplane.http import exchange

# until the engine has answered a call that does not wait for anything
_ANSWER_S = 120.0
# during an operation that another client has requested
_TRIES = 50
_AGAIN_S = 0.1
# of a program's output in a container
_LONGEST_END = 2_000


class EngineCallError(Exception):
    """The engine refused a call (``status`` is its HTTP status) or does not answer (0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class EngineTimeoutError(EngineCallError):
    """The engine, or a program in a container, was not done in time."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


class Engine:
    """One engine behind a Unix socket.

    Args:
        socket: its path.
        api: version of its API that is spoken, as ``1.41``.
    """

    def __init__(self, socket: str, api: str) -> None:
        self._socket = socket
        self._root = f"/v{api}"

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_s: float | None = _ANSWER_S,
    ) -> Any:
        """Call the engine; return the decoded answer, ``None`` for an empty one.

        Raises:
            EngineCallError: with the engine's own words.
            EngineTimeoutError: it did not answer in time.
        """

        async def run() -> Any:
            async with contextlib.aclosing(self.stream(method, path, query=query, body=body)) as chunks:
                data = b"".join([chunk async for chunk in chunks])
            return json.loads(data) if data.strip() else None

        try:
            return await asyncio.wait_for(run(), timeout_s)
        except asyncio.TimeoutError:
            raise EngineTimeoutError(f"the engine did not answer {method} {path} in {timeout_s:g} s") from None

    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the body of an answer, piece by piece as it comes."""
        target = self._root + quote(path, safe="/:@") + (f"?{urlencode(query)}" if query else "")
        data = b"" if body is None else json.dumps(body).encode()
        fields = {"Host": "docker", "Content-Type": "application/json", **(headers or {})}
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError as error:
            raise EngineCallError(0, f"no engine at {self._socket}: {error}") from None
        status, refusal = 0, b""
        answer = exchange(reader, writer, method, target, fields, data)
        try:
            async for part in answer:
                if not isinstance(part, bytes):
                    status = part.status_code
                elif status >= 400:
                    refusal += part
                else:
                    yield part
        except (OSError, h11.ProtocolError) as error:
            raise EngineCallError(0, f"the engine broke off {method} {path}: {error}") from None
        finally:
            await answer.aclose()
        if status >= 400:
            raise EngineCallError(status, _message(refusal))

    # -- operations ----------------------------------------------------------------------------------------

    async def create(self, name: str, body: Mapping[str, Any]) -> str:
        """Create a container; its id."""
        answer = await self.call("POST", "/containers/create", query={"name": name}, body=body)
        return str(answer["Id"])

    async def start(self, container: str) -> None:
        """Start a container."""
        await self.call("POST", f"/containers/{container}/start")

    async def inspect(self, container: str, *, size: bool = False) -> dict[str, Any]:
        """Return the engine's record of a container; ``size``: with ``SizeRw``, the bytes in its own layer."""
        query = {"size": "true"} if size else None
        record: dict[str, Any] = await self.call("GET", f"/containers/{container}/json", query=query)
        return record

    async def changes(self, container: str) -> list[str]:
        """Return the files that a container has made or changed. The engine compares the whole image."""
        found = await self.call("GET", f"/containers/{container}/changes") or []
        # 2 is a deletion
        return [str(entry["Path"]) for entry in found if entry["Kind"] != 2]

    async def wait(self, container: str) -> int:
        """Wait until a container does not run; its exit code."""
        answer = await self.call("POST", f"/containers/{container}/wait", timeout_s=None)
        return int(answer["StatusCode"])

    async def stop(self, container: str, grace_s: int) -> None:
        """Send SIGTERM, and SIGKILL after the grace, if it still runs."""
        with contextlib.suppress(EngineCallError):
            await self.call(
                "POST", f"/containers/{container}/stop", query={"t": str(grace_s)}, timeout_s=grace_s + 60.0
            )

    async def pause(self, container: str) -> bool:
        """Pause a container; return ``False`` when it has ended.

        Raises:
            EngineCallError: it runs, and the engine does not stop it.
        """
        for _ in range(_TRIES):
            try:
                await self.call("POST", f"/containers/{container}/pause")
                return True
            except EngineCallError as refusal:
                last = refusal
            # its end may not have been noted yet
            if not await self.runs(container):
                return False
            await asyncio.sleep(_AGAIN_S)
        raise last

    async def runs(self, container: str) -> bool:
        """Return whether a container has not ended; a paused one has not."""
        return bool((await self.inspect(container))["State"]["Running"])

    async def remove(self, container: str) -> None:
        """Kill and remove a container with its anonymous volumes, if it still exists."""
        # 409: "removal already in progress" by another client; it is gone when the answer is 404
        await self._delete(f"/containers/{container}", {"force": "true", "v": "true"}, busy=409)

    async def remove_network(self, network: str) -> None:
        """Remove a network, if it still exists; containers that have just been removed keep it for a moment."""
        # 403: "has active endpoints"
        await self._delete(f"/networks/{network}", busy=403)

    async def _delete(self, path: str, query: Mapping[str, str] | None = None, *, busy: int) -> None:
        """Delete an object, if it exists; try for some seconds while the engine answers with the status ``busy``.

        Raises:
            EngineCallError: the engine refuses for another reason.
        """
        for _ in range(_TRIES):
            try:
                await self.call("DELETE", path, query=query)
                return
            except EngineCallError as problem:
                if problem.status == 404:
                    return
                if problem.status != busy:
                    raise
            await asyncio.sleep(_AGAIN_S)

    async def connect(self, network: str, container: str, aliases: list[str]) -> None:
        """Attach a container to a network under these names."""
        await self.call(
            "POST",
            f"/networks/{network}/connect",
            body={"Container": container, "EndpointConfig": {"Aliases": aliases}},
        )

    async def disconnect(self, network: str, container: str) -> None:
        """Detach a container from a network."""
        await self.call("POST", f"/networks/{network}/disconnect", body={"Container": container, "Force": True})

    async def execute(self, container: str, command: list[str], timeout_s: float) -> tuple[int, str]:
        """Run a command in a container; return its exit code and the end of its output or of the engine's message.

        Raises:
            EngineCallError: the engine refuses it.
            EngineTimeoutError: it did not end in time.
        """
        body = {"Cmd": command, "AttachStdout": True, "AttachStderr": True}
        created = await self.call("POST", f"/containers/{container}/exec", body=body)
        path = f"/exec/{created['Id']}"

        async def run() -> str:
            end = b""
            async with contextlib.aclosing(
                self._frames("POST", f"{path}/start", body={"Detach": False, "Tty": False})
            ) as output:
                async for piece in output:
                    end = (end + piece)[-_LONGEST_END:]
            return " ".join(end.decode("utf-8", "replace").split())

        try:
            output = await asyncio.wait_for(run(), timeout_s)
        except asyncio.TimeoutError:
            raise EngineTimeoutError(f"{command[0]} did not end in {timeout_s:g} s") from None
        record = await self.call("GET", f"{path}/json")
        return int(record["ExitCode"] if record["ExitCode"] is not None else -1), output

    async def logs(self, container: str, query: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Yield a container's output, stdout and stderr in one."""
        parameters = {"stdout": "true", "stderr": "true", **query}
        frames = self._frames("GET", f"/containers/{container}/logs", query=parameters)
        async with contextlib.aclosing(frames) as pieces:
            async for piece in pieces:
                yield piece

    async def _frames(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the output of a program, stdout and stderr in one."""
        rest = b""
        async with contextlib.aclosing(self.stream(method, path, query=query, body=body)) as chunks:
            async for chunk in chunks:
                rest += chunk
                # frames of an 8-byte header (stream, 0, 0, 0, length) and so many bytes
                while len(rest) >= 8 and len(rest) >= 8 + (length := int.from_bytes(rest[4:8], "big")):
                    yield rest[8 : 8 + length]
                    rest = rest[8 + length :]


def _message(refusal: bytes) -> str:
    try:
        return str(json.loads(refusal)["message"])
    except (ValueError, KeyError, TypeError):
        return refusal.decode("utf-8", "replace").strip()
