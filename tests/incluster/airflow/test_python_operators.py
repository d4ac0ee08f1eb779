"""Python operators and branches on a platform: they see what the containers of their run have written (runtime 3)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

SMALL = Path(__file__).resolve().parents[2] / "faults" / "extension"

DAG = '''
"""A container writes, Python code reads, a branch decides by what it has read."""

from datetime import timedelta
from pathlib import Path

from airflow.models import DAG
from airflow.operators.empty import EmptyOperator
from airflow.utils.dates import days_ago
from faults.FaultyOperator import FaultyOperator
from kaapana.operators.KaapanaBranchPythonBaseOperator import KaapanaBranchPythonBaseOperator
from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator

ui_forms = {
    "data_form": {},
    "workflow_form": {"type": "object", "properties": {"value": {"type": "integer", "default": 7}}},
}
args = {"ui_visible": True, "ui_forms": ui_forms, "owner": "kaapana", "start_date": days_ago(0), "retries": 0}
dag = DAG(dag_id="python-code", default_args=args, schedule_interval=None)


def files(operator, run_id):
    return sorted((Path(operator.airflow_workflow_dir) / run_id / operator.batch_name).glob("*/writer/value.txt"))


def double(ds, **kwargs):
    operator, run_id = kwargs["task"], kwargs["dag_run"].run_id
    found = files(operator, run_id)
    assert len(found) == 1, f"{len(found)} files of the container"
    value = int(found[0].read_text())
    if value == 13:
        raise ValueError("thirteen brings bad luck")
    target = found[0].parents[1] / operator.operator_out_dir
    target.mkdir()
    (target / "value.txt").write_text(str(2 * value))
    print(f"doubled {value} of {kwargs['dag_run'].conf['project_form']['name']}")


def choose(**kwargs):
    return "seen" if files(kwargs["task"], kwargs["dag_run"].run_id) else "unseen"


writer = FaultyOperator(dag=dag, name="writer")
doubled = KaapanaPythonBaseOperator(dag=dag, name="doubled", python_callable=double, input_operator=writer)
reader = FaultyOperator(dag=dag, name="reader", input_operator=doubled)
branch = KaapanaBranchPythonBaseOperator(dag=dag, name="branch", python_callable=choose)
seen, unseen = EmptyOperator(task_id="seen", dag=dag), EmptyOperator(task_id="unseen", dag=dag)
clean = LocalWorkflowCleanerOperator(dag=dag, trigger_rule="none_failed_min_one_success")
writer >> doubled >> reader >> branch >> [seen, unseen] >> clean
'''

PROGRAM = '''
"""Write a value, or print the one that another task has written."""

import os
from pathlib import Path

element = Path(os.environ["BATCHES_INPUT_DIR"]) / "1.2.3"
source = os.environ.get("OPERATOR_IN_DIR")
if source:
    print("read", (element / source / "value.txt").read_text())
else:
    target = element / os.environ["OPERATOR_OUT_DIR"]
    target.mkdir(parents=True)
    (target / "value.txt").write_text(os.environ["VALUE"])
'''


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small extension with another DAG and another program."""
    folder = Path(shutil.copytree(SMALL, tmp_path_factory.mktemp("python-code") / "extension"))
    (folder / "extension" / "docker" / "files" / "dag_faults.py").write_text(DAG)
    (folder / "processing-containers" / "faulty" / "files" / "faulty.py").write_text(PROGRAM)
    return folder


def test_python_code_and_branches_work_on_the_files_of_their_run(kaapana: Any, tree: Path) -> None:
    run = kaapana.install(tree).run()
    assert run.succeeded, run.cause
    assert "doubled 7 of " in run.task("doubled").log
    assert "read 14" in run.task("reader").log
    assert (run.task("seen").state, run.task("unseen").state) == ("success", "skipped")
    (finding,) = [finding for finding in run.on_other_releases if finding.rule == "branch-without-data"]
    assert (finding.where, finding.platforms) == ("branch", ("0.6.0", "0.6.1"))


def test_an_exception_of_python_code_is_the_first_line_of_the_failure(kaapana: Any, tree: Path) -> None:
    run = kaapana.install(tree).run(form={"value": 13})
    assert not run.succeeded
    assert run.cause.task_id == "doubled"
    assert "ValueError: thirteen brings bad luck" in run.cause.summary
    assert "in double" in run.cause.detail
