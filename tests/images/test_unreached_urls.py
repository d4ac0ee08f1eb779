"""Which URL of a Dockerfile a failing step did not reach; the outputs are those of the tools."""

from __future__ import annotations

import pytest

from harness.images import unreached_urls
from harness.images.dockerfile import Dockerfile

CONSTRAINTS = "https://codes.example/group/-/raw/0.4.0/constraints.txt"
PIP = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(\"Failed to establish a new "
    "connection: [Errno -3] Temporary failure in name resolution\")': /group/-/raw/0.4.0/constraints.txt\n"
    "ERROR: Could not open requirements file: HTTPSConnectionPool(host='codes.example', port=443): Max retries exceeded"
)


def found(run: str, output: str) -> str:
    dockerfile = Dockerfile(f"FROM x:1\n{run}\n")
    step = " ".join(str(dockerfile.instructions[1]).split())
    words = f"Step 2/2 : {step}\n{output}\nThe command '/bin/sh -c {step}' returned a non-zero code: 1"
    return unreached_urls.find(dockerfile, 2, step, words)


@pytest.mark.parametrize(
    ("run", "output", "url"),
    [
        (f"RUN pip install -c {CONSTRAINTS} x", PIP, CONSTRAINTS),
        (
            "RUN git clone https://code.example/a/b.git && cd b",
            "fatal: unable to access 'https://code.example/a/b.git/': Could not resolve host: code.example",
            "https://code.example/a/b.git",
        ),
        (
            "RUN curl -fsSL https://a.example/one -o /1 \\\n && curl -fsSL 'https://b.example/two?x=1' -o /2",
            "curl: (6) Could not resolve host: b.example",
            "https://b.example/two?x=1",
        ),
        (
            "RUN wget https://a.example/x.zip",
            "wget: unable to resolve host address a.example",
            "https://a.example/x.zip",
        ),
        (
            "RUN curl -f https://a.example/gone.zip -o x; curl -f https://a.example/x.zip -o x",
            "curl: (22) The requested URL returned error: 404\n"
            "curl: https://a.example/x.zip: The requested URL returned error: 404",
            "https://a.example/x.zip",
        ),
        (
            "ADD https://a.example/x.whl /",
            "failed to load cache key: invalid response status 403",
            "https://a.example/x.whl",
        ),
        (
            "RUN <<EOF\ncurl https://a.example/x\nEOF",
            "curl: (7) Failed to connect to a.example port 443 after 1 ms: Connection refused",
            "https://a.example/x",
        ),
    ],
)
def test_the_url_is_the_one_that_a_tool_names(run: str, output: str, url: str) -> None:
    assert found(run, output) == url


@pytest.mark.parametrize(
    ("run", "output"),
    [
        # the package index is no URL of the Dockerfile
        (
            f"RUN pip install -c {CONSTRAINTS} x",
            "ERROR: Max retries exceeded with url: /simple/x/ (host='index.example')",
        ),
        ("RUN curl https://a.example/x | sh", "sh: 1: Syntax error: word unexpected"),
        ("RUN pip install x", "Temporary failure in name resolution"),
        # only the command itself says so
        ("RUN echo 'connection refused' https://a.example/ && false", ""),
    ],
)
def test_another_failure_is_about_no_url(run: str, output: str) -> None:
    assert found(run, output) == ""
