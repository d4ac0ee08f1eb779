"""Install the models in TASK_IDS below MODEL_DIR, as a Job of the chart and as a task of a workflow.

TASK_IDS is text with commas from the chart, and a list in Python's notation from a form.
"""

import ast
import json
import os
from pathlib import Path


def wanted():
    """Return the names of the models to install."""
    text = os.environ["TASK_IDS"]
    return ast.literal_eval(text) if text.startswith("[") else [name for name in text.split(",") if name]


def main():
    known = json.loads(Path(__file__).with_name("models.json").read_text())
    for name in wanted():
        folder = Path(os.environ["MODEL_DIR"], "tissue-mask", name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").write_text(json.dumps(known[name]))
        print(f"installed {name}")
    # only a task has an output folder
    if "OPERATOR_OUT_DIR" in os.environ:
        target = Path(os.environ["WORKFLOW_DIR"], os.environ["OPERATOR_OUT_DIR"])
        target.mkdir(parents=True, exist_ok=True)
        (target / "installed.json").write_text(json.dumps(wanted()))


if __name__ == "__main__":
    main()
