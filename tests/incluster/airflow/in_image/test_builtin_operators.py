"""Operators of the second tier: image, name, environment, what is fixed; Python operators at work (operators 5, 6)."""

from __future__ import annotations

import importlib
import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest
from airflow.exceptions import AirflowException
from airflow.models import DAG
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian


def make(operator: str, **arguments: Any) -> Any:
    """An operator by the name of its class."""
    return getattr(importlib.import_module(f"kaapana.operators.{operator}"), operator)(**arguments)


# class, arguments, image, name, some of the environment, memory request, time-out
PODS: list[tuple[str, dict[str, Any], str, str, dict[str, Any], int, timedelta]] = [
    ("MergeMasksOperator", {"mode": "fuse"}, "merge-masks", "combine-masks",
     {"MODE": "fuse", "FUSE_LABELS_KEY": "FUSE_LABELS", "FUSED_LABEL_NAME_KEY": "FUSED_LABEL_NAME"},
     8000, timedelta(minutes=60)),
    ("UpdateSegInfoJSONOperator", {}, "update-seginfo", "update-seginfo",
     {"MODE": "update_json"}, 8000, timedelta(minutes=60)),
    ("GetRefSeriesOperator", {"modalities": ["CT"], "search_policy": "study_uid"}, "get-ref-series", "get-ref-series",
     {"SEARCH_POLICY": "study_uid", "MODALITIES": '["CT"]', "CUSTOM_TAGS": "[]", "SKIP_EMPTY_REF_DIR": "False"},
     1000, timedelta(minutes=60)),
    ("Mask2nifitiOperator", {"dicom_operator": "other", "seg_filter": "liver"}, "mask2nifti", "mask2nifti",
     {"BASE_DICOM_DIR": "other", "OUTPUT_TYPE": "nii.gz", "SEG_FILTER": "liver", "EXIT_ON_ISSUE": "True"},
     3000, timedelta(days=5)),
    ("DcmSeg2ItkOperator", {}, "dcmqi", "dcmseg2nrrd",
     {"OUTPUT_TYPE": "nrrd", "DCMQI_COMMAND": "segimage2itkimage"}, 3000, timedelta(minutes=90)),
    ("ConnectedComponentAnalysisOperator", {"json_operator": "other"}, "cca", "cca",
     {"JSON_INFO_DIR": "other", "CONNECTIVITY": "26"}, 1000, timedelta(days=5)),
    ("ResampleOperator", {"original_img_operator": "other"}, "mitk-resample", "mitk-resample",
     {"ORG_IMG_IN_DIR": "other", "INTERPOLATOR": "1", "COPY_DATA": "False", "FORMAT": "nii.gz"},
     2000, timedelta(minutes=320)),
    ("PyRadiomicsOperator", {"segmentation_operator": "other"}, "pyradiomics", "pyradiomics",
     {"OPERATOR_IN_SEGMENATIONS_DIR": "other"}, 3000, timedelta(minutes=90)),
    ("SegmentationEvaluationOperator", {"gt_operator": "other", "test_operator": "other", "batch_test": "b"},
     "seg-eval", "segmentation-evaluation",
     {"GT_IN_DIR": "other", "BATCH_TEST": "b", "METRICS_KEY": "metrics", "TEST_SEG_EXISTS": "True"},
     5000, timedelta(hours=12)),
    ("TrainTestSplitOperator", {}, "train-test-split", "train-test-split", {}, 1000, timedelta(minutes=20)),
    ("Itk2DcmOperator", {}, "itk2dcm", "itk2dcm-converter", {}, 6000, timedelta(minutes=90)),
    ("Bin2DcmOperator", {"dicom_operator": "other", "dataset_info_operator_in_dir": "info"}, "bin2dcm", "bin2dcm",
     {"DICOM_IN_DIR": "other", "DATASET_INFO_OPERATOR_DIR": "info", "EXTENSIONS": "*.zip", "SIZE_LIMIT_MB": "100",
      "INSTANCE_NAME": "N/A", "VERSION": "0.0.0", "MANUFACTURER": "KAAPANA", "STUDY_ID": "bin2dcm"},
     5000, timedelta(minutes=10)),
    ("Pdf2DcmOperator", {"dicom_operator": "other"}, "pdf2dcm", "pdf2dcm",
     {"DICOM_IN_DIR": "other", "PDF_TITLE": "KAAPANA PDF", "AETITLE": "None", "STUDY_DES": "None"},
     500, timedelta(minutes=10)),
    ("ZipUnzipOperator", {"mode": "zip", "target_filename": "a.zip"}, "zip-unzip", "zip-unzip",
     {"MODE": "zip", "TARGET_FILENAME": "a.zip", "SUBDIR": "NONE", "BATCH_LEVEL": "False"}, 500, timedelta(minutes=10)),
    ("JupyterlabReportingOperator", {"notebook_filename": "a.ipynb", "notebook_dir": "n"}, "jupyterlab-reporting",
     "jupyterlab-reporting-operator", {"NOTEBOOK_FILENAME": "a.ipynb", "NOTEBOOK_DIR": "n", "OUTPUT_FORMAT": "html"},
     1000, timedelta(minutes=20)),
    ("Json2MetaOperator", {"json_operator": "other"}, "json2meta", "json2meta",
     {"JSON_OPERATOR_OUT_DIR": "other", "NO_UPDATE": "False", "AVALABILITY_CHECK_DELAY": "10"},
     1000, timedelta(minutes=60)),
    ("DcmModifyOperator", {"dicom_tags_to_modify": "(0010,0020)=x"}, "dcmodify", "DcmModify",
     {"DICOM_TAGS_TO_MODIFY": "(0010,0020)=x"}, 100, timedelta(minutes=90)),
    ("NotifyOperator", {"title": "t", "description": "d"}, "notify", "notify",
     {"TITLE": "t", "DESCRIPTION": "d", "TOPIC": None}, 500, timedelta(seconds=30)),
    ("DcmValidatorOperator", {}, "dicom-validator", "dicom-validator",
     {"VALIDATOR_ALGORITHM": "dciodvfy", "EXIT_ON_ERROR": "False"}, 500, timedelta(seconds=30)),
    ("Json2DcmSROperator", {"src_dicom_operator": "other"}, "dcmqi", "json2dcmSR",
     {"SRC_DICOM_OPERATOR": "other", "INPUT_FILE_EXTENSION": "*.json", "DCMQI_COMMAND": "tid1500writer"},
     1000, timedelta(minutes=90)),
]  # fmt: skip


def given(dag: DAG, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with an operator where they say ``other``."""
    other = KaapanaBaseOperator(dag=dag, name="other", image="x")
    return {name: other if value == "other" else value for name, value in arguments.items()}


@pytest.mark.parametrize(("operator", "arguments", "image", "name", "env", "memory", "timeout"), PODS)
def test_a_pod_operator_has_the_platforms_defaults(
    dag: DAG,
    operator: str,
    arguments: dict[str, Any],
    image: str,
    name: str,
    env: dict[str, Any],
    memory: int,
    timeout: timedelta,
) -> None:
    made = make(operator, dag=dag, **given(dag, arguments))
    assert made.image == f"localhost:32000/{image}:0.6.0"
    assert (made.name, made.task_id) == (name, name)
    assert env.items() <= made.env_vars.items()
    assert all(value is None or isinstance(value, str) for value in made.env_vars.values())
    assert (made.ram_mem_mb, made.execution_timeout) == (memory, timeout)


@pytest.mark.parametrize("operator", [entry[0] for entry in PODS])
def test_unknown_arguments_are_refused_by_airflow(dag: DAG, operator: str) -> None:
    arguments = next(entry[1] for entry in PODS if entry[0] == operator)
    with pytest.raises((AirflowException, TypeError), match="no_such_argument"):
        make(operator, dag=dag, no_such_argument=1, **given(dag, arguments))


@pytest.mark.parametrize(
    ("operator", "argument"),
    [
        ("Mask2nifitiOperator", {"name": "x"}),
        ("DcmSeg2ItkOperator", {"name": "x"}),
        ("MergeMasksOperator", {"keep_parallel_id": True}),
        ("TrainTestSplitOperator", {"ram_mem_mb": 1}),
        ("Json2MetaOperator", {"execution_timeout": timedelta(1)}),
    ],
)
def test_an_argument_that_a_class_fixes_cannot_be_given(dag: DAG, operator: str, argument: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="multiple values"):
        make(operator, dag=dag, **argument)


def test_merging_does_not_inherit_the_parallel_id(dag: DAG) -> None:
    first = KaapanaBaseOperator(dag=dag, name="algo", image="x", parallel_id="a")
    assert make("MergeMasksOperator", dag=dag, input_operator=first).task_id == "combine-masks"
    assert make("Mask2nifitiOperator", dag=dag, input_operator=first).task_id == "mask2nifti-a"


def test_a_caller_sees_what_is_added_to_its_environment(dag: DAG) -> None:
    env: dict[str, Any] = {"MINE": "1"}
    make("ZipUnzipOperator", dag=dag, env_vars=env)
    assert (env["MINE"], env["MODE"]) == ("1", "NONE")


def test_operators_that_need_another_say_so(dag: DAG) -> None:
    with pytest.raises(AssertionError, match="json_operator"):
        make("ConnectedComponentAnalysisOperator", dag=dag)
    with pytest.raises(AssertionError, match="data_type"):
        make("GetRefSeriesOperator", dag=dag, data_type="all")
    with pytest.raises(AssertionError, match="bool"):
        make("GetRefSeriesOperator", dag=dag, search_policy="search_query", search_query={"term": {}})
    with pytest.raises(NotImplementedError):
        make("LocalGetRefSeriesOperator", dag=dag, search_policy="study_uid")
    with pytest.raises(AssertionError, match="action"):
        make("LocalMinioOperator", dag=dag, action="list")
    with pytest.raises(AssertionError, match="action"):
        make("LocalVolumeMountOperator", dag=dag, mount_path="/x", action="x", whitelisted_file_endings=[])


@pytest.mark.parametrize(
    ("operator", "arguments", "name", "timeout"),
    [
        ("LocalFilterMasksOperator", {}, "filter-seg-label-masks", 30),
        ("LocalModifySegLabelNamesOperator", {"metainfo_input_operator": "other"}, "rename-seg-label-names", 30),
        ("LocalConcatJsonOperator", {}, "concatenated", 30),
        ("LocalTaggingOperator", {}, "tagging", 30),
        ("LocalAddToDatasetOperator", {}, "add2dataset", 30),
        ("LocalJson2MetaOperator", {"json_operator": "other"}, "json2meta", 30),
        ("LocalDcmAnonymizerOperator", {}, "dcm-anonymizer", 30),
        ("LocalDicomSendOperator", {}, "local-dcm-send", 60),
        ("LocalDcm2JsonOperator", {}, "dcm2json", 30),
        ("LocalGetInputDataOperator", {"dataset_limit": 2}, "get-input-data", 60),
        ("LocalGetRefSeriesOperator", {}, "get-ref-series", 120),
        ("LocalMinioOperator", {"action": "put"}, "minio-actions-put", 30),
        ("LocalDagTriggerOperator", {"trigger_dag_id": "child"}, "trigger_child", 15 * 60),
        (
            "LocalVolumeMountOperator",
            {"mount_path": "/x", "action": "get", "whitelisted_file_endings": [".zip"]},
            "get-mounted-files",
            30,
        ),
        (
            "LocalDcmBranchingOperator",
            {"condition": bool, "branch_true_operator": "a", "branch_false_operator": "b"},
            "branch-on-condition",
            30,
        ),
    ],
)
def test_a_python_operator_has_the_platforms_defaults(
    dag: DAG, operator: str, arguments: dict[str, Any], name: str, timeout: int
) -> None:
    made = make(operator, dag=dag, **given(dag, arguments))
    assert (made.name, made.task_id) == (name, name)
    assert made.execution_timeout == timedelta(minutes=timeout)


RUN = "my-dag-261124"


def work(operator: Any, folder: Path, **conf: Any) -> Any:
    """Call the function of an operator as Airflow does, with its folders below ``folder``."""
    operator.airflow_workflow_dir = str(folder)
    context = {"dag_run": SimpleNamespace(conf=conf, run_id=RUN, dag_id="my-dag"), "ti": SimpleNamespace(state=None)}
    result = operator.python_callable(ds="2026-11-24", **context)
    return result, context["ti"].state


def ct(path: Path, **tags: Any) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = "1.2", "1.2.3", "CT"
    for name, value in tags.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize(("modality", "branch"), [("CT", "yes"), ("MR", "no")])
def test_a_branch_is_taken_by_what_the_files_say(dag: DAG, tmp_path: Path, modality: str, branch: str) -> None:
    ct(tmp_path / RUN / "batch" / "1.2.3" / "in" / "a.dcm", Modality=modality)
    operator = make(
        "LocalDcmBranchingOperator",
        dag=dag,
        operator_in_dir="in",
        condition=lambda dataset: dataset.Modality == "CT",
        branch_true_operator="yes",
        branch_false_operator="no",
    )
    assert work(operator, tmp_path)[0] == branch


def test_the_metadata_document_of_a_series_is_written(dag: DAG, tmp_path: Path) -> None:
    element = tmp_path / RUN / "batch" / "1.2.3"
    ct(element / "in" / "a.dcm", ClinicalTrialProtocolID="kp-mine", ClinicalTrialSponsorName="kp-my-set")
    operator = make("LocalDcm2JsonOperator", dag=dag, operator_in_dir="in")
    work(operator, tmp_path, project_form={"name": "admin"})
    document = json.loads((element / "dcm2json" / "1.2.3.json").read_text())
    assert document["0020000E SeriesInstanceUID_keyword"] == "1.2.3"
    assert document["00120020 ClinicalTrialProtocolID_keyword"] == "mine"
    assert document["00120010 ClinicalTrialSponsorName_keyword"] == "my-set"
    assert document["predicted_bodypart_string"] == "N/A"
    empty = tmp_path / RUN / "batch" / "9"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match=r"no \*\.dcm"):
        work(operator, tmp_path)


def test_labels_are_filtered_by_the_form_and_renaming_nothing_asks_to_be_skipped(dag: DAG, tmp_path: Path) -> None:
    folder = tmp_path / RUN / "batch" / "1.2.3" / "in"
    folder.mkdir(parents=True)
    (folder / "p--1--liver.nii.gz").write_bytes(b"mask")
    (folder / "p--2--heart.nii.gz").write_bytes(b"mask")
    segments = [[{"labelID": number, "SegmentLabel": text}] for number, text in ((1, "liver"), (2, "heart"))]
    (folder / "p-meta.json").write_text(json.dumps({"segmentAttributes": segments}))
    entries = [{"label_name": "liver", "label_int": 1}]
    first = make("LocalFilterMasksOperator", dag=dag, operator_in_dir="in")
    work(first, tmp_path, workflow_form={"label_filter": "Keep: liver"})
    out = folder.parent / "filter-seg-label-masks"
    assert sorted(path.name for path in out.iterdir()) == ["p--1--liver.nii.gz", "p-meta.json"]
    (out / "seg_info.json").write_text(json.dumps({"seg_info": entries}))
    second = make("LocalModifySegLabelNamesOperator", dag=dag, input_operator=first, metainfo_input_operator=first)
    assert work(second, tmp_path, workflow_form={})[1] == "skipped"
    assert (folder.parent / "rename-seg-label-names" / "p--1--liver.nii.gz").is_file()


def test_an_input_operator_without_a_form_has_nothing_to_do_and_without_a_conf_fails(dag: DAG, tmp_path: Path) -> None:
    operator = make("LocalGetInputDataOperator", dag=dag)
    work(operator, tmp_path, workflow_form={})
    with pytest.raises(Exception, match="no configuration"):
        work(operator, tmp_path)


def test_an_operator_without_an_input_says_so(dag: DAG, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="give input_operator or operator_in_dir"):
        work(make("LocalConcatJsonOperator", dag=dag), tmp_path)
