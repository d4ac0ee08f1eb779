"""An OCI runtime that gives up what this machine withholds, then becomes ``runc``.

Where CAP_SYS_RESOURCE is not in the bounding set (many sandboxes), ``runc`` cannot start a privileged container:
its configuration asks for that capability, and for a negative OOM score that only the capability allows. This
program takes both out of the container's configuration. It is called with runc's own command line:
``create``/``run``/``restore`` have ``config.json`` in their ``--bundle`` folder (the working directory by
default), ``exec`` has a file given by ``--process``.

It is copied to the state folder and run alone: standard library only, no import of the harness.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

WITHHELD = "CAP_SYS_RESOURCE"
# runc's options in front of its command that take a value as the next word
_WITH_VALUE = {"--root", "--log", "--log-format", "--criu", "--rootless"}


def configuration_file(arguments: list[str]) -> str | None:
    """Return the path of the file that describes the process to start, None if the command starts none."""
    words = iter(range(len(arguments)))
    command = -1
    for index in words:
        word = arguments[index]
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            command = index
            break
    if command < 0:
        return None
    rest = arguments[command + 1 :]
    if arguments[command] in ("create", "run", "restore"):
        return os.path.join(_option(rest, ("--bundle", "-b")) or os.getcwd(), "config.json")
    if arguments[command] == "exec":
        return _option(rest, ("--process", "-p"))
    return None


def _option(words: list[str], names: tuple[str, ...]) -> str | None:
    for index, word in enumerate(words):
        for name in names:
            if word == name and index + 1 < len(words):
                return words[index + 1]
            if word.startswith(name + "="):
                return word[len(name) + 1 :]
    return None


def reduce_rights(document: dict[str, Any]) -> dict[str, Any]:
    """Remove withheld capabilities from a configuration (of a container, or of one process) in place, and return it."""
    inner = document.get("process")
    process: dict[str, Any] = inner if isinstance(inner, dict) else document
    capabilities = process.get("capabilities") or {}
    for kind, names in capabilities.items():
        if isinstance(names, list):
            capabilities[kind] = [name for name in names if name != WITHHELD]
    if isinstance(process.get("oomScoreAdj"), int) and process["oomScoreAdj"] < 0:
        process["oomScoreAdj"] = 0
    return document


def main() -> None:
    """Reduce the configuration, then replace this process by runc with the same arguments."""
    path = configuration_file(sys.argv[1:])
    if path and os.path.isfile(path):
        with open(path, encoding="utf-8") as stream:
            document = json.load(stream)
        text = json.dumps(reduce_rights(document))
        # the same file and not a new one in its place: the engine may hold it open
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    os.execvp("runc", ["runc", *sys.argv[1:]])


if __name__ == "__main__":
    main()
