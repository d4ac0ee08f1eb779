"""Unpack the models in TASK_IDS below MODEL_DIR, and write their names beside the operator, as `.models.json`.

Weights would be downloaded or unpacked here; a text file stands for them.
"""

import json
import os
from pathlib import Path


def main():
    task_ids = [task_id for task_id in os.environ["TASK_IDS"].split(",") if task_id]
    for task_id in task_ids:
        folder = Path(os.environ["MODEL_DIR"], "site-report", task_id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights.txt").write_text(task_id)
        print(f"installed {task_id}")
    target = Path(os.environ["TARGET"])
    target.mkdir(parents=True, exist_ok=True)
    (target / ".models.json").write_text(json.dumps(task_ids))


if __name__ == "__main__":
    main()
