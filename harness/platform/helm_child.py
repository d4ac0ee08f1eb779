"""The process in which Helm's library runs: a chart's templates can fill the memory of any process that renders them.

One request a line on standard input, one answer a line on what was standard output, both JSON; an empty answer comes
first, when it is ready. It ends with its standard input. Where Go gives up (no memory, no stack left), the process ends
and its standard error says why.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.platform.helm_limits import limit_this_process


def main() -> None:
    """Answer requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_this_process()
    # output of the library must not get between the answers
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    import helm_python

    # the time limit of a request begins when this process can answer it
    answers.write("{}\n")
    answers.flush()
    while True:
        request = json.loads(requests.get())
        try:
            answer = {"result": _VERBS[request["verb"]](helm_python, **request["arguments"])}
        except helm_python.HelmError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


def _receive(requests: queue.SimpleQueue[str]) -> None:
    """Read in a separate thread, so that the process ends with its owner even while it renders."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _dependency_update(helm: Any, chart: str) -> None:
    helm.dependency_update(Path(chart), skip_refresh=True)


def _package(helm: Any, chart: str, destination: str) -> str:
    return str(helm.package(Path(chart), destination=Path(destination)))


def _render(helm: Any, chart: str, values: dict[str, Any], release: str, namespace: str) -> list[tuple[str, str]]:
    """Return the text of each file of the chart, by its path."""
    with helm.Chart.load(Path(chart)) as loaded:
        loaded.validate_schema(values)
        texts = loaded.render(values, name=release, namespace=namespace, is_install=True)
        # files in crds/ are installed unchanged
        crds = [(crd["filename"], crd["data"]) for crd in loaded.crds]
    return [*crds, *((path, text) for path, text in sorted(texts.items()) if not path.endswith("NOTES.txt"))]


def _show_chart(helm: Any, chart: str) -> dict[str, Any]:
    with helm.Chart.load(Path(chart)) as loaded:
        return dict(loaded.metadata)


_VERBS: dict[str, Callable[..., Any]] = {
    "dependency_update": _dependency_update,
    "package": _package,
    "render": _render,
    "show_chart": _show_chart,
}
