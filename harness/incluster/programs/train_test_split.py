"""A training and a test set out of the elements (operators 5.12). The program of TrainTestSplitOperator."""

from __future__ import annotations

import json
import os
import random

from harness.incluster.programs.common import ProgramError, RunFolder, read_json, require, say


def split(elements: list[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Return training and test part of the shuffled elements; a share above 1 is a number of elements.

    Raises:
        ProgramError: more elements are asked for than there are.
    """
    shuffled = sorted(elements)
    random.Random(seed).shuffle(shuffled)
    count = int(share) if share > 1 else int(len(shuffled) * share)
    if not 0 <= count <= len(shuffled):
        raise ProgramError(f"SPLIT asks for {count} of {len(shuffled)} element(s)")
    return shuffled[:count], shuffled[count:]


def main() -> None:
    """Write every element's ``metadata.json`` with its tag."""
    run = RunFolder.from_environment()
    try:
        share, seed = float(os.environ.get("SPLIT") or 0.8), int(os.environ.get("RANDOM_SEED") or 1)
    except ValueError as error:
        raise ProgramError(f"SPLIT or RANDOM_SEED is not a number: {error}") from None
    tags = os.environ.get("TRAIN_TAG") or "train", os.environ.get("TEST_TAG") or "test"
    train, _ = split([element.name for element in run.elements()], share, seed)
    for element, folder, output in run.pairs(require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")):
        tag = tags[0] if element.name in train else tags[1]
        for path in sorted(folder.glob("*.json")):  # of several only the last survives
            content = {**read_json(path), "train_test_split_tag": [tag]}
            (output / "metadata.json").write_text(json.dumps(content, indent=4, sort_keys=True), "utf-8")
        say(f"{element.name}: {tag}")
