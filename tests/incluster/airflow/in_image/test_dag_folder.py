"""The DAG folder: good, broken, hanging and removed files (runtime 2.3)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from harness.incluster.airflow import webserver
from harness.incluster.airflow.dagfolder import DagFolder
from harness.incluster.airflow.parsing import Zygote

_IMPORT_TIMEOUT = "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT"
GOOD = """
from airflow.models import DAG
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator
from {package}.MyOperator import MyOperator
arguments = {{"ui_visible": True, "ui_forms": {{"workflow_form": {{}}}}}}
dag = DAG("{dag_id}", schedule_interval=None, default_args=arguments)
MyOperator(dag=dag) >> LocalWorkflowCleanerOperator(dag=dag)
"""
OPERATOR = """
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator, DEFAULT_REGISTRY
class MyOperator(KaapanaBaseOperator):
    def __init__(self, dag, name="{name}", **kwargs):
        super().__init__(dag=dag, name=name, image=f"{{DEFAULT_REGISTRY}}/x:1", **kwargs)
"""


def put(folder: Path, *, dag_id: str = "good-dag", package: str = "my_package", name: str = "mine") -> Path:
    # without __init__.py: the platform's operator folders are namespace packages
    (folder / package).mkdir(exist_ok=True)
    (folder / package / "MyOperator.py").write_text(OPERATOR.format(name=name))
    file = folder / f"dag_{dag_id.replace('-', '_')}.py"
    file.write_text(GOOD.format(package=package, dag_id=dag_id))
    return file


@pytest.fixture(scope="module")
def zygote() -> Zygote:
    return _fork_zygote()


def _fork_zygote() -> Zygote:
    # a fork must not bring connections of this process along
    from airflow import settings

    settings.engine.dispose()
    # as in the webserver: a file's deadline is for the file, not for Airflow's own imports
    webserver.load()
    return Zygote(import_timeout_s=float(os.environ[_IMPORT_TIMEOUT]))


@pytest.fixture
def folder(dags_folder: Path, zygote: Zygote) -> DagFolder:
    return DagFolder(dags_folder, zygote)


def test_a_good_file_becomes_a_dag_with_its_operators(dags_folder: Path, folder: DagFolder) -> None:
    from airflow.models.serialized_dag import SerializedDagModel

    file = put(dags_folder)
    assert folder.refresh() == {"dags": {"good-dag": {"fileloc": str(file), "is_paused": False}}, "import_errors": {}}
    assert sorted(SerializedDagModel.get_dag("good-dag").task_ids) == ["mine", "workflow-cleaner"]


def test_a_syntax_error_is_reported_with_its_file_and_line(dags_folder: Path, folder: DagFolder) -> None:
    (dags_folder / "dag_broken.py").write_text("# airflow dag\ndef broken(:\n")
    (error,) = folder.refresh()["import_errors"].items()
    assert error[0] == "dag_broken.py"
    assert "SyntaxError" in error[1]
    assert "line 2" in error[1]


def test_an_error_in_an_operator_shows_the_authors_line(dags_folder: Path, folder: DagFolder) -> None:
    put(dags_folder)
    (dags_folder / "dag_wrong.py").write_text(
        "from airflow.models import DAG\nfrom kaapana.operators.GetInputOperator import GetInputOperator\n"
        "GetInputOperator(dag=DAG('wrong', schedule=None), dataset_limit=3)\n"
    )
    answer = folder.refresh()
    assert "dataset_limit=3" in answer["import_errors"]["dag_wrong.py"]
    assert list(answer["dags"]) == ["good-dag"]


def test_a_file_that_never_returns_is_an_import_error_and_does_not_hide_the_others(
    dags_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # enough for the good file on a busy machine
    monkeypatch.setenv(_IMPORT_TIMEOUT, "15")
    put(dags_folder)
    (dags_folder / "dag_hang.py").write_text("# airflow dag\nimport time\nwhile True:\n    time.sleep(1)\n")
    (dags_folder / "dag_stubborn.py").write_text(
        "# airflow dag\nimport signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "while True:\n    time.sleep(1)\n"
    )
    answer = DagFolder(dags_folder, _fork_zygote()).refresh()
    assert list(answer["dags"]) == ["good-dag"]
    assert "DagBag import timeout" in answer["import_errors"]["dag_hang.py"]
    assert "DagBag import timeout" in answer["import_errors"]["dag_stubborn.py"]


def test_a_file_that_ends_its_interpreter_is_an_import_error(dags_folder: Path, folder: DagFolder) -> None:
    (dags_folder / "dag_exit.py").write_text("# airflow dag\nimport os\nos._exit(7)\n")
    assert "exit status 7" in folder.refresh()["import_errors"]["dag_exit.py"]


def test_a_dag_whose_file_is_gone_is_not_listed_any_more_and_comes_back_with_it(
    dags_folder: Path, folder: DagFolder
) -> None:
    file = put(dags_folder)
    folder.refresh()
    file.unlink()
    assert folder.refresh()["dags"] == {}
    put(dags_folder)
    assert list(folder.refresh()["dags"]) == ["good-dag"]


def test_a_changed_operator_is_seen_though_the_dag_file_is_the_same(dags_folder: Path, folder: DagFolder) -> None:
    from airflow.models.serialized_dag import SerializedDagModel

    put(dags_folder)
    folder.refresh()
    assert folder.refresh_if_changed() is False
    put(dags_folder, name="renamed")
    assert folder.refresh_if_changed() is True
    assert "renamed" in SerializedDagModel.get_dag("good-dag").task_ids


def test_a_file_without_the_two_words_is_not_looked_at(dags_folder: Path, folder: DagFolder) -> None:
    (dags_folder / "helper.py").write_text("raise RuntimeError('this must not be imported')\n")
    assert folder.refresh() == {"dags": {}, "import_errors": {}}


def test_two_files_with_one_dag_id_are_named(dags_folder: Path, folder: DagFolder) -> None:
    put(dags_folder)
    (dags_folder / "dag_second.py").write_text("from airflow.models import DAG\ndag = DAG('good-dag', schedule=None)\n")
    errors: dict[str, Any] = folder.refresh()["import_errors"]
    assert errors == {"dag_second.py": "the DAG 'good-dag' is defined in dag_good_dag.py too"}
