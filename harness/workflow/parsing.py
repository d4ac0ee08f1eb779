# mypy: disable-error-code="import-not-found"
"""Parsing of DAG files in children of a process that has Airflow loaded, each with a deadline.

The zygote is forked from the web server while that still has a single thread. It forks one child for each file:
what a DAG file does to its interpreter ends with the child, and a file that never returns is killed.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 2
_GRACE_S: Final = 5.0


class Zygote:
    """The host side: :meth:`parse` may be called from any thread, one call at a time goes through."""

    def __init__(self, import_timeout_s: float) -> None:
        self._lock = threading.Lock()
        ours, theirs = multiprocessing.Pipe()
        self._pipe: Connection[Any, Any] = ours
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            _serve(theirs, import_timeout_s)
        theirs.close()

    def parse(self, files: Sequence[Path]) -> dict[str, dict[str, Any]]:
        """Parse files and write their DAGs to the database.

        Returns:
            for each file ``{"dags": [dag_id...], "error": traceback or None, "timed_out": bool}``.

        Raises:
            EOFError: the zygote is gone.
        """
        with self._lock:
            self._pipe.send([str(file) for file in files])
            answer: dict[str, dict[str, Any]] = self._pipe.recv()
            return answer


def _serve(pipe: Connection[Any, Any], import_timeout_s: float) -> None:
    """The zygote's life; never returns."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        while True:
            files: list[str] = pipe.recv()
            pipe.send(_parse_all(files, import_timeout_s))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _parse_all(files: list[str], import_timeout_s: float) -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    waiting = list(reversed(files))
    running: dict[int, tuple[int, str, float, bytearray]] = {}  # read end -> child, file, deadline, answer so far
    while waiting or running:
        while waiting and len(running) < _AT_ONCE:
            file = waiting.pop()
            pid, end = _start_child(file)
            running[end] = (pid, file, time.monotonic() + import_timeout_s + _GRACE_S, bytearray())
        next_deadline = min(entry[2] for entry in running.values())
        ready, _, _ = select.select(list(running), [], [], max(0.0, next_deadline - time.monotonic()))
        for end in ready:
            pid, file, _, answer = running[end]
            chunk = os.read(end, 1 << 16)
            if chunk:
                answer += chunk
                continue
            results[file] = _finish(pid, end, answer)
            del running[end]
        for end, (pid, file, deadline, _) in list(running.items()):
            if time.monotonic() >= deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                os.close(end)
                del running[end]
                results[file] = {
                    "dags": [],
                    "timed_out": True,
                    "error": (
                        f"DagBag import timeout for {file} after {import_timeout_s:g} s: the file did not stop when "
                        "it was interrupted and was killed"
                    ),
                }
    return results


def _start_child(file: str) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    os.close(reader)
    try:
        sys.dont_write_bytecode = True
        answer = json.dumps(_parse_in_child(file)).encode()
    except BaseException:
        answer = json.dumps({"dags": [], "error": traceback.format_exc(), "timed_out": False}).encode()
    try:
        while answer:
            answer = answer[os.write(writer, answer) :]
    finally:
        # no clean-up of what belongs to the parent
        os._exit(0)
    raise AssertionError  # for the type checker only: os._exit does not return


def _finish(pid: int, end: int, answer: bytearray) -> dict[str, Any]:
    os.close(end)
    _, status = os.waitpid(pid, 0)
    try:
        result: dict[str, Any] = json.loads(bytes(answer))
    except ValueError:
        how = f"signal {-code}" if (code := os.waitstatus_to_exitcode(status)) < 0 else f"exit status {code}"
        return {"dags": [], "timed_out": False, "error": f"the interpreter that parsed the file ended with {how}"}
    return result


def _parse_in_child(file: str) -> dict[str, Any]:
    from airflow.configuration import conf
    from airflow.models import DagBag
    from airflow.models.dag import DAG
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session

    # keeps its own deadline by SIGALRM, which Airflow turns into a readable import error
    bag = DagBag(
        dag_folder=file,
        include_examples=False,
        safe_mode=conf.getboolean("core", "dag_discovery_safe_mode"),
        read_dags_from_db=False,
    )
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
