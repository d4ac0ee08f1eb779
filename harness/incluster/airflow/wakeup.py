# mypy: disable-error-code="import-not-found,import-untyped"
"""Wake the scheduler's loop when there is something to do, so that it may sleep longer when there is not.

Two events matter: a task has ended (SIGCHLD), and a run was triggered or aborted (PostgreSQL's NOTIFY).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import SimpleNamespace
from typing import Any, Final

CHANNEL: Final = "harness_wake"


def notify(session: Any) -> None:
    """Wake the scheduler once the session's transaction is committed; without effect on other databases."""
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy import text

        session.execute(text(f"NOTIFY {CHANNEL}"))


class Alarm:
    """A sleep that ends early. Made once, in the main thread of the scheduler."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn.replace("postgresql+psycopg2://", "postgresql://", 1)
        self._connection: Any = None
        self._reader, writer = os.pipe()
        for end in (self._reader, writer):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds``, or until a child ends or a notification arrives."""
        if seconds <= 0:
            return
        sources = [self._reader]
        connection = self._listen()
        if connection is not None:
            sources.append(connection)
        ready, _, _ = select.select(sources, [], [], seconds)
        if self._reader in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._reader, 4096)
        if connection is not None and connection in ready:
            self._drain(connection)

    def _listen(self) -> Any:
        if self._connection is None and self._dsn.startswith("postgresql://"):
            import psycopg2

            try:
                connection = psycopg2.connect(self._dsn)
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(f"LISTEN {CHANNEL}")
            except psycopg2.Error:
                return None  # the loop itself will complain about its database
            self._connection = connection
        return self._connection

    def _drain(self, connection: Any) -> None:
        import psycopg2

        try:
            connection.poll()
        except psycopg2.Error:
            self._connection = None
        connection.notifies.clear()


def install(dsn: str) -> None:
    """Replace the sleep between two turns of the scheduler's loop by the alarm."""
    import time

    from airflow.jobs import scheduler_job_runner

    alarm = Alarm(dsn)
    namespace = {name: getattr(time, name) for name in dir(time) if not name.startswith("_")}
    scheduler_job_runner.time = SimpleNamespace(**{**namespace, "sleep": alarm.sleep})
