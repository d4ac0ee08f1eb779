"""Find the URL that a failed step of a build did not reach, in its text and its output."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from harness.images.dockerfile import Dockerfile

_URL = re.compile(r"https?://[^\s\"'`\\|;&<>(),\]]+")
# messages of common tools about hosts that were not reached or refused a request
_SIGNS = re.compile(
    r"could not resolve|name resolution|name or service not known|unable to resolve|no such host|getaddrinfo|"
    r"failed to connect|connection refused|connection timed out|connection reset|timed out|unreachable|"
    r"no route to host|max retries exceeded|newconnectionerror|unable to access|could not open requirements file|"
    r"tunnel connection failed|"
    r"returned error: [45]\d\d|http error [45]\d\d|error [45]\d\d|status code [45]\d\d|code [45]\d\d from proxy|"
    r"invalid response status|[45]\d\d (?:forbidden|not found|bad gateway|service unavailable)",
    re.IGNORECASE,
)
# lines in which the builder or the shell repeats a command
_REPEATS = re.compile(r"^(?:Step \d+/\d+ :|\++ )|The command '|process \"|executor failed running")


def find(dockerfile: Dockerfile, line: int, step: str, output: str) -> str:
    """Return the URL; empty if the step failed for another reason, or does not name it.

    Args:
        dockerfile: that was built.
        line: of the step, 0 where that is not known.
        step: the instruction as the builder shows it.
        output: the last lines of the step and of the builder.
    """
    text = step
    for instruction in dockerfile.instructions:
        if instruction.line == line:
            text = "\n".join(dockerfile.text.splitlines()[instruction.line - 1 : instruction.last])
    words = "\n".join(line for line in output.splitlines() if not _REPEATS.search(line)).lower()
    if not _SIGNS.search(words):
        return ""
    urls = [url.rstrip(".") for url in _URL.findall(text)]
    # the URL itself, or its host if a tool names only that
    named = [url for url in urls if url.lower() in words] + [url for url in urls if _host(url) in words]
    # what fetches an ADD is the builder, which says little
    return next(iter(named), "") or (urls[0] if urls and text.lstrip()[:3].upper() == "ADD" else "")


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower() or "\n"
