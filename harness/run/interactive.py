"""Steps of a run that wait for their author: announced on the terminal, completed with Enter, refused without one."""

from __future__ import annotations

import base64
import binascii
import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from harness.common.redaction import REDACTOR
from harness.errors import PlatformError
from harness.kube import ApiError
from harness.run.follow import Listener
from harness.run.ports import ClusterPort
from harness.wire import interactive as wire
from harness.wire.fields import Json

_CI = ("CI", "CONTINUOUS_INTEGRATION")


class Author(Protocol):
    """Completes steps."""

    def say(self, text: str) -> None: ...

    def is_done(self) -> bool:
        """Return whether the step that was announced last has been completed; returns at once."""
        ...


class Terminal:
    """The terminal that this process was started from, also where standard input and output lead elsewhere."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def say(self, text: str) -> None:
        """Write lines."""
        os.write(self._descriptor, ("\r\n" + text.replace("\n", "\r\n") + "\r\n").encode())

    def is_done(self) -> bool:
        """Return whether Enter was pressed."""
        ready, _, _ = select.select([self._descriptor], [], [], 0)
        return bool(ready) and b"\n" in os.read(self._descriptor, 4096)


def find_author(environ: Mapping[str, str] = os.environ) -> tuple[Author | None, str]:
    """Return the author's terminal, or ``None`` and the reason why interactive steps cannot be completed."""
    for name in _CI:
        if environ.get(name, "").lower() not in {"", "0", "false"}:
            return None, f"the run has no interactive terminal: {name} is set"
    if "PYTEST_XDIST_WORKER" in environ:
        return None, "the run has no interactive terminal: it is one of several pytest processes (xdist)"
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None, "the run has no interactive terminal: /dev/tty cannot be opened"
    if os.tcgetpgrp(descriptor) != os.getpgrp():
        os.close(descriptor)
        # reading from the terminal would stop this process
        return None, "the run has no interactive terminal: the process is in the background"
    return Terminal(descriptor), ""


class Attendant:
    """A listener that also handles the interactive steps of one workflow, in every second without news.

    Args:
        cluster: where the steps are.
        run_ids: DAG runs of the workflow.
        listener: gets everything that happens.
        author: returns the author's terminal, called at the first step; by default :func:`find_author`.
    """

    def __init__(
        self,
        cluster: ClusterPort,
        run_ids: Sequence[str],
        listener: Listener,
        author: Callable[[], tuple[Author | None, str]] | None = None,
    ) -> None:
        self._cluster = cluster
        self._run_ids = frozenset(run_ids)
        self._listener = listener
        self._find_author = author or (lambda: find_author())
        self._author: Author | None = None
        self._open: dict[tuple[str, str], float] = {}
        self._told: set[tuple[str, str]] = set()
        self._passwords: dict[tuple[str, str], str] = {}
        self._paused_s = 0.0

    @property
    def paused_s(self) -> float:
        """Seconds that steps waited for the author; the run's deadline does not count them."""
        return self._paused_s + sum(time.monotonic() - since for since in self._open.values())

    def task(self, task_id: str, state: str, seconds: float | None, attempt: int) -> None:
        """Pass it on."""
        self._listener.task(task_id, state, seconds, attempt)

    def say(self, text: str) -> None:
        """Pass it on."""
        self._listener.say(text)

    def tick(self, running: list[str]) -> None:
        """Look for steps."""
        try:
            found = self._cluster.api.list("ConfigMap", labels={wire.LABEL_STEP: "true"})
        except ApiError:
            return  # the run itself reports a lost cluster
        steps = {}
        for item in found:
            step = wire.Step.from_configmap(item)
            if step is not None and step.run_id in self._run_ids:
                steps[_key(item)] = (step, item["data"])
        for key in list(self._open):
            if key not in steps:
                self._close(key)
        for key, (step, data) in steps.items():
            self._look(key, step, data)
        if not self._open:
            self._listener.tick(running)

    def _look(self, key: tuple[str, str], step: wire.Step, data: Mapping[str, str]) -> None:
        if data.get(wire.ANSWER):
            return
        if not data.get(wire.ATTENDED):
            self._author, why_not = self._find_author()
            if self._author is None:
                self._write(key, {wire.ANSWER: wire.REFUSED, wire.REASON: why_not})
                return
            # from here on the container may print its environment
            self._passwords[key] = self._read_password(key)
            self._write(key, {wire.ATTENDED: "terminal"})
            self._open[key] = time.monotonic()
        elif self._author is not None and data.get(wire.TOOL) and key not in self._told:
            self._told.add(key)
            # ignore earlier input
            self._author.is_done()
            self._author.say(self._invitation(step, data[wire.TOOL], self._passwords.get(key, "")))
        elif self._author is not None and key in self._told and self._author.is_done():
            self._write(key, {wire.ANSWER: wire.COMPLETED})
            self._close(key)

    def _read_password(self, key: tuple[str, str]) -> str:
        """Read the editor's password, which only the author's terminal shows."""
        try:
            encoded = self._cluster.api.get("Secret", *key)["data"][wire.PASSWORD]
            password = base64.b64decode(encoded).decode("ascii")
        except (ApiError, KeyError, TypeError, binascii.Error, UnicodeDecodeError) as error:
            raise PlatformError(
                f"the interactive step {key[1]} has no password", last_seen=f"{type(error).__name__}: {error}"
            ) from None
        REDACTOR.add(password)
        return password

    def _invitation(self, step: wire.Step, tool: str, password: str) -> str:
        lines = [f"{step.task_id} is an interactive step ({step.what}) and waits for you."]
        if tool == wire.CODE_SERVER:
            try:
                host, port = self._cluster.address(step.namespace, step.service, wire.STEP_PORT)
                lines.append(f"  editor  http://{host}:{port}/?folder={wire.WORKSPACE}  password {password}")
            except PlatformError as error:
                lines.append(f"  editor  cannot be reached: {error}")
        else:
            lines.append("  editor  the image has no code-server; here is a shell in it instead")
        lines.append(f"  shell   {self._cluster.shell(step.namespace, step.pod)}")
        lines.append(f"  data    {step.folder} ($WORKFLOW_DIR); the image's own command was not run")
        lines.append("Press Enter here when you are done, and the run continues; Ctrl-C ends it.")
        return "\n".join(lines)

    def _write(self, key: tuple[str, str], data: dict[str, Any]) -> None:
        namespace, name = key
        try:
            self._cluster.api.patch("ConfigMap", namespace, name, {"data": data})
        except ApiError as error:
            if error.status != 404:
                raise PlatformError(f"the interactive step {name} cannot be answered", last_seen=str(error)) from None

    def _close(self, key: tuple[str, str]) -> None:
        since = self._open.pop(key, None)
        if since is not None:
            self._paused_s += time.monotonic() - since


def _key(item: Json) -> tuple[str, str]:
    return str(item["metadata"]["namespace"]), str(item["metadata"]["name"])
