"""Run a function in a thread beside the caller (standard library only)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor


@contextlib.contextmanager
def run_in_background(job: Callable[[], object]) -> Iterator[Future[object]]:
    """Run a function in a thread beside the block; the block's end waits for it.

    Where both fail, the job's error is the cause and is raised. An interrupt of the block does not wait for the job.

    Raises:
        Exception: of the job, or of the block.
    """
    pool = ThreadPoolExecutor(1)
    future: Future[object] = pool.submit(job)
    try:
        yield future
        future.result()
    except Exception as error:
        if future.done() and (cause := future.exception()) not in (None, error):
            raise cause from error
        raise
    finally:
        pool.shutdown(wait=False)
