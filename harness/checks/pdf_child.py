"""The process in which an untrusted PDF is read: a small file can fill the memory, or take forever.

It gets the document on standard input, and answers one line of JSON on what was standard output: ``pages`` and
``title``, or ``error``. Beyond its limits it ends without an answer.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import resource
import signal
import sys
from typing import Any, Final

MEMORY_BYTES: Final = 1 << 30
CPU_S: Final = 30
MOST_PAGES: Final = 2_000
MOST_TEXT: Final = 16 << 20
"""Characters of all pages together."""

_PR_SET_PDEATHSIG: Final = 1
_LIMITS: Final = (
    (resource.RLIMIT_AS, MEMORY_BYTES),
    (resource.RLIMIT_CPU, CPU_S),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_CORE, 0),
)


def main(owner: int) -> None:
    """Read the document on standard input.

    Args:
        owner: the process with which this one ends.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != owner:
        return
    for kind, most in _LIMITS:
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most, most) if hard == resource.RLIM_INFINITY else (min(most, hard), hard))
    # what a library prints must not get into the answer
    answer = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    try:
        found = _read(sys.stdin.buffer.read())
    except (MemoryError, RecursionError) as error:
        found = {"error": "it needs more memory than a document may" if isinstance(error, MemoryError) else _NESTED}
    answer.write(json.dumps(found))
    answer.flush()


_NESTED: Final = "it is nested too deeply"


def _read(data: bytes) -> dict[str, Any]:
    import logging

    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"error": "it is encrypted, and needs a password"}
        if (count := len(reader.pages)) > MOST_PAGES:
            return {"error": f"it has {count} pages, more than {MOST_PAGES}"}
        pages, room = [], MOST_TEXT
        for page in reader.pages:
            pages.append(page.extract_text())
            room -= len(pages[-1])
            if room < 0:
                return {"error": f"it has more than {MOST_TEXT} characters"}
        title = reader.metadata.title if reader.metadata else ""
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # a parser on foreign bytes raises nearly anything
        return {"error": f"{type(error).__name__}: {error}"[:1000]}
    return {"pages": pages, "title": str(title or "")}
