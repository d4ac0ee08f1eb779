"""Files that are lost with their container: which of them an author hears about."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from harness.kube import KubeApi
from harness.run import lost_files
from harness.wire import names
from harness.wire.annotations import ANNOTATION_WRITTEN_FILES
from harness.wire.outcome import Outcome
from harness.wire.records import TaskRecord

DAG_FILES = [f"{names.DAGS_DIR}/dag_a.py", f"{names.DAGS_DIR}/a/AOperator.py"]


class FakeApi:
    """A cluster whose pods all wrote the same files."""

    def __init__(self, files: list[str]) -> None:
        self._annotations = {ANNOTATION_WRITTEN_FILES: json.dumps(files)}

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        return {"metadata": {"annotations": self._annotations}}


def found(files: list[str], image: str) -> list[str]:
    outcome = Outcome(image=image, pod="p", namespace="n", written_bytes=9000)
    task = TaskRecord(task_id="t", state="success", outcome=outcome)
    return [finding.message for finding in lost_files.collect_findings(cast(KubeApi, FakeApi(files)), [task])]


def test_files_that_a_container_wrote_outside_of_its_volumes_are_named_with_their_size() -> None:
    (message,) = found(["/output/mask.nrrd"], "r/a:1")
    assert message == "wrote /output/mask.nrrd (9000 bytes): lost with the container"


@pytest.mark.parametrize(("more", "expected"), [([], 0), (["/output/x.csv"], 1)])
def test_the_dag_files_that_the_harness_gives_to_python_code_are_not_what_it_wrote(
    more: list[str], expected: int
) -> None:
    messages = found([*DAG_FILES, *more], "")
    assert len(messages) == expected
    assert all("dag_a.py" not in message for message in messages)


def test_a_container_that_writes_into_a_dag_folder_of_its_own_is_named() -> None:
    assert len(found(DAG_FILES, "r/a:1")) == 1
