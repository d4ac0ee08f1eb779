"""Constructors of the operators: names, default arguments, what is fixed (runtime 5, operators 2 and 4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.exceptions import AirflowException
from airflow.models import DAG
from kaapana.operators.DcmConverterOperator import DcmConverterOperator
from kaapana.operators.DcmSendOperator import DcmSendOperator
from kaapana.operators.GetInputOperator import GetInputOperator
from kaapana.operators.Itk2DcmSegOperator import Itk2DcmSegOperator
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from kaapana.operators.KaapanaBranchPythonBaseOperator import KaapanaBranchPythonBaseOperator
from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator
from kaapana.operators.MinioOperator import MinioOperator


class MyOperator(KaapanaBaseOperator):
    """As an extension writes it."""

    def __init__(
        self, dag: Any, name: str = "mine", execution_timeout: timedelta = timedelta(seconds=120), **kwargs: Any
    ) -> None:
        super().__init__(
            dag=dag, name=name, image="mine:1", execution_timeout=execution_timeout, ram_mem_mb=1000, **kwargs
        )


def test_the_defaults_are_those_of_the_platform(dag: DAG) -> None:
    operator = KaapanaBaseOperator(dag=dag, name="plain", image="x")
    assert (operator.task_id, operator.operator_out_dir) == ("plain", "plain")
    assert (operator.retries, operator.retry_delay) == (1, timedelta(seconds=30))
    assert operator.execution_timeout == timedelta(minutes=90)
    assert (operator.pool, operator.pool_slots) == ("NODE_RAM", 500)
    assert operator.batch_name == "batch"
    assert operator.airflow_workflow_dir == "/kaapana/mounted/workflows/data"
    assert not hasattr(operator, "operator_in_dir")


def test_default_args_fill_every_level_but_not_what_a_subclass_sets() -> None:
    dag = DAG(
        "d", schedule=None, default_args={"retries": 0, "ram_mem_mb": 7, "execution_timeout": timedelta(seconds=5)}
    )
    operator = MyOperator(dag=dag)
    assert operator.retries == 0
    assert operator.ram_mem_mb == 1000
    assert operator.execution_timeout == timedelta(seconds=5)


def test_a_parallel_id_is_appended_and_inherited_by_what_follows(dag: DAG) -> None:
    first = MyOperator(dag=dag, parallel_id="Left Lung")
    second = MyOperator(dag=dag, name="second", input_operator=first)
    third = MyOperator(dag=dag, name="third", input_operator=second, keep_parallel_id=False)
    assert first.task_id == "mine-left-lung"
    assert (second.task_id, second.operator_in_dir) == ("second-left-lung", "mine-left-lung")
    assert third.task_id == "third"


def test_an_explicit_output_folder_gets_no_suffix(dag: DAG) -> None:
    assert MyOperator(dag=dag, parallel_id="x", operator_out_dir="out").operator_out_dir == "out"


def test_two_inputs_contradict_each_other(dag: DAG) -> None:
    with pytest.raises(NameError):
        MyOperator(dag=dag, name="b", input_operator=MyOperator(dag=dag), operator_in_dir="x")


def test_a_gpu_is_forgotten_where_the_platform_has_none(dag: DAG) -> None:
    assert MyOperator(dag=dag, gpu_mem_mb=5000).gpu_mem_mb is None


@pytest.mark.parametrize(
    "name", ["depends_on_past", "email_on_failure", "on_failure_callback", "executor_config", "start_date"]
)
def test_arguments_that_the_platform_sets_cannot_be_given_too(dag: DAG, name: str) -> None:
    with pytest.raises(TypeError, match=f"multiple values for keyword argument '{name}'"):
        MyOperator(dag=dag, **{name: None})


def test_an_unknown_argument_is_named(dag: DAG) -> None:
    with pytest.raises(AirflowException, match="dataset_limit"):
        GetInputOperator(dag=dag, dataset_limit=3)


@pytest.mark.parametrize(
    ("operator", "argument"),
    [
        (GetInputOperator, "env_vars"), (GetInputOperator, "ram_mem_mb_lmt"), (GetInputOperator, "execution_timeout"),
        (GetInputOperator, "image"), (DcmConverterOperator, "image_pull_secrets"), (DcmSendOperator, "ram_mem_mb"),
        (MinioOperator, "env_vars"), (MinioOperator, "max_active_tis_per_dag"), (LocalWorkflowCleanerOperator, "name"),
    ],
)  # fmt: skip
def test_fixed_arguments_of_the_built_ins_cannot_be_given(dag: DAG, operator: Any, argument: str) -> None:
    with pytest.raises(TypeError, match=f"multiple values for keyword argument '{argument}'"):
        operator(dag=dag, **{argument: None})


def test_the_segmentation_operator_passes_its_settings_by_the_platforms_names(dag: DAG) -> None:
    source, algorithm = GetInputOperator(dag=dag), MyOperator(dag=dag)
    operator = Itk2DcmSegOperator(
        dag=dag,
        input_operator=source,
        segmentation_operator=algorithm,
        input_type="multi_label_seg",
        skip_empty_slices=True,
    )
    assert operator.image == "localhost:32000/dcmqi:0.6.0"
    assert (operator.ram_mem_mb, operator.ram_mem_mb_lmt) == (6000, 12000)
    expected = {
        "INPUT_TYPE": "multi_label_seg",
        "OPERATOR_IMAGE_LIST_INPUT_DIR": "mine",
        "SINGLE_LABEL_SEG_INFO": None,
        "CREATE_MULIT_LABEL_DCM_FROM_SINGLE_LABEL_SEGS": "False",
        "SKIP_EMPTY_SLICES": "True",
        "CREATOR_NAME": "kaapana",
        "DCMQI_COMMAND": "itkimage2segimage",
    }
    assert expected.items() <= operator.env_vars.items()
    assert operator.operator_in_dir == "get-input-data"


def test_masks_come_from_exactly_one_place(dag: DAG) -> None:
    with pytest.raises(NameError):
        Itk2DcmSegOperator(dag=dag, input_operator=GetInputOperator(dag=dag))


def test_the_sender_goes_to_the_platforms_receiver_with_its_network_label(dag: DAG) -> None:
    operator = DcmSendOperator(dag=dag)
    own = {"PACS_HOST": "ctp-dicom-service.services.svc", "PACS_PORT": "11112", "AETITLE": "NONE", "LEVEL": "element"}
    assert own.items() <= operator.env_vars.items()
    assert operator.labels == {"network-access-ctp": "true", "kaapana.ai/type": "processing-container"}
    with pytest.raises(NameError):
        DcmSendOperator(dag=dag, name="x", level="study")


def test_the_uploader_joins_a_plain_string_by_its_characters(dag: DAG) -> None:
    operator = MinioOperator(dag=dag, batch_input_operators=[MyOperator(dag=dag)], whitelisted_file_extensions=".json")
    assert operator.env_vars["WHITELISTED_FILE_EXTENSIONS"] == ".,j,s,o,n"
    assert operator.env_vars["BATCH_INPUT_OPERATORS"] == "mine"
    assert operator.env_vars["BUCKET_NAME"] == "None"


def test_the_converter_refuses_formats_it_does_not_know(dag: DAG) -> None:
    with pytest.raises(ValueError, match="'mha'"):
        DcmConverterOperator(dag=dag, output_format="mha")


def test_python_operators_have_their_own_defaults(dag: DAG) -> None:
    operator = KaapanaPythonBaseOperator(dag=dag, name="python", python_callable=print)
    branch = KaapanaBranchPythonBaseOperator(dag=dag, name="branch", python_callable=print, input_operator=operator)
    assert (operator.ram_mem_mb, operator.execution_timeout) == (100, timedelta(minutes=30))
    assert branch.operator_in_dir == "python"


def test_a_missing_service_url_makes_the_operator_fail_like_on_the_platform(
    dag: DAG, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AII_URL")
    with pytest.raises(KeyError, match="AII_URL"):
        MyOperator(dag=dag)


def test_a_code_server_has_no_time_limit_and_other_servers_do_not_exist(dag: DAG) -> None:
    assert MyOperator(dag=dag, dev_server="code-server").execution_timeout is None
    with pytest.raises(NameError):
        MyOperator(dag=dag, name="b", dev_server="jupyterlab")


def test_a_pool_that_is_given_keeps_its_slots(dag: DAG) -> None:
    operator = KaapanaBaseOperator(dag=dag, name="a", image="x", pool="default_pool", pool_slots=3)
    plain = KaapanaBaseOperator(dag=dag, name="b", image="x", pool="default_pool")
    assert (operator.pool, operator.pool_slots, plain.pool_slots) == ("default_pool", 3, 1)


def test_the_scheduler_gets_the_arguments_and_the_platform_fills_in_the_rest_later(dag: DAG) -> None:
    operator = KaapanaBaseOperator(dag=dag, name="a", image="x", cpu_millicores=250)
    assert operator.executor_config == {
        "cpu_millicores": 250, "ram_mem_mb": 500, "gpu_mem_mb": None, "enable_job_scheduler": True
    }  # fmt: skip
    assert (operator.volumes, operator.volume_mounts) == ([], [])
    assert operator.HELM_API == "http://kube-helm-service.admin.svc:5000"
    with pytest.raises(AirflowException, match="volumes"):
        KaapanaBaseOperator(dag=dag, name="b", image="x", volumes=[])


def test_federated_learning_keeps_the_output_of_earlier_rounds(dag: DAG) -> None:
    operator = KaapanaBaseOperator(dag=dag, name="a", image="x", allow_federated_learning=True)
    assert operator.delete_output_on_start is False


def test_defaults_of_every_parameter_are_those_of_the_table(dag: DAG) -> None:
    import inspect

    parameters = inspect.signature(KaapanaBaseOperator.__init__).parameters
    expected = {
        "image": None, "input_operator": None, "operator_in_dir": None, "operator_out_dir": None, "task_id": None,
        "parallel_id": None, "keep_parallel_id": True, "trigger_rule": "all_success", "ram_mem_mb": 500,
        "ram_mem_mb_lmt": None, "cpu_millicores": None, "cpu_millicores_lmt": None, "gpu_mem_mb": None,
        "gpu_mem_mb_lmt": None, "retries": 1, "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(minutes=90), "max_active_tis_per_dag": None, "manage_cache": None,
        "allow_federated_learning": False, "whitelist_federated_learning": None, "delete_input_on_success": False,
        "delete_output_on_start": True, "enable_proxy": False, "no_proxy": None, "batch_name": None,
        "airflow_workflow_dir": None, "cmds": None, "arguments": None, "env_vars": None, "image_pull_secrets": None,
        "priority_weight": 1, "priority_class_name": "kaapana-low-priority", "namespace": None,
        "image_pull_policy": "IfNotPresent", "pod_resources": None, "in_cluster": False, "cluster_context": None,
        "config_file": None, "get_logs": True, "xcom_push": False, "affinity": None, "node_selectors": None,
        "tolerations": None, "kind": "Pod", "api_version": "v1", "labels": None, "annotations": None, "secrets": None,
        "pool": None, "pool_slots": None, "dev_server": None, "display_name": "-", "launch_application_chart": "",
    }  # fmt: skip
    assert {name: parameters[name].default for name in expected} == expected
    assert set(parameters) == {*expected, "self", "dag", "name", "startup_timeout_seconds", "kwargs"}
