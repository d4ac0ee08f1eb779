"""Remove the run's folder (operators 4.6). The program of LocalWorkflowCleanerOperator."""

from __future__ import annotations

import shutil

from harness.incluster.programs.common import ProgramError, RunFolder, flag, say


def main() -> None:
    """Remove ``WORKFLOW_DIR`` unless ``CLEAN_WORKFLOW_DIR`` is False; a missing folder is not an error."""
    run = RunFolder.from_environment()
    if not flag("CLEAN_WORKFLOW_DIR", "True"):
        say(f"CLEAN_WORKFLOW_DIR is False: {run.root} stays")
        return
    if not run.root.exists():
        say(f"{run.root} does not exist: nothing to remove")
        return
    # a run's folder is below the data volume's mount point; a mount point or / is never a run's folder
    if run.root.is_mount() or len(run.root.parts) < 3 or not run.root.is_dir():
        raise ProgramError(f"WORKFLOW_DIR {run.root} is not the folder of a run, nothing was removed")
    files = sum(1 for path in run.root.rglob("*") if path.is_file())
    shutil.rmtree(run.root)
    say(f"removed {run.root} with {files} file(s)")
