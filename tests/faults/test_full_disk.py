"""A task is ended before the disk of the machine is full. The reserve is made larger than any disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_a_task_is_ended_with_that_cause_when_the_disk_runs_full(sound_extension: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [str(Path(sys.executable).with_name("kaapana-harness")), "run", str(sound_extension)]
    command += ["--form", "mode=hang", "--form", "ticket=a", "--out", str(out)]
    environment = {
        **os.environ,
        "KAAPANA_HARNESS_STATE_DIR": str(tmp_path / "state"),
        # a million GiB
        "KAAPANA_HARNESS_DISK_RESERVE": str(10**9),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 1, done.stderr[-3000:]
    run = json.loads((out / "run.json").read_text("utf-8"))
    assert run["cause"]["task_id"] == "faulty"
    assert "the disk ran full" in run["cause"]["summary"]
    assert run["tasks"][0]["reason"] == "Evicted"
