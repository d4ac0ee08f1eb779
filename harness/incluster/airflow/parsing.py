# mypy: disable-error-code="import-not-found"
"""Parsing of DAG files in children of a process that has Airflow loaded, each with a deadline.

The zygote is forked from the web server while that still has a single thread. It starts an :class:`Attempt` for each
file: a DAG file can only damage its own interpreter, and an endless one is killed.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import select
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from harness.incluster.airflow.attempt import Attempt, Parse, Result, adopt_orphans, failed_parse, restore_streams

_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 2
_GRACE_S: Final = 5.0


class Zygote:
    """The host side: :meth:`parse` may be called from any thread, one call at a time goes through.

    Args:
        import_timeout_s: limit of one file, which is then interrupted and, a little later, killed.
        parse: called with a file, in a separate process.
    """

    def __init__(self, import_timeout_s: float, parse: Parse | None = None) -> None:
        self._lock = threading.Lock()
        ours, theirs = multiprocessing.Pipe()
        self._pipe: Connection[Any, Any] = ours
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            _serve(theirs, import_timeout_s, parse or _parse_in_child)
        theirs.close()

    def parse(self, files: Sequence[Path]) -> dict[str, Result]:
        """Parse files and write their DAGs to the database.

        Returns:
            for each file ``{"dags": [dag_id...], "error": traceback or None, "timed_out": bool}``.

        Raises:
            EOFError, OSError: the zygote is gone.
        """
        with self._lock:
            self._pipe.send([str(file) for file in files])
            answer: dict[str, Result] = self._pipe.recv()
            return answer


def _serve(pipe: Connection[Any, Any], import_timeout_s: float, parse: Parse) -> None:
    """Run the zygote; never returns."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        adopt_orphans()
        with tempfile.TemporaryDirectory(prefix="dag-results-") as scratch:
            while True:
                files: list[str] = pipe.recv()
                pipe.send(_parse_all(files, import_timeout_s, parse, Path(scratch)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _parse_all(files: list[str], import_timeout_s: float, parse: Parse, scratch: Path) -> dict[str, Result]:
    results: dict[str, Result] = {}
    waiting = list(reversed(files))
    running: dict[int, Attempt] = {}  # by the end of the pipe that says that it is over
    printing: dict[int, Attempt] = {}
    while waiting or running:
        while waiting and len(running) < _AT_ONCE:
            file = waiting.pop()
            try:
                attempt = Attempt(file, parse, time.monotonic() + import_timeout_s + _GRACE_S, scratch)
            except OSError as problem:
                results[file] = failed_parse(f"the file cannot be parsed now: {problem}")
                continue
            running[attempt.alive] = printing[attempt.output] = attempt
        if not running:
            continue
        left = min(attempt.deadline for attempt in running.values()) - time.monotonic()
        ready, _, _ = select.select([*running, *printing], [], [], max(0.0, left))
        for end in ready:
            if end in printing and not printing[end].pass_output_on():
                del printing[end]
        for end, attempt in list(running.items()):
            over = end in ready and attempt.read_status()
            if over or time.monotonic() >= attempt.deadline:
                del running[end]
                printing.pop(attempt.output, None)
                results[attempt.file] = attempt.finish({other.pid for other in running.values()}, import_timeout_s)
    return results


def _parse_in_child(file: str) -> dict[str, Any]:
    from airflow.configuration import conf
    from airflow.models import DagBag
    from airflow.models.dag import DAG
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session

    worker = os.getpid()
    # keeps its own deadline by SIGALRM, which Airflow turns into a readable import error
    bag = DagBag(
        dag_folder=file,
        include_examples=False,
        safe_mode=conf.getboolean("core", "dag_discovery_safe_mode"),
        read_dags_from_db=False,
    )
    if os.getpid() != worker:
        # a process that the file forked: the worker continues itself
        os._exit(0)
    restore_streams()
    error = bag.import_errors.get(file) or next(iter(bag.import_errors.values()), None)
    written: list[str] = []
    with create_session() as session:
        for dag_id, dag in bag.dags.items():
            try:
                SerializedDagModel.write_dag(dag, min_update_interval=0, session=session)
            except Exception:
                error = error or traceback.format_exc()
            else:
                written.append(dag_id)
        DAG.bulk_write_to_db([bag.dags[dag_id] for dag_id in written], session=session)
    return {"dags": written, "error": error, "timed_out": bool(error) and "AirflowTaskTimeout" in str(error)}
