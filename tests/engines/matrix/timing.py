"""The warm run and edit-to-verdict of otsus-method, as ``benchmarks`` measures them.

python -m tests.engines.matrix.timing OUT.json     the engine is the one that DOCKER_HOST names
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import measures

ROUNDS = 3


def main(out: Path) -> None:
    """Write the medians, in seconds."""
    with tempfile.TemporaryDirectory(prefix="kaapana-harness-engines-") as folder:
        warm, edit = measures.warm_run(Path(folder), ROUNDS)
    out.write_text(json.dumps({"warm": statistics.median(warm.values), "edit": statistics.median(edit.values)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
