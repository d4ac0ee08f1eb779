"""The next step for what DAG files are known to fail with."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from harness import extension
from harness.artefacts.package import ChartPackage
from harness.platform import install
from harness.platform.import_advice import advise_on_import
from harness.platform.manifests import Rendered
from harness.platform.planning import InstallPlan
from tests.extension.trees_for_tests import write


@pytest.mark.parametrize(
    ("trace", "words"),
    [
        (
            "airflow.exceptions.DuplicateTaskIdFound: Task id 'mask2nifti' has already been added to the DAG",
            "mask2nifti",
        ),
        ("TypeError: KaapanaBaseOperator.__init__() got multiple values for keyword argument 'image'", "sets image"),
        (
            "Invalid arguments were passed to GetInputOperator (task_id: get-input-data). Invalid arguments were:\n"
            "**kwargs: {'dataset_limit': 3}",
            "GetInputOperator of the chosen release has no parameter dataset_limit",
        ),
        ("airflow.exceptions.AirflowException: Use keyword arguments when initializing operators", "dag=dag"),
        (
            "TypeError: OtsusMethodOperator.__init__() got an unexpected keyword argument 'default_args'",
            "OtsusMethodOperator must take **kwargs",
        ),
        ("ModuleNotFoundError: No module named 'sklearn'", "an extension cannot add one"),
        ("ModuleNotFoundError: No module named 'other_extension'", "when that one is installed first"),
        ("the DAG 'mean' is defined in dag_old.py too", "dag_old.py has a DAG with this id"),
        ("ModuleNotFoundError: No module named 'torch'", "platform's Airflow has torch, the harness's does not"),
        ("ModuleNotFoundError: No module named 'task_api.processing_container'", "task_api, the harness's does not"),
        (
            "  File \"<frozen os>\", in environ\nKeyError: 'MY_HOST'",
            "does not exist in the platform's Airflow",
        ),
        ("ZeroDivisionError: division by zero", "scheduler's log"),
        (
            "No module named 'kaapana.kubetools.resources'",
            "no kubetools.resources, which earlier ones had: use ram_mem",
        ),
        (
            "ImportError: cannot import name 'default_project' from 'kaapana.operators.KaapanaBaseOperator' (/x.py)",
            "no default_project, which earlier ones had: DEFAULT_REGISTRY holds host and path",
        ),
        ("No module named 'kaapana.operators.CombineMasksOperator'", 'use MergeMasksOperator(mode="combine")'),
        ("No module named 'kaapana.operators.MyOperator'", "has no operators.MyOperator: correct the name, or bring a"),
        ("ModuleNotFoundError: No module named 'kaapana_extras'", "an extension cannot add one"),
    ],
)
def test_a_dag_file_that_does_not_import_gets_its_next_step(trace: str, words: str) -> None:
    assert words in advise_on_import(trace)


def test_a_module_of_an_extension_that_is_installed_later_names_that_one() -> None:
    trace = "ModuleNotFoundError: No module named 'pyradiomics.PyRadiomicsOperator'"
    advice = advise_on_import(trace, {"pyradiomics": "radiomics-workflow"})
    assert advice.startswith("pyradiomics comes with radiomics-workflow: install that one first")
    assert "radiomics-workflow" not in advise_on_import(trace, {"nnunet": "nnunet-workflow"})


def test_of_several_charts_each_knows_the_modules_of_those_after_it(tmp_path: Path) -> None:
    source = extension.read(write(tmp_path))
    package = cast(ChartPackage, source.chart)
    plan = InstallPlan(package, {}, Rendered((), ()), {}, "dag-mean:1", source.contents, (), ())
    assert install._installable(plan, (), [plan]).coming == {"dag_mean": "mean-workflow", "mean_value": "mean-workflow"}
    assert install._installable(plan, (), []).coming == {}
