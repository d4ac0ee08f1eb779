"""The ledger's file: a table of texts by id in SQLite, with atomic changes.

It has SQLite's default journal (a write-ahead log does not work on network homes). What cannot be read is set aside
under another name, and the ledger continues without it.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from harness.common.locking import hold_lock
from harness.errors import EngineError, PlatformError
from harness.settings.variables import STATE_DIR

NAME: Final = "ledger.sqlite"
OLD_FOLDER: Final = "environments"
"""Where the first versions kept one JSON file for each environment."""

_LOG = logging.getLogger("harness.ledger")
_LOCK: Final = "ledger.lock"
_APPLICATION: Final = 0x6B6C6467
_VERSION: Final = 1
_WAIT_S: Final = 60.0


class _ForeignError(Exception):
    """The file is not a ledger, or a damaged one."""


class LedgerTable:
    """The entries within one transaction.

    Args:
        connection: within a transaction.
        state: the ledger's folder.
    """

    def __init__(self, connection: sqlite3.Connection, state: Path) -> None:
        self._connection = connection
        self._state = state

    def read(self, environment_id: str) -> str | None:
        """Return an entry's text, or ``None``."""
        row = self._connection.execute("SELECT entry FROM environments WHERE id = ?", (environment_id,)).fetchone()
        return None if row is None else _text(row[0])

    def read_all(self) -> dict[str, str]:
        """Return all texts by id."""
        rows = self._connection.execute("SELECT id, entry FROM environments").fetchall()
        return {str(environment_id): _text(entry) for environment_id, entry in rows}

    def write(self, environment_id: str, text: str) -> None:
        """Write an entry, instead of one with the same id."""
        self._connection.execute("INSERT OR REPLACE INTO environments VALUES (?, ?)", (environment_id, text))

    def remove(self, environment_id: str) -> None:
        """Remove an entry, if it exists."""
        self._connection.execute("DELETE FROM environments WHERE id = ?", (environment_id,))

    def set_aside(self, environment_id: str, why: str) -> None:
        """Move an entry that cannot be read out of the ledger, into a file of its own."""
        text = self.read(environment_id) or ""
        target = _find_unused_path(self._state, environment_id, ".json")
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        self.remove(environment_id)
        _say(f"the ledger's entry {environment_id!r}", why, target)


@contextlib.contextmanager
def transaction(state: Path, check: Callable[[str, str], object]) -> Iterator[LedgerTable]:
    """Give the ledger to one caller after the other; what a block changes stays if it ends without an exception.

    Args:
        state: the ledger's folder.
        check: gets id and text of entries of older versions; raises ValueError for what is not an entry.

    Raises:
        PlatformError: the folder cannot be written, or another process does not give the ledger back.
    """
    path = state / NAME
    try:
        # one after the other: a process that found a damaged file must not set aside its good replacement
        with hold_lock(state / _LOCK, timeout_s=_WAIT_S, purpose="the ledger of environments"):
            try:
                connection = _open(path)
            except _ForeignError as error:
                _set_file_aside(path, str(error))
                connection = _open(path)
            with contextlib.closing(connection):
                _take_over(connection, state, check)
                connection.execute("BEGIN IMMEDIATE")
                yield LedgerTable(connection, state)
                connection.execute("COMMIT")
    except (sqlite3.Error, OSError, _ForeignError) as error:
        raise PlatformError(
            f"the ledger of environments {path} cannot be used: {error}",
            fix=f"make its folder writable and free disk space, or choose another folder: {STATE_DIR.name}",
        ) from None


def read_in(state: Path, environment_id: str) -> str | None:
    """Return the text of an entry in a folder that may be another user's, or ``None``; nothing is changed there.

    Raises:
        OSError, EngineError: it cannot be read.
    """
    path, old = state / NAME, state / OLD_FOLDER / f"{environment_id}.json"
    if path.is_file():
        try:
            uri = f"{path.absolute().as_uri()}?mode=rw"
            with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_S)) as connection:
                found = LedgerTable(connection, state).read(environment_id)
        except sqlite3.Error as error:
            raise EngineError(f"the ledger of environments {path} cannot be read: {error}") from None
        if found is not None:
            return found
    return old.read_text("utf-8", "replace") if old.is_file() else None


def _open(path: Path) -> sqlite3.Connection:
    """Open the file, made on demand and readable by the user only.

    Raises:
        _ForeignError: it is not a ledger.
    """
    if os.path.lexists(path) and not path.is_file():
        raise _ForeignError("it is not a file")
    # SQLite gives its journal the permissions of the database
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        # problems of the disk or of rights are an OperationalError
        if type(error) is not sqlite3.DatabaseError:
            raise
        raise _ForeignError(str(error)) from None
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the table in a new file, and refuse a foreign file before changing it."""
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    [tables] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    new = (application, version, tables) == (0, 0, 0)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(environments)")]
    if not new and (application, version, columns) != (_APPLICATION, _VERSION, ["id", "entry"]):
        raise _ForeignError("it is a database of another program or of another version")
    [problem] = connection.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        raise _ForeignError(str(problem))
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = EXTRA")
    # secrets of a forgotten environment do not stay in free pages
    connection.execute("PRAGMA secure_delete = ON")
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    if new:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE environments (id TEXT PRIMARY KEY NOT NULL, entry TEXT NOT NULL)")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    elif os.path.lexists(_journal(path)):
        # left by a killed writer before it was of use, so nothing was rolled back: the next change removes it
        connection.execute(f"PRAGMA user_version = {_VERSION}")


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _take_over(connection: sqlite3.Connection, state: Path, check: Callable[[str, str], object]) -> None:
    """Move what an older version left into the table.

    A file goes only after its entry is on disk; since this comes before everything else, an entry that is forgotten
    has no file any more that could bring it back.
    """
    folder = state / OLD_FOLDER
    if not folder.is_dir() or folder.is_symlink():
        return
    for path in sorted(folder.glob("*.json")):
        try:
            if not path.is_file():
                raise ValueError("it is not a file")
            text = path.read_text("utf-8")
            check(path.stem, text)
        except ValueError as error:
            target = _find_unused_path(state, path.stem, path.suffix)
            path.rename(target)
            _say(f"the ledger's file {path}", str(error), target)
            continue
        connection.execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", (path.stem, text))
        path.unlink()
    for path in folder.glob("*.partial"):
        if not _writes(path):
            path.unlink(missing_ok=True)
    # an older version that still runs may write there
    with contextlib.suppress(OSError):
        folder.rmdir()


def _writes(partial: Path) -> bool:
    """Return whether the process that began ``<id>.<pid>.partial`` still runs."""
    pid = partial.stem.rpartition(".")[2]
    return pid.isdecimal() and Path("/proc", pid).exists()


def _set_file_aside(path: Path, why: str) -> None:
    target = _find_unused_path(path.parent, "", path.suffix)
    # the journal goes first: left alone it would be rolled back into the next database of this name
    for end in ("-journal", "-wal", "-shm", ""):
        if os.path.lexists(f"{path}{end}"):
            os.rename(f"{path}{end}", f"{target}{end}")
    _say(f"the ledger of environments {path}", why, target)


def _find_unused_path(state: Path, name: str, suffix: str) -> Path:
    """Return an unused path for a file to set aside."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)[:64]
    return state / f"ledger.set-aside-{plain}{'-' if plain else ''}{now}{suffix}"


def _say(what: str, why: str, target: Path) -> None:
    _LOG.warning(
        "%s cannot be read (%s); it is set aside as %s, and `kaapana-harness prune` removes what belonged to it",
        what,
        why,
        target,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
