"""PDF documents for assertions: their words, page by page. They are read in a process of its own, within limits."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from harness.checks import questions
from harness.checks.pdf_child import CPU_S, MEMORY_BYTES
from harness.errors import CheckError

LARGEST: Final = 256 << 20
_TIMEOUT_S: Final = 2.0 * CPU_S
# pass on the module search path: the child must find the same modules, and none of the author's
CODE: Final = (
    "import sys; owner = int(sys.argv.pop(1)); sys.path[:] = sys.argv[1:]; "
    "from harness.checks.pdf_child import main; main(owner)"
)


@dataclasses.dataclass(frozen=True)
class PdfDocument:
    """A PDF document.

    Args:
        name: for messages.
        data: its bytes.
        file: where it stands.
    """

    name: str
    data: bytes = dataclasses.field(repr=False)
    file: Path | None = dataclasses.field(default=None, repr=False, compare=False)

    @functools.cached_property
    def _read(self) -> dict[str, Any]:
        return read_pdf(self.data, self.name, str(self.file) if self.file else "")

    @property
    def pages(self) -> list[str]:
        """The words of each page; blanks and line breaks are as near as a PDF tells.

        Raises:
            CheckError: the document cannot be read within limits of memory and time.
        """
        pages: list[str] = self._read["pages"]
        return pages

    @property
    def text(self) -> str:
        """The words of all pages: blanks joined, and no empty lines."""
        lines = (" ".join(line.split()) for page in self.pages for line in page.splitlines())
        if self.file is not None:
            questions.note(questions.Question(self.file, "text", f"{len(self.pages)} pages"))
        return "\n".join(line for line in lines if line)

    @property
    def title(self) -> str:
        """The title that the document gives itself; empty where it has none."""
        return str(self._read["title"])

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and text in self.text


def read_pdf(data: bytes, name: str, evidence: str = "") -> dict[str, Any]:
    """Return ``pages`` and ``title`` of a document.

    Raises:
        CheckError: it is not a PDF, is encrypted, or cannot be read within limits.
    """

    def refuse(why: str) -> CheckError:
        return CheckError(f"{name} cannot be read as PDF: {why}", evidence=evidence)

    # readers look for it in the first kilobyte
    if b"%PDF-" not in data[:1024]:
        raise CheckError(
            f"{name} is not a PDF", last_seen=f"it begins {data[:40]!r}" if data else "it is empty", evidence=evidence
        )
    if len(data) > LARGEST:
        raise refuse(f"it is larger than {LARGEST >> 20} MiB")
    try:
        done = subprocess.run(
            [sys.executable, "-c", CODE, str(os.getpid()), *sys.path],
            input=data,
            capture_output=True,
            timeout=_TIMEOUT_S,
            cwd="/",
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise refuse(f"it takes longer than {_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise refuse(f"the process that reads it cannot be started: {error}") from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        limits = f"{MEMORY_BYTES >> 20} MiB of memory, {CPU_S} s of processor time"
        raise refuse(
            f"its reader ended with status {done.returncode} within its limits ({limits})"
            + (f": {lines[-1][:200]}" if lines else "")
        ) from None
    if "error" in answer:
        raise refuse(str(answer["error"]))
    return answer
