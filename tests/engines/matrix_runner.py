"""A runner of the matrix without an engine: make everything that has to be removed, then wait.

python -m tests.engines.matrix_runner WORK
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

from tests.engines.matrix import keeper, namespace
from tests.engines.matrix.enter import Order


def main(work: Path) -> None:
    """Print what is on the machine, and wait for the end of the input."""
    with keeper.kept(work, keep=False):
        root = work / "root"
        for folder in ("usr", "proc", "sys", "dev", "run"):
            (root / folder).mkdir(parents=True)
        for name in ("bin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        link, traces = namespace.plan("t" + os.urandom(2).hex())
        traces.folders = [str(work / "data")]
        record = keeper.ledger(work) / "row.json"
        traces.write(record)
        with namespace.opened(link, traces, record) as inside:
            order = Order(str(root), {"/usr": "/usr"}, ["/usr/bin/sleep", "1000"], {})
            words = [sys.executable, "-m", "tests.engines.matrix.enter", json.dumps(dataclasses.asdict(order))]
            with (work / "log").open("wb") as log:
                inside.start(words, os.environ, log, mounts=True)
            print(json.dumps({"rules": traces.rules, "device": traces.device, "first": inside.pid}), flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
