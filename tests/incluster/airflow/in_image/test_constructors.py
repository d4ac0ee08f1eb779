"""Arguments that the platform's constructors keep, accept and refuse (runtime 5.0, 5.2, operators 2.1)."""

from __future__ import annotations

import importlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import AirflowException
from airflow.models import DAG
from airflow.models.skipmixin import SkipMixin
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from kaapana.operators.KaapanaBranchPythonBaseOperator import KaapanaBranchPythonBaseOperator
from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from .conftest import PLATFORM_ENV, context_for
from .fake_kube import FakeKube

OPERATORS = Path(importlib.import_module("kaapana.operators").__path__[0])
NAMES = sorted(
    path.stem
    for path in OPERATORS.glob("*Operator.py")
    if path.stem not in ("KaapanaBaseOperator", "KaapanaPythonBaseOperator", "KaapanaBranchPythonBaseOperator")
)

# what the constructors need beside the DAG; "other" is another operator
NEEDED: dict[str, dict[str, Any]] = {
    "ConnectedComponentAnalysisOperator": {"json_operator": "other"},
    "DcmModifyOperator": {"dicom_tags_to_modify": "(0010,0020)=x"},
    "GenerateThumbnailOperator": {"get_ref_series_operator": "other", "name": "thumbnail"},
    "Itk2DcmSegOperator": {"segmentation_operator": "other"},
    "Json2DcmSROperator": {"src_dicom_operator": "other"},
    "Json2MetaOperator": {"json_operator": "other"},
    "JupyterlabReportingOperator": {"notebook_filename": "a.ipynb", "notebook_dir": "n"},
    "KaapanaApplicationOperator": {"chart_name": "c", "version": "1"},
    "LocalDagTriggerOperator": {"trigger_dag_id": "child"},
    "LocalDcmBranchingOperator": {"condition": bool, "branch_true_operator": "a", "branch_false_operator": "b"},
    "LocalEmailSendOperator": {"send_email": True},
    "LocalJson2MetaOperator": {"json_operator": "other"},
    "LocalMinioOperator": {"action": "put"},
    "LocalModifySegLabelNamesOperator": {"metainfo_input_operator": "other"},
    "LocalValidationResult2MetaOperator": {"validator_output_dir": "d"},
    "LocalVolumeMountOperator": {"mount_path": "/x", "action": "get", "whitelisted_file_endings": [".zip"]},
    "NotifyOperator": {"title": "t", "description": "d"},
    "PyRadiomicsOperator": {"segmentation_operator": "other"},
    "ResampleOperator": {"original_img_operator": "other"},
    "SegmentationEvaluationOperator": {
        "gt_operator": "other", "test_operator": "other", "batch_gt": "a", "batch_test": "b"
    },
}  # fmt: skip

# operators 2.1: keyword -> a value for it, classes that refuse it (without "Operator")
REFUSED: dict[str, tuple[Any, str]] = {
    "env_vars": ({"MINE": "1"}, """ClearValidationResult DeleteFromMeta DeleteFromPacs GetInput GetRefSeries Json2Meta
        JupyterlabReporting LocalWorkflowCleaner Minio"""),
    "execution_timeout": (timedelta(minutes=7), """ClearValidationResult DeleteFromMeta DeleteFromPacs GetInput
        GetRefSeries Json2Meta Minio LocalDicomSend LocalGetInputData GenerateThumbnail LocalMinio LocalGetRefSeries
        LocalCtpQuarantineCheck LocalMinioDataTransfer KaapanaApplication LocalDagTrigger"""),
    "max_active_tis_per_dag": (3, """ClearValidationResult DeleteFromMeta DeleteFromPacs GetInput GetRefSeries
        Json2Meta Minio LocalGetInputData"""),
    "ram_mem_mb": (77, """Bin2Dcm ClearValidationResult ConnectedComponentAnalysis DcmModify DcmSeg2Itk DcmSend
        DeleteFromMeta DeleteFromPacs GenerateThumbnail GetRefSeries Itk2Dcm Itk2DcmSeg Json2DcmSR Json2Meta
        JupyterlabReporting Mask2nifiti Minio PyRadiomics Resample SegmentationEvaluation TrainTestSplit
        LocalAssignDataToProject LocalDcm2Json LocalDcmBranching LocalJson2Meta LocalRemoveDicomTags"""),
    "ram_mem_mb_lmt": (99, """ConnectedComponentAnalysis DcmSeg2Itk DcmSend GenerateThumbnail GetInput Itk2Dcm
        Itk2DcmSeg JupyterlabReporting Mask2nifiti PyRadiomics SegmentationEvaluation TrainTestSplit"""),
    "keep_parallel_id": (True, "Bin2Dcm DcmModify MergeMasks UpdateSegInfoJSON"),
    "enable_proxy": (False, "MergeMasks UpdateSegInfoJSON"),
    "labels": ({"a": "b"}, "SegmentationEvaluation"),
    "batch_name": ("mine", "SegmentationEvaluation"),
    "name": ("mine", """LocalWorkflowCleaner ConnectedComponentAnalysis DcmQuery DcmSeg2Itk Json2DcmSR Mask2nifiti
        Pdf2Dcm PyRadiomics Resample ZipUnzip LocalDcm2Json LocalDcmAnonymizer LocalJson2Meta LocalDicomSend
        LocalDagTrigger LocalAssignDataToProject LocalDeleteFromMeta LocalAutoTrigger LocalCleanUpExpiredWorkflowData
        LocalCtpQuarantineCheck LocalServiceSyncDagsDb LocalRemoveDicomTags"""),
}  # fmt: skip
POD_ONLY = {"env_vars", "enable_proxy", "labels"}
"""Python operators know these not at all."""


def kind(name: str) -> Any:
    return getattr(importlib.import_module(f"kaapana.operators.{name}"), name)


def make(dag: DAG, operator: str, /, **more: Any) -> Any:
    """An operator of a class of the platform, with what it needs and what is given."""
    arguments = {**NEEDED.get(operator, {}), **more}
    for key, value in arguments.items():
        if value == "other":
            other = dag.task_dict.get("other") or KaapanaBaseOperator(dag=dag, name="other", image="x")
            arguments[key] = other
    return kind(operator)(dag=dag, **arguments)


def ended(dag: DAG, name: str, keyword: str, value: Any) -> str:
    """How an operator takes a keyword: ``refused``, ``unknown``, ``taken``, or with another value."""
    try:
        operator = make(dag, name, **{keyword: value, "parallel_id": keyword})
    except TypeError as error:
        return "refused" if f"multiple values for keyword argument '{keyword}'" in str(error) else str(error)
    except AirflowException as error:
        return "unknown" if "Invalid arguments" in str(error) else str(error)
    kept = getattr(operator, keyword, value)
    taken = value.items() <= kept.items() if isinstance(value, dict) else kept == value
    return "taken" if taken else f"has {kept!r}"


@pytest.mark.parametrize("name", NAMES)
def test_a_class_takes_and_refuses_the_keywords_of_the_table(dag: DAG, name: str) -> None:
    expected, found = {}, {}
    for keyword, (value, refused) in REFUSED.items():
        expected[keyword] = "taken"
        if name.removesuffix("Operator") in refused.split():
            expected[keyword] = "refused"
        elif keyword in POD_ONLY and not issubclass(kind(name), KaapanaBaseOperator):
            expected[keyword] = "unknown"
        found[keyword] = ended(dag, name, keyword, value)
    assert found == expected


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(("Local", "KaapanaApplication"))])
def test_the_callable_of_a_python_class_cannot_be_given(dag: DAG, name: str) -> None:
    if not issubclass(kind(name), KaapanaBaseOperator):
        with pytest.raises(TypeError, match="multiple values for keyword argument 'python_callable'"):
            make(dag, name, python_callable=print)


@pytest.mark.parametrize(
    ("name", "task_id"),
    [
        ("LocalDeleteFromMetaOperator", "delete-meta"),
        ("LocalCleanUpExpiredWorkflowDataOperator", "clean-up"),
        ("LocalCtpQuarantineCheckOperator", "ctp-quarantine-check"),
        ("LocalServiceSyncDagsDbOperator", "remove-deleted-dags-from-db"),
    ],
)
def test_a_fixed_name_is_the_platforms(dag: DAG, name: str, task_id: str) -> None:
    assert make(dag, name).task_id == task_id


@pytest.mark.parametrize("action", ["remove", "list", ""])
def test_the_uploader_knows_get_and_put_only(dag: DAG, action: str) -> None:
    with pytest.raises(AssertionError, match="'get' or 'put'"):
        make(dag, "MinioOperator", action=action)
    with pytest.raises(AttributeError):
        make(dag, "MinioOperator", action=None)
    assert make(dag, "MinioOperator", action="GET").env_vars["ACTION"] == "get"


# --- what is kept ----------------------------------------------------------------------------------------------------


class WritesIntoItsDefault(KaapanaBaseOperator):
    """The idiom of nine classes of the platform's own extensions (operators 2.1)."""

    def __init__(self, dag: Any, mode: str, env_vars: dict[str, str] = {}, **kwargs: Any) -> None:  # noqa: B006
        env_vars["MODE"] = mode
        super().__init__(dag=dag, name=f"do-{mode}", image="lines/exit-0", env_vars=env_vars, **kwargs)


def test_operators_of_a_class_that_writes_into_its_default_keep_their_own_environment(dag: DAG, kube: FakeKube) -> None:
    first, second = WritesIntoItsDefault(dag=dag, mode="one"), WritesIntoItsDefault(dag=dag, mode="two")
    assert (first.env_vars["MODE"], second.env_vars["MODE"]) == ("one", "two")
    for operator in (first, second):
        operator.execute(context_for(operator))
    modes = [
        next(entry["value"] for entry in pod["spec"]["containers"][0]["env"] if entry["name"] == "MODE")
        for pod in kube.pods()
    ]
    assert modes == ["one", "two"]


@pytest.mark.parametrize("name", NAMES)
def test_a_pod_operator_copies_the_environment_that_it_is_given(dag: DAG, name: str) -> None:
    if (
        not issubclass(kind(name), KaapanaBaseOperator)
        or name.removesuffix("Operator") in REFUSED["env_vars"][1].split()
    ):
        pytest.skip("takes none")
    given = {"MINE": "1"}
    operator = make(dag, name, env_vars=given)
    given["MINE"] = "2"
    assert operator.env_vars["MINE"] == "1"


def test_labels_are_the_authors_own_dictionary_unless_it_is_empty(dag: DAG) -> None:
    given: dict[str, str] = {"mine": "1"}
    empty: dict[str, str] = {}
    operator = KaapanaBaseOperator(dag=dag, name="a", image="x", labels=given)
    assert operator.labels is given
    assert given == {"mine": "1", "kaapana.ai/type": "processing-container"}
    KaapanaBaseOperator(dag=dag, name="b", image="x", labels=empty)
    assert empty == {}


def test_an_operator_holds_what_subclasses_read(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATADIR", "/data")
    monkeypatch.setenv("PROXY", "http://proxy")
    first = KaapanaBaseOperator(dag=dag, name="a", image="x", env_vars={"AII_URL": "mine"}, enable_proxy=True)
    second = KaapanaBaseOperator(dag=dag, name="b", image="x", input_operator=first, cmds="sh", arguments=["-c"])
    assert (first.data_dir, first.model_dir) == ("/data", "")
    assert (first.services_namespace, first.admin_namespace, first.result_message) == ("services", "admin", None)
    assert (second.cmds, second.arguments, first.cmds) == (["sh"], ["-c"], None)
    assert (first.annotations, first.node_selectors, first.affinity) == ({}, {}, {})
    assert (first.image_pull_secrets, first.secrets) == (["registry-secret"], [])
    assert (first.get_logs, first.xcom_push) == (True, False)
    assert first.pod_resources.limits == {"cpu": None, "memory": "600Mi", "nvidia.com/gpu": 0}
    assert first.pod_resources.requests == {"cpu": None, "memory": "500Mi"}
    assert isinstance(first, SkipMixin)
    services = {name: value for name, value in PLATFORM_ENV.items() if name.endswith("_URL")}
    assert first.env_vars == {
        **services, "SERVICES_NAMESPACE": "services", "ADMIN_NAMESPACE": "admin", "AII_URL": "mine",
        "http_proxy": "http://proxy", "https_proxy": "http://proxy",
    }  # fmt: skip
    assert second.env_vars == {
        **services, "SERVICES_NAMESPACE": "services", "ADMIN_NAMESPACE": "admin", "OPERATOR_IN_DIR": "a"
    }  # fmt: skip


def test_a_change_after_construction_reaches_the_pod(dag: DAG, kube: FakeKube) -> None:
    operator = KaapanaBaseOperator(dag=dag, name="a", image="lines/exit-0")
    operator.env_vars["LATE"] = "1"
    del operator.env_vars["MINIO_URL"]
    operator.execute(context_for(operator))
    (pod,) = kube.pods()
    names = {entry["name"] for entry in pod["spec"]["containers"][0]["env"]}
    assert "LATE" in names
    assert "MINIO_URL" not in names
    assert "KEYCLOAK_URL" in names


# --- keywords of Airflow ---------------------------------------------------------------------------------------------

PYTHON = (KaapanaPythonBaseOperator, KaapanaBranchPythonBaseOperator)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("depends_on_past", True),
        ("wait_for_downstream", True),
        ("email", "a@b.example"),
        ("email_on_failure", True),
        ("email_on_retry", True),
        ("on_retry_callback", print),
        ("on_execute_callback", print),
        ("op_args", [1]),
        ("op_kwargs", {"a": 1}),
        ("templates_dict", {"a": 1}),
        ("doc_md", "x"),
        ("queue", "x"),
    ],
)
@pytest.mark.parametrize("operator", PYTHON)
def test_python_operators_take_every_keyword_of_airflow(dag: DAG, operator: Any, keyword: str, value: Any) -> None:
    made = operator(dag=dag, name="a", python_callable=print, **{keyword: value})
    kept = getattr(made, keyword)
    assert kept == value or kept == [value]
    by_default = DAG("other", schedule=None, default_args={keyword: value})
    kept = getattr(operator(dag=by_default, name="a", python_callable=print), keyword)
    assert kept == value or kept == [value]


@pytest.mark.parametrize("operator", PYTHON)
def test_python_operators_take_a_start_date_and_need_none(dag: DAG, operator: Any) -> None:
    from datetime import datetime, timezone

    start = datetime(2024, 1, 2, tzinfo=timezone.utc)
    assert operator(dag=dag, name="a", python_callable=print, start_date=start).start_date == start
    operator(dag=dag, name="b", python_callable=print)


@pytest.mark.parametrize(
    "keyword", ["executor_config", "on_success_callback", "on_failure_callback", "provide_context"]
)
@pytest.mark.parametrize("operator", PYTHON)
def test_python_operators_refuse_what_they_set_themselves(dag: DAG, operator: Any, keyword: str) -> None:
    with pytest.raises(TypeError, match=f"multiple values for keyword argument '{keyword}'"):
        operator(dag=dag, name="a", python_callable=print, **{keyword: None})


def test_an_executor_can_be_given_to_a_branch_and_to_a_pod_only(dag: DAG) -> None:
    with pytest.raises(TypeError, match="'executor'"):
        KaapanaPythonBaseOperator(dag=dag, name="a", python_callable=print, executor=None)
    KaapanaBranchPythonBaseOperator(dag=dag, name="b", python_callable=print, executor=None)
    KaapanaBaseOperator(dag=dag, name="c", image="x", executor=None, doc_md="x", queue="y")


@pytest.mark.parametrize(
    "keyword",
    [
        "email", "email_on_retry", "email_on_failure", "start_date", "depends_on_past", "wait_for_downstream",
        "on_failure_callback", "on_success_callback", "on_retry_callback", "on_execute_callback", "executor_config",
    ],
)  # fmt: skip
def test_a_pod_operator_refuses_what_it_sets_itself(dag: DAG, keyword: str) -> None:
    with pytest.raises(TypeError, match=f"multiple values for keyword argument '{keyword}'"):
        KaapanaBaseOperator(dag=dag, name="a", image="x", **{keyword: None})
