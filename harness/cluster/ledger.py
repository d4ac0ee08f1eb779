"""The ledger of environments: which process owns which environment.

An entry is written before anything of its environment is created. The file is readable by the user only, since it
holds the environments' secrets.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.cluster import ledger_file
from harness.errors import EngineError, PlatformError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}")
_OWNER = re.compile(r"\d{1,9}@.*", re.DOTALL)


class ForgottenError(PlatformError, KeyError):
    """The ledger has no such environment, or not any more."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One environment.

    Attributes:
        id: its id.
        cluster: ``docker``, ``kind`` or ``context:NAME``; empty for a helper that needs none.
        owner: ``<pid>@<host>`` of the process that made it.
        owner_start: when that process started, in the kernel's ticks (process ids are used again); 0: not known.
        started: ISO 8601.
        kept: it stays when its owner ends.
        url: of its API; empty until it is up.
        token: for the API.
        kubeconfig: file that has the context of ``context:NAME``.
        key: hash of everything that must be equal for an adoption.
        platform: name of the profile of its platform; empty until it is up.
        secrets: credentials of the platform in it.
    """

    id: str
    cluster: str
    owner: str
    started: str
    owner_start: int = 0
    kept: bool = False
    url: str = ""
    token: str = dataclasses.field(default="", repr=False)
    kubeconfig: str = ""
    key: str = ""
    platform: str = ""
    secrets: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        state = "kept" if self.kept else "in use" if is_alive(self) else "left behind"
        return f"{self.id}  {self.cluster or 'no cluster'}  {state}  owner {self.owner}  since {self.started}"


def new_entry(environment_id: str, cluster: str, **fields: str) -> Entry:
    """Return an entry of this process; ``fields`` are further ones that are known already."""
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    pid = os.getpid()
    owner = f"{pid}@{socket.gethostname()}"
    return dataclasses.replace(Entry(environment_id, cluster, owner, started, _read_start(pid)), **fields)  # type: ignore[arg-type]


def record(state: Path, entry: Entry) -> None:
    """Write an entry, whole or not at all."""
    with ledger_file.transaction(state, _parse) as table:
        table.write(entry.id, _format(entry))


@contextlib.contextmanager
def record_while(state: Path, entry: Entry, remove: Callable[[], object]) -> Iterator[None]:
    """Write an entry before the block makes anything; if the block fails, remove everything.

    Args:
        remove: removes the block's objects. If it fails, the entry stays for another attempt.
    """
    record(state, entry)
    try:
        yield
    except BaseException:
        remove()
        forget(state, entry.id)
        raise


def update(state: Path, environment_id: str, **changes: Any) -> Entry:
    """Change fields of an entry.

    Raises:
        ForgottenError: the ledger has no such environment; it is a KeyError too.
        EngineError: its entry is damaged.
    """
    with ledger_file.transaction(state, _parse) as table:
        text = table.read(environment_id)
        if text is None:
            raise ForgottenError(
                f"environment {environment_id} is not in the ledger: another process has removed it",
                fix="`kaapana-harness status` lists what is there",
            )
        try:
            entry = dataclasses.replace(_parse(environment_id, text), **changes)
        except ValueError as error:
            raise EngineError(f"the ledger's entry {environment_id} cannot be read: {error}") from None
        table.write(environment_id, _format(entry))
    return entry


def find(state: Path, environment_id: str) -> Entry | None:
    """Return one entry, or ``None``."""
    return next((entry for entry in read_entries(state) if entry.id == environment_id), None)


def find_in(state: Path, environment_id: str) -> Entry | None:
    """Return one entry of the ledger in another state folder, or ``None``; nothing is changed there.

    Raises:
        OSError, EngineError: it cannot be read.
    """
    text = ledger_file.read_in(state, environment_id)
    try:
        return None if text is None else _parse(environment_id, text)
    except ValueError as error:
        raise EngineError(f"the entry {environment_id} of the ledger in {state} cannot be read: {error}") from None


def read_entries(state: Path) -> list[Entry]:
    """Return all environments of this user, oldest first; an entry that cannot be read is set aside."""
    found = []
    with ledger_file.transaction(state, _parse) as table:
        for environment_id, text in table.read_all().items():
            try:
                found.append(_parse(environment_id, text))
            except ValueError as error:
                table.set_aside(environment_id, str(error))
    return sorted(found, key=lambda entry: (entry.started, entry.id))


def find_adoptable(state: Path, key: str) -> list[Entry]:
    """Return environments that were left running for adoption and were made from the same state, newest first."""
    return [entry for entry in reversed(read_entries(state)) if entry.kept and entry.key == key]


def forget(state: Path, environment_id: str) -> None:
    """Remove an entry, if it exists."""
    with ledger_file.transaction(state, _parse) as table:
        table.remove(environment_id)


def is_alive(entry: Entry) -> bool:
    """Return whether the owner of an environment still runs, see :func:`is_owner_alive`."""
    return is_owner_alive(entry.owner, entry.owner_start)


def is_owner_alive(owner: str, started: int = 0) -> bool:
    """Return whether a process still runs. One on another host (or in another container) counts as running.

    Args:
        owner: ``<pid>@<host>``; empty if unknown.
        started: when it started, see :class:`Entry`.
    """
    pid, _, host = owner.partition("@")
    if not pid:
        return False
    if host != socket.gethostname():
        return True
    return _read_start(int(pid)) == started if started else _exists(int(pid))


def _format(entry: Entry) -> str:
    return json.dumps(dataclasses.asdict(entry), indent=1)


def _parse(environment_id: str, text: str) -> Entry:
    """Return the entry that :func:`_format` wrote, also an older version of it.

    Raises:
        ValueError: the text is not an entry.
    """
    try:
        document = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("it is not an object")
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Entry):
        if field.name not in document:
            continue
        value = document[field.name]
        wanted = {"owner_start": int, "kept": bool, "secrets": dict}.get(field.name, str)
        if type(value) is not wanted:
            raise ValueError(f"{field.name} is not of the type {wanted.__name__}")
        values[field.name] = value
    if not all(isinstance(secret, str) for secret in values.get("secrets", {}).values()):
        raise ValueError("secrets are not texts")
    try:
        entry = Entry(**values)
    except TypeError:
        raise ValueError("fields are missing") from None
    if not _ID.fullmatch(entry.id) or entry.id != environment_id:
        raise ValueError(f"it is the entry of {entry.id!r}")
    if not _OWNER.fullmatch(entry.owner):
        raise ValueError(f"the owner {entry.owner!r} is not <pid>@<host>")
    return entry


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0


def _read_start(pid: int) -> int:
    """Return when a process started, in ticks since the machine did; 0 when it does not run or that is not known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    # the second field, the program's name, may contain blanks and parentheses
    fields = text.rpartition(")")[2].split()
    # a zombie does not own anything any more
    return 0 if fields[0] == "Z" else int(fields[19])
