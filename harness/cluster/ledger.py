"""The ledger of environments: whose is what.

One file for each environment, written before anything of it is created and readable by the user only, since it
holds the environment's secrets.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import EngineError
from harness.settings import Settings

_FOLDER = "environments"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One environment.

    Attributes:
        id: its id.
        cluster: ``docker``, ``kind`` or ``context:NAME``.
        owner: ``<pid>@<host>`` of the process that made it.
        owner_start: when that process started, in the kernel's ticks (process ids are used again); 0: not known.
        started: ISO 8601.
        kept: it stays when its owner ends.
        url: of its API; empty until it is up.
        token: for the API.
        kubeconfig: file that has the context of ``context:NAME``.
        key: hash of everything that must be equal for an adoption.
        secrets: credentials of the platform in it.
    """

    id: str
    cluster: str
    owner: str
    started: str
    owner_start: int = 0
    kept: bool = False
    url: str = ""
    token: str = ""
    kubeconfig: str = ""
    key: str = ""
    secrets: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        state = "kept" if self.kept else "in use" if alive(self) else "left behind"
        return f"{self.id}  {self.cluster}  {state}  owner {self.owner}  since {self.started}"


def new_entry(environment_id: str, cluster: str, **fields: str) -> Entry:
    """An entry of this process; ``fields`` are further ones that are known already."""
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    pid = os.getpid()
    owner = f"{pid}@{socket.gethostname()}"
    return dataclasses.replace(Entry(environment_id, cluster, owner, started, _start_of(pid)), **fields)  # type: ignore[arg-type]


def record(settings: Settings, entry: Entry) -> None:
    """Write an entry, whole or not at all."""
    path = _path(settings.state, entry.id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(entry), file, indent=1)
    partial.replace(path)


@contextlib.contextmanager
def recorded(settings: Settings, entry: Entry, remove: Callable[[], object]) -> Iterator[None]:
    """Write an entry before anything exists that somebody would have to remove; if the block fails, all of it goes.

    Args:
        remove: takes away what the block has made. When it fails the entry stays, and with it the next attempt.
    """
    record(settings, entry)
    try:
        yield
    except BaseException:
        remove()
        forget(settings, entry.id)
        raise


def update(settings: Settings, environment_id: str, **changes: Any) -> Entry:
    """Change fields of an entry.

    Raises:
        KeyError: the ledger has no such environment.
    """
    entry = find(settings, environment_id)
    if entry is None:
        raise KeyError(environment_id)
    entry = dataclasses.replace(entry, **changes)
    record(settings, entry)
    return entry


def find(settings: Settings, environment_id: str) -> Entry | None:
    """One entry, or ``None``."""
    return find_in(settings.state, environment_id)


def find_in(state: Path, environment_id: str) -> Entry | None:
    """One entry of the ledger in another state folder, or ``None``.

    Raises:
        OSError, EngineError: it cannot be read.
    """
    return _read(_path(state, environment_id))


def entries(settings: Settings) -> list[Entry]:
    """All environments of this user, oldest first."""
    paths = (settings.state / _FOLDER).glob("*.json")
    found = [entry for path in paths if (entry := _read(path)) is not None]
    return sorted(found, key=lambda entry: (entry.started, entry.id))


def adoptable(settings: Settings, key: str) -> list[Entry]:
    """Environments that were left running for adoption and were made from the same settings, newest first."""
    return [entry for entry in reversed(entries(settings)) if entry.kept and entry.key == key]


def forget(settings: Settings, environment_id: str) -> None:
    """Remove an entry; nothing if there is none."""
    _path(settings.state, environment_id).unlink(missing_ok=True)


def alive(entry: Entry) -> bool:
    """Whether the owner still runs. An owner on another host (or in another container) counts as running."""
    pid, _, host = entry.owner.partition("@")
    if host != socket.gethostname():
        return True
    return _start_of(int(pid)) == entry.owner_start if entry.owner_start else _exists(int(pid))


def _path(state: Path, environment_id: str) -> Path:
    return state / _FOLDER / f"{environment_id}.json"


def _read(path: Path) -> Entry | None:
    try:
        values = json.loads(path.read_text("utf-8"))
        known = {field.name for field in dataclasses.fields(Entry)}
        return Entry(**{name: value for name, value in values.items() if name in known})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        raise EngineError(
            f"the ledger's file {path} cannot be read: {error}",
            fix="remove it; what belongs to it is then found by `kaapana-harness prune`",
        ) from None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0


def _start_of(pid: int) -> int:
    """When a process started, in ticks since the machine did; 0 when it does not run or the system does not say."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    # the second field, the program's name, may contain blanks and parentheses
    fields = text.rpartition(")")[2].split()
    # a zombie does not own anything any more
    return 0 if fields[0] == "Z" else int(fields[19])
