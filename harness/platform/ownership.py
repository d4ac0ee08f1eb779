"""Whose is what: the ledger of environments, and the removal of those that nobody wants any more.

One file for each environment, written before anything of it is created and readable by the user only, since it
holds the environment's secrets. What the ledger does not know is found by labels on the engine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import EngineError, NotRemovedError
from harness.kube import ApiError, KubeApi
from harness.settings import Settings

_LOG = logging.getLogger("harness.ownership")
_FOLDER = "environments"
_SHUTDOWN_S = 60.0


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
    path = _path(settings, entry.id)
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
    return _read(_path(settings, environment_id))


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
    _path(settings, environment_id).unlink(missing_ok=True)


def alive(entry: Entry) -> bool:
    """Whether the owner still runs. An owner on another host (or in another container) counts as running."""
    pid, _, host = entry.owner.partition("@")
    if host != socket.gethostname():
        return True
    return _start_of(int(pid)) == entry.owner_start if entry.owner_start else _exists(int(pid))


def down(settings: Settings) -> list[str]:
    """End the environments that were left running; their ids."""
    ended = [entry.id for entry in entries(settings) if entry.kept]
    for environment_id in ended:
        _remove(settings, environment_id)
    return ended


def tidy(settings: Settings) -> list[str]:
    """Remove what is left of this user's environments whose owner died; their ids."""
    removed = []
    for entry in entries(settings):
        if entry.kept or alive(entry):
            continue
        try:
            _remove(settings, entry.id)
        except NotRemovedError as error:
            # it stays in the ledger and is tried again; what is to start now does not need it gone
            _LOG.warning("%s", error)
        else:
            removed.append(entry.id)
    return removed


def prune(settings: Settings) -> list[str]:
    """Remove what is left of environments whose owner is gone, and of kept ones that do not work any more.

    Returns:
        The ids of the environments of which something was removed.

    Raises:
        EngineError: the engine cannot be asked.
    """
    removed = tidy(settings)
    for entry in entries(settings):
        if entry.kept and not _answers(settings, entry):
            _remove(settings, entry.id)
            removed.append(entry.id)
    return removed + _prune_orphans(settings)


def _prune_orphans(settings: Settings) -> list[str]:
    """Remove what carries our labels, is in no ledger, and has neither a control plane nor an owner."""
    from harness.cluster.docker import leftovers
    from harness.cluster.docker.engine import connect
    from harness.cluster.kind import leftovers as kind_leftovers

    removed = []
    with contextlib.closing(connect()) as client:
        known = {entry.id for entry in entries(settings)}
        kind = kind_leftovers.find(client)
        for environment_id, cluster in kind.items():
            if environment_id not in known and not _somebodys(Path(cluster.ledger), environment_id, cluster.owner):
                kind_leftovers.remove(client, settings, environment_id)
                removed.append(environment_id)
        for environment_id, leftover in leftovers.find(client).items():
            # a control plane that runs looks after itself, also for another user's ledger
            if environment_id in known or environment_id in kind or leftover.control_plane:
                continue
            if not alive(Entry(environment_id, "docker", leftover.owner or _nobody(), "")):
                try:
                    leftovers.remove(client, environment_id)
                except NotRemovedError as error:
                    # of nobody's concern here; the others must go all the same
                    _LOG.warning("%s", error)
                else:
                    removed.append(environment_id)
    return removed


def _somebodys(ledger: Path, environment_id: str, owner: str) -> bool:
    """Whether a cluster is in use or kept according to the ledger that it was made with."""
    if alive(Entry(environment_id, "kind", owner or _nobody(), "")):
        return True
    try:
        entry = _read(ledger / _FOLDER / f"{environment_id}.json") if ledger.name else None
    except (OSError, EngineError):
        # another user's, or damaged: not ours to judge
        return True
    return entry is not None and entry.kept


def _nobody() -> str:
    return f"0@{socket.gethostname()}"


def _remove(settings: Settings, environment_id: str) -> None:
    """Remove an environment, by its control plane if that answers and by its labels else."""
    from harness.cluster.docker import leftovers
    from harness.cluster.docker.engine import connect
    from harness.cluster.kind import leftovers as kind_leftovers

    entry = find(settings, environment_id)
    if entry and entry.cluster.startswith("context:"):
        from harness.cluster.context.leftovers import remove_entry

        remove_entry(entry)
        forget(settings, environment_id)
        return
    kind = entry is not None and entry.cluster == "kind"
    if entry and entry.url and not kind:
        with contextlib.suppress(ApiError):
            api = KubeApi(entry.url, token=entry.token)
            api.request("POST", "/harness/shutdown", timeout_s=_SHUTDOWN_S)
    with contextlib.closing(connect()) as client:
        if kind:
            kind_leftovers.remove(client, settings, environment_id)
        else:
            leftovers.remove(client, environment_id)
    forget(settings, environment_id)


def _answers(settings: Settings, entry: Entry) -> bool:
    if entry.cluster.startswith("context:"):
        from harness.cluster.context import leftovers

        return leftovers.answers(entry)
    if entry.cluster == "kind":
        from harness.cluster.kind.cluster import answers

        return answers(settings, entry.id)
    try:
        ready = KubeApi(entry.url, token=entry.token).request("GET", "/readyz", timeout_s=10)
    except ApiError:
        return False
    return bool(ready.get("environment") == entry.id)


def _path(settings: Settings, environment_id: str) -> Path:
    return settings.state / _FOLDER / f"{environment_id}.json"


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
