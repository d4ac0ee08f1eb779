"""What the services have acknowledged, on disk before they answer: tables of JSON values in one SQLite file.

All values are held in memory too; reading never touches the file. A transaction that cannot be written leaves both
as they were.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_MISSING: Any = object()


class StorageError(Exception):
    """A change could not be written, e.g. on a full disk, and has no effect."""


class Records:
    """The tables of one environment. Safe to use from several threads.

    Args:
        path: the file, made where it is missing; ``None`` keeps everything in memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        self._undo: list[Callable[[], None]] = []
        self._connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        # one process: without the shared memory beside the file, and one flush of the log for each commit
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS records (number INTEGER PRIMARY KEY, "
            "kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (kind, name))"
        )
        if path is not None:
            path.chmod(0o600)

    def close(self) -> None:
        """Close the file; everything is in it already."""
        with self.lock:
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all changes of the block at once, or none of them; blocks within blocks belong to the outermost.

        Raises:
            StorageError: they cannot be written.
        """
        with self.lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._execute("BEGIN IMMEDIATE")
                yield
                if self._depth == 1:
                    self._execute("COMMIT")
                    self._undo.clear()
            except BaseException:
                if self._depth == 1:
                    self._roll_back()
                raise
            finally:
                self._depth -= 1

    def _roll_back(self) -> None:
        for step in reversed(self._undo):
            step()
        self._undo.clear()
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _execute(self, statement: str, values: tuple[str, ...] = ()) -> None:
        try:
            self._connection.execute(statement, values)
        except (sqlite3.Error, UnicodeError) as problem:
            raise StorageError(f"the services' records cannot be written: {problem}") from None

    # -- for Table ---------------------------------------------------------------------------------------

    def read(self, kind: str) -> list[tuple[str, Any]]:
        """Return names and values of a table, oldest first."""
        with self.lock:
            rows = self._connection.execute("SELECT name, body FROM records WHERE kind = ? ORDER BY number", (kind,))
            return [(name, json.loads(body)) for name, body in rows]

    def write(self, kind: str, name: str, body: Any, undo: Callable[[], None]) -> None:
        """Write one row within a transaction; ``undo`` takes the change back in memory."""
        self._undo.append(undo)
        self._execute(
            "INSERT INTO records (kind, name, body) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body",
            (kind, name, json.dumps(body)),
        )

    def delete(self, kind: str, name: str, undo: Callable[[], None]) -> None:
        """Delete one row within a transaction; ``undo`` takes the change back in memory."""
        self._undo.append(undo)
        self._execute("DELETE FROM records WHERE kind = ? AND name = ?", (kind, name))


def _identity(value: Any) -> Any:
    return value


class RecordTable(Generic[T]):
    """Values by name, in the order of insertion. Callers must not change inserted values.

    Args:
        records: where they are kept.
        kind: name of the table.
        encode, decode: a value to what JSON can say, and back.
    """

    def __init__(
        self,
        records: Records,
        kind: str,
        encode: Callable[[T], Any] = _identity,
        decode: Callable[[Any], T] = _identity,
    ) -> None:
        self._records = records
        self._kind = kind
        self._encode = encode
        self._items: dict[str, T] = {name: decode(body) for name, body in records.read(kind)}

    def __contains__(self, name: str) -> bool:
        return name in self._items

    def __len__(self) -> int:
        return len(self._items)

    def get(self, name: str) -> T | None:
        """Return a value, ``None`` for a name that is not there."""
        with self._records.lock:
            return self._items.get(name)

    def items(self) -> list[tuple[str, T]]:
        """Return all names with their values."""
        with self._records.lock:
            return list(self._items.items())

    def values(self) -> list[T]:
        """Return all values."""
        with self._records.lock:
            return list(self._items.values())

    def put(self, name: str, value: T) -> None:
        """Set a value; it is on disk on return, or when the transaction around this ends.

        Raises:
            StorageError: it cannot be written.
        """
        with self._records.transaction():
            old = self._items.get(name, _MISSING)
            self._items[name] = value
            self._records.write(self._kind, name, self._encode(value), lambda: self._restore(name, old))

    def remove(self, name: str) -> T | None:
        """Remove a value and return it; ``None`` for a name that is not there.

        Raises:
            StorageError: the change cannot be written.
        """
        with self._records.transaction():
            if name not in self._items:
                return None
            old = self._items.pop(name)
            self._records.delete(self._kind, name, lambda: self._restore(name, old))
            return old

    def clear(self) -> None:
        """Remove all values."""
        with self._records.transaction():
            for name in list(self._items):
                self.remove(name)

    def _restore(self, name: str, old: Any) -> None:
        if old is _MISSING:
            self._items.pop(name, None)
        else:
            self._items[name] = old
