"""``python -m benchmarks [NAME ...]``: measure, and print one table.

Every figure is a median of a few rounds; those that are compared with something are measured with it in the same run.
Needs the images (``kaapana-harness up`` builds them) and a quiet machine.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import measures
from benchmarks.figures import Figure

ROUNDS = 3


def main(names: list[str]) -> int:
    """Measure what is named, or everything; exit status 2 for an unknown name."""
    unknown = [name for name in names if name not in measures.ALL]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are: {', '.join(measures.ALL)}", file=sys.stderr)
        return 2
    print("| what | median | lowest | highest | goal |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="kaapana-harness-bench-") as folder:
        for name in names or measures.ALL:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            # at once: a later one may fail
            for figure in measures.ALL[name](Path(folder), ROUNDS):
                print(_row(figure), flush=True)
    return 0


def _row(figure: Figure) -> str:
    low, high = min(figure.values), max(figure.values)
    middle = statistics.median(figure.values)
    return f"| {figure.what} | {middle:.2f} {figure.unit} | {low:.2f} | {high:.2f} | {figure.goal} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
