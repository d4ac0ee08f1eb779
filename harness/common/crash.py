"""Turn unexpected exceptions into errors for a reader: a first line, an exit status, and the traceback in a file.

Every end of the harness uses it: the command line (:mod:`harness.cli.exit_status`), pytest
(:mod:`harness.plugin.failures`), and the set-up, which has nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Final

from harness import __version__
from harness.common.redaction import redact
from harness.errors import EngineError, HarnessError, PlatformError, UsageError

_FOLDER: Final = "crashes"
_KEPT: Final = 20
_MOST_BYTES: Final = 256 << 10
# the path is at fault, not the machine
_OF_PATHS: Final = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.EACCES,
        errno.EPERM,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.EILSEQ,
        errno.ENXIO,
        errno.EROFS,
    }
)
# packages whose errors tell of the engine, a cluster or a network
_OF_THE_ENVIRONMENT: Final = frozenset({"docker", "requests", "urllib3", "httpx", "httpcore", "h11", "minio", "ssl"})
# wrong use of docker-py is a bug of the harness
_WRONG_CALLS: Final = frozenset({"InvalidArgument", "NullResource", "DeprecatedMethod"})
# names of what must not be read by others, followed by their values
_SECRET: Final = re.compile(
    r"(?i)((?:pass(?:word|wd|phrase)?|secret|token|credential|authorization|api[_-]?key|access[_-]?key|cookie)"
    r"[\w.-]{0,40}[\"']?\s{0,3}[:=]\s{0,3}(?:(?:bearer|basic)\s{1,3})?[\"']?)[^\s\"',;&)}\]]{1,4096}"
)
_OPTION: Final = re.compile(r"(?i)(--[\w-]{0,40}(?:password|secret|token)[\w-]{0,40}[ =])\S{1,4096}")
_IN_URL: Final = re.compile(r"(://)[^\s/@:]{0,256}:[^\s/@]{1,256}@")
_TOKEN: Final = re.compile(r"\beyJ[\w-]{8,4096}\.[\w-]{8,8192}\.[\w-]{0,4096}")


def explain(error: BaseException) -> HarnessError:
    """Return an error for the author in place of one that has escaped.

    An error of the harness is returned unchanged. Unusable paths, full disks and refusals of the engine are explained
    in one line. Unexpected errors get a crash report, whose path is the evidence.
    """
    if isinstance(error, HarnessError):
        return error
    if _is_of_the_engine(error):
        return _explain_engine(error)
    if isinstance(error, OSError) and (foreseen := _explain_system_error(error)) is not None:
        return foreseen
    if isinstance(error, UnicodeEncodeError) and "surrogates not allowed" in error.reason:
        return UsageError(
            f"a name or a text is not UTF-8: {error.object[:200]!r}", fix="rename it, or set a locale with UTF-8"
        )
    return _crash(error)


def _is_of_the_engine(error: BaseException) -> bool:
    """Return whether docker-py, or its connection to the engine, raised the error; no library is imported for it."""
    if any(kind.__module__ == "docker.errors" for kind in type(error).__mro__):
        return type(error).__name__ not in _WRONG_CALLS
    if _packages(error).isdisjoint({"requests", "urllib3"}):
        return False
    # a test of the user may send its own requests, to anything
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(module.startswith(("docker.", "harness.engine.")) for module in modules)


def _explain_engine(error: BaseException) -> EngineError:
    words = " ".join(str(getattr(error, "explanation", None) or error).split()) or type(error).__name__
    how = "refuses a request" if "docker" in _packages(error) else "does not answer"
    return EngineError(
        f"the container engine {how}: {redact_all(words)}",
        last_seen=_request(error) or _innermost(error),
        fix="`kaapana-harness doctor` examines the engine",
    )


def _request(error: BaseException) -> str:
    """Return method and path of the request that failed; empty where the error does not have it."""
    answer = getattr(error, "response", None)
    request = getattr(answer, "request", None) or getattr(error, "request", None)
    path = str(getattr(request, "path_url", "")).partition("?")[0]
    return f"{getattr(request, 'method', '')} {path}" if path else ""


def _explain_system_error(error: OSError) -> HarnessError | None:
    reason = error.strerror or str(error)
    if error.filename is not None and error.errno in _OF_PATHS:
        return UsageError(f"{_path(error)} cannot be used: {reason}", fix="choose another path, or change its rights")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        where = f"{_path(error)} cannot be written: " if error.filename is not None else ""
        return PlatformError(f"{where}{reason}", fix="make room; `kaapana-harness prune` removes superseded images")
    return None


def _path(error: OSError) -> str:
    return os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)


def _crash(error: BaseException) -> HarnessError:
    kind = PlatformError if _is_of_the_environment(error) else UsageError
    words = " ".join(str(error).split())
    evidence, problem = _report(error)
    return kind(
        f"unexpected {type(error).__name__}" + (f": {redact_all(words)[:300]}" if words else ""),
        last_seen=problem or _innermost(error),
        evidence=evidence,
        fix="this is a bug in kaapana-harness: please report it with this file, which contains no secrets that "
        "the harness knows; unusual input may have caused it",
    )


def _is_of_the_environment(error: BaseException) -> bool:
    return isinstance(error, OSError | MemoryError) or not _packages(error).isdisjoint(_OF_THE_ENVIRONMENT)


def _packages(error: BaseException) -> set[str]:
    return {kind.__module__.partition(".")[0] for kind in type(error).__mro__}


def _innermost(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"in {frames[-1].name}, {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""


def _report(error: BaseException) -> tuple[str, str]:
    """Write the report; return its path, or why it could not be written."""
    text = _text(error)
    for folder in (_state_folder, _temporary_folder):
        try:
            return str(_write(folder(), text)), ""
        # the set-up may run without the libraries of the settings
        except (ImportError, OSError, ValueError, HarnessError) as problem:
            reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    return "", f"no crash report could be written: {reason}"


def _state_folder() -> Path:
    from harness.settings import folders

    return folders.state() / _FOLDER


def _temporary_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"kaapana-harness-{_FOLDER}-{os.getuid()}"


def _write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise OSError(errno.EPERM, "the folder belongs to another user", str(folder))
    for old in sorted(folder.glob("crash-*.txt"))[: -_KEPT + 1]:
        with contextlib.suppress(OSError):
            old.unlink()
    # readable by its owner only, and never through a link
    descriptor, name = tempfile.mkstemp(
        prefix=f"crash-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-", suffix=".txt", dir=folder
    )
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return Path(name)


def _text(error: BaseException) -> str:
    # without the values of variables: these may be secrets that have no name
    lines = traceback.format_exception(type(error), error, error.__traceback__, limit=-60)
    head = (
        f"kaapana-harness {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"command: {' '.join(sys.argv)[:2000]}\n\n"
    )
    # the whole before it is cut: half a credential could not be recognised
    return redact_all(head + redact("".join(lines))[-_MOST_BYTES:])


def redact_all(text: str) -> str:
    """Return a text without values of names that look like secrets, and without tokens and passwords in URLs."""
    text = _OPTION.sub(r"\1[redacted]", redact(text))
    text = _SECRET.sub(r"\1[redacted]", text)
    text = _TOKEN.sub("[redacted]", text)
    return _IN_URL.sub(r"\1[redacted]@", text)
