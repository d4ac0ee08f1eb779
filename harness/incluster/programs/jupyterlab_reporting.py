"""A notebook, executed and kept as a report (operators 6.4). The program of JupyterlabReportingOperator."""

from __future__ import annotations

import os
import subprocess
import sys

from harness.incluster.programs.common import ProgramError, RunFolder, comma_list, require, say


class _NotConvertedError(ProgramError):
    """nbconvert ended with this exit status, and so does the container."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def main() -> None:
    """Write ``<run>/<out>/<run_id>-report.<format>`` for every format; the notebook sees the task's environment."""
    run = RunFolder.from_environment()
    notebook = run.inside(require("NOTEBOOK_DIR"), require("NOTEBOOK_FILENAME"))
    if not notebook.is_file():
        there = ", ".join(sorted(path.name for path in notebook.parent.glob("*"))[:10]) or "nothing"
        raise ProgramError(f"the notebook {run.relative(notebook)} does not exist; beside it: {there}")
    output = run.inside(require("OPERATOR_OUT_DIR"))
    output.mkdir(parents=True, exist_ok=True)
    name = f"{require('RUN_ID')}-report"
    for kind in comma_list(os.environ.get("OUTPUT_FORMAT") or "html"):
        command = [sys.executable, "-m", "nbconvert", "--to", kind.strip(), "--execute", "--no-input"]
        command += ["--output-dir", str(output), "--output", name, str(notebook)]
        status = subprocess.run(command, check=False).returncode
        if status:
            raise _NotConvertedError(f"nbconvert could not make {kind} of {notebook.name}, its output is above", status)
        say(f"{run.relative(notebook)} -> {run.relative(output)}/{name}.{kind.strip()}")
