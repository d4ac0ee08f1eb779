"""A task that ends well without its file, and the upload that then fails over it, on a release as built."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Kaapana, Settings

DAG = """
report = FaultyOperator(dag=dag, name="report", cmds=["/bin/sh", "-c"], arguments=[WRITE])
put = MinioOperator(
    dag=dag, name="put-report", none_batch_input_operators=[report], whitelisted_file_extensions=[".html"]
)
report >> put >> clean
"""
WRITE = (
    """WRITE = 'mkdir -p "$WORKFLOW_DIR/$OPERATOR_OUT_DIR" && echo r > "$WORKFLOW_DIR/$OPERATOR_OUT_DIR/report.html"'"""
)


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Kaapana]:
    """The platform as release 0.6.0 was built, which ignores `cmds` and `arguments`."""
    settings = dataclasses.replace(Settings.load(), platform="0.6.0", reuse=False)
    with Kaapana.open(settings, evidence=tmp_path / "evidence") as kaapana:
        yield kaapana


@pytest.fixture
def tree(faults_extension: Path) -> Path:
    """The small extension with a report that is written by a command of the operator's own, and its upload."""
    file = faults_extension / "extension/docker/files/dag_faults.py"
    text = file.read_text().replace("faulty = FaultyOperator(dag=dag)\n", WRITE + "\n").replace("faulty >> clean\n", "")
    imported = "from kaapana.operators.MinioOperator import MinioOperator\n"
    file.write_text(text.replace("\nui_forms", f"{imported}\nui_forms", 1) + DAG)
    return faults_extension


def test_the_ignored_command_is_the_first_line_and_the_upload_its_consequence(release: Kaapana, tree: Path) -> None:
    run = release.install(tree).run(form={"mode": "succeed", "ticket": "a"})
    assert run.state == "failed"
    assert run.cause is not None
    assert run.cause.task_id == "report"
    assert run.cause.summary.startswith("0.6.0, 0.6.1 ignore `cmds` of `report` (")
    assert "; it succeeded, and then task put-report: exit code 1: " in run.cause.summary
    assert "no file to upload: 0 file(s) found in 1 folder(s)" in run.cause.summary
    assert "ENTRYPOINT" in run.cause.fix
