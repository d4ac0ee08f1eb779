"""A reader who types what a page says into one shell, in a fresh folder."""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from tests.documents.pages import Block, is_printed, steps

_TERMINAL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ENTER = b"Press Enter"
# what would lead the reader's programs to those of the tests, or make a job of a build server of the reader
_OF_TESTS = ("PYTHONPATH", "VIRTUAL_ENV", "PYTEST_", "COV_", "TOX_", "CI")


class Reader:
    """A shell that keeps its folder and its variables from one block to the next.

    Args:
        folder: where the page is begun.
        said: what the page says for things that each reader has elsewhere, and what they are here.
        variables: of the environment, besides those of this process.
        having: what this reader has of :data:`tests.documents.pages.NEEDS`.
        timeout_s: for one block.
    """

    def __init__(
        self,
        folder: Path,
        said: Mapping[str, str],
        variables: Mapping[str, str],
        having: Collection[str] = (),
        timeout_s: float = 900,
    ) -> None:
        self.folder = folder
        self.printed = ""
        self._said = said
        self._having = frozenset(having)
        self._timeout_s = timeout_s
        self._state = folder / ".variables"
        self._state.write_text(f"cd {shlex.quote(str(folder))}\n", "utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OF_TESTS)}
        self._variables = {**kept, **variables}

    def read(self, page: Iterable[Block]) -> list[Block]:
        """Do all that a page says, as far as this reader has what it needs; return what was done.

        Raises:
            AssertionError: a command ends with another status than the page says, or does not print what it shows.
        """
        done = []
        for block, output in steps(list(page)):
            if not block.needs <= self._having:
                continue
            done.append(block)
            if block.file is not None:
                path = self.folder / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self.translate(block.text), "utf-8")
                continue
            status, printed = self.type(block.text, terminal="terminal" in block.needs)
            assert status == block.status, f"{block}: exit status {status}\n{printed}"
            assert output is None or is_printed(output.text, printed), f"{output}: not what was printed:\n{printed}"
        return done

    def type(self, text: str, *, terminal: bool = False) -> tuple[int, str]:
        """Type commands.

        Args:
            text: the commands.
            terminal: whether they have one. Enter is pressed when they ask for it.

        Returns:
            The exit status of the first that fails, and what all have printed.
        """
        state = shlex.quote(str(self._state))
        script = (
            f". {state}\n"
            f'trap \'{{ export -p; echo cd "$(printf %q "$PWD")"; }} > {state}\' EXIT\n{self.translate(text)}'
        )
        command = ["bash", "-eo", "pipefail", "-c", script]
        status, printed = self._on_terminal(command) if terminal else self._piped(command)
        last = self._state.read_text("utf-8").splitlines()[-1]
        self.folder = Path(shlex.split(last)[1])
        printed = _TERMINAL.sub("", printed).replace("\r\n", "\n").replace("\r", "\n")
        self.printed += printed
        return status, printed

    def translate(self, text: str) -> str:
        """Return a text with what this reader has in place of what the page says."""
        for word, here in self._said.items():
            text = text.replace(word, here)
        return text

    def _piped(self, command: list[str]) -> tuple[int, str]:
        done = subprocess.run(
            command,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=self._timeout_s,
            check=False,
        )
        return done.returncode, done.stdout

    def _on_terminal(self, command: list[str]) -> tuple[int, str]:
        # a service of continuous integration has no reader before a terminal
        variables = {name: value for name, value in self._variables.items() if name != "CI"}
        ours, theirs = os.openpty()
        with subprocess.Popen(
            command, env=variables, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        ) as child:
            os.close(theirs)
            deadline = time.monotonic() + self._timeout_s
            printed, asked = b"", 0
            try:
                while time.monotonic() < deadline:
                    if not select.select([ours], [], [], 1.0)[0]:
                        continue
                    try:
                        printed += os.read(ours, 65536)
                    except OSError:  # the last program has closed the terminal
                        break
                    if printed.count(_ENTER) > asked:
                        asked += 1
                        os.write(ours, b"\n")
                else:
                    os.killpg(child.pid, signal.SIGKILL)
                    raise AssertionError(f"no end within {self._timeout_s} s:\n{printed.decode(errors='replace')}")
            finally:
                os.close(ours)
        return child.returncode, printed.decode(errors="replace")
