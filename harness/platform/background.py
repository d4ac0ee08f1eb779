"""Run a function in a thread beside the caller (standard library only)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

_Result = TypeVar("_Result")


@contextlib.contextmanager
def run_in_background(job: Callable[[], _Result]) -> Iterator[Future[_Result]]:
    """Run a function in a thread beside the block; the block's end waits for it.

    Where both fail, the job's error is the cause and is raised. An error or an interrupt of the block does not wait for
    the job, nor does the end of the process.

    Raises:
        Exception: of the job, or of the block.
    """
    future: Future[_Result] = Future()

    def work() -> None:
        try:
            future.set_result(job())
        except BaseException as error:
            future.set_exception(error)

    # a daemon: the interpreter waits at its end for the threads of an executor
    threading.Thread(target=work, daemon=True, name="background").start()
    try:
        yield future
        future.result()
    except Exception as error:
        if future.done() and (cause := future.exception()) not in (None, error):
            raise cause from error
        raise
