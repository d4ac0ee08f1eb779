"""The report of a run: one self-contained HTML file, a view of the evidence beside it.

Everything in it may come from a container, so all of it is text until a module here has made it safe:
templates escape, names lose their control characters, HTML of a run is in a frame without script and network,
pictures are decoded within bounds and encoded again. The page names what it omits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.run.results import Run

FILE: Final = "report.html"


@dataclasses.dataclass(frozen=True)
class Written:
    """A report on disk.

    Args:
        path: the file.
        thumbnail: a picture of the run's results, as a data URL; empty without one.
    """

    path: Path
    thumbnail: str = ""


def preload() -> None:
    """Import what :func:`write` needs, in the background: call it when a run has started, whose report is to come."""
    threading.Thread(target=_import_page, name="imports of the report", daemon=True).start()


def _import_page() -> None:
    # write() raises the error again, and there it is reported
    with contextlib.suppress(ImportError):
        importlib.import_module("harness.report.page")
        importlib.import_module("harness.report.objects")


def write(run: Run, *, pictures: bool = True) -> Written:
    """Write ``report.html`` beside ``run.json``.

    Args:
        run: the run.
        pictures: False omits rendered DICOM objects.

    Raises:
        UsageError: the evidence has content that no run writes.
        PlatformError: the disk does not take it.
    """
    from harness.report import page
    from harness.run import evidence

    path = run.directory / FILE
    try:
        text, thumbnail = page.render(run, pictures=pictures)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{run.directory / 'run.json'} has content that no run writes: {type(error).__name__}: {error}"
        ) from None
    evidence.write_text(path, text)
    return Written(path, thumbnail)
