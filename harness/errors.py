"""The exceptions of the harness, and the exit status that each one means on the command line.

::

    HarnessError                    first line: the cause; then last_seen, evidence, fix
    ├── UsageError          (2)     wrong use or wrong input: the author can fix it in the extension or the call
    │   ├── InputDataError          the DICOM input is missing, broken or not an image
    │   ├── FormError               a form value is unknown, missing or of the wrong type
    │   ├── ExtensionError          the extension's source tree or its chart is not what the platform accepts
    │   └── BuildError              a container of the extension does not build
    ├── PlatformError       (3)     the emulated platform could not be made or was lost
    │   ├── EngineError             no container engine, or one that may not be used
    │   ├── NotRemovedError         the engine or the cluster keeps something of an environment
    │   └── ImageError              an image of the harness can be neither found, pulled nor built
    └── RunError            (1)     the run or an assertion about it failed
        ├── InstallError            the extension was built but does not get to the point of being runnable
        │   ├── DagFileError (2)    because a DAG file does not import or has no DAG
        │   └── ManifestError (2)   because the cluster refuses an object of its chart
        └── CheckError              an assertion of the author failed (also an AssertionError)
"""

from __future__ import annotations

from harness.common.redaction import redact

_LONGEST_CAUSE = 4_000
_LONGEST_TEXT = 200_000


def _printable(text: str, most: int) -> str:
    """Return a text for a terminal: it shows no credential, and an author's input neither steers nor floods it."""
    text = redact(text)
    if len(text) > most:
        text = f"{text[:most]}... ({len(text)} characters)"
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in "\n\t" else sign.encode("unicode_escape").decode("ascii") for sign in text
    )


class HarnessError(Exception):
    """An error written for the author of an extension; no credential of an environment shows in it.

    Args:
        cause: one line, in the author's terms.
        last_seen: what was observed last (a log tail, a state), may have several lines.
        evidence: where to find more (a path or a command).
        fix: the next step.
    """

    exit_status = 1

    def __init__(self, cause: str, *, last_seen: str = "", evidence: str = "", fix: str = "") -> None:
        cause = _printable(cause.strip(), _LONGEST_CAUSE) or type(self).__name__
        super().__init__(cause)
        self.cause = cause
        self.last_seen = _printable(last_seen, _LONGEST_TEXT)
        self.evidence = _printable(evidence, _LONGEST_TEXT)
        self.fix = _printable(fix, _LONGEST_TEXT)

    def __str__(self) -> str:
        lines = [self.cause]
        for title, text in (("last seen", self.last_seen), ("evidence", self.evidence), ("fix", self.fix)):
            if text.strip():
                first, *rest = text.rstrip().splitlines()
                lines.append(f"  {title}: {first}")
                lines.extend(f"    {line}" for line in rest)
        return "\n".join(lines)


class UsageError(HarnessError):
    """Wrong use or wrong input."""

    exit_status = 2


class InputDataError(UsageError):
    """The DICOM input is missing, broken or not an image."""


class FormError(UsageError):
    """A form value is unknown, missing or of the wrong type."""


class ExtensionError(UsageError):
    """The extension's source tree or chart is not what the platform accepts."""


class BuildError(UsageError):
    """A container of the extension does not build."""


class PlatformError(HarnessError):
    """The emulated platform could not be made, or was lost."""

    exit_status = 3


class EngineError(PlatformError):
    """There is no container engine, or one that may not be used."""


class NotRemovedError(PlatformError):
    """The engine or the cluster does not remove something of an environment, or does not answer."""


class ImageError(PlatformError):
    """An image of the harness can be neither found, nor pulled, nor built."""


class RunError(HarnessError):
    """The run failed."""


class InstallError(RunError):
    """The extension was built but did not become runnable on the platform."""


class DagFileError(InstallError):
    """A DAG file does not import, or has no DAG: wrong input, found by the platform."""

    exit_status = 2


class ManifestError(InstallError):
    """The cluster refuses an object of the chart: wrong input, found by the platform."""

    exit_status = 2


class CheckError(RunError, AssertionError):
    """An assertion about a run's results does not hold."""
