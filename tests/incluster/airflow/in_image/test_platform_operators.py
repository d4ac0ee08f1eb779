"""Modules that an extension may import though nothing behind them is emulated (operators 1, 7)."""

from __future__ import annotations

import importlib
import inspect
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.models import DAG
from kaapana.operators import HelperMinio
from kaapana.operators.Dcm2MetaJsonConverter import Dcm2MetaJsonConverter
from kaapana.operators.DcmQueryOperator import DcmQueryOperator
from kaapana.operators.GenerateThumbnailOperator import GenerateThumbnailOperator
from kaapana.operators.HelperCaching import cache_operator_output
from kaapana.operators.HelperDcmWeb import get_dcmweb_helper
from kaapana.operators.HelperFederated import apply_untar_action, federated_sharing_decorator
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator

from harness.incluster.airflow.errors import NotEmulatedError

from .conftest import context_for
from .fake_kube import FakeKube

# class -> what its constructor needs, and parameters with their defaults (operators 7)
OPERATORS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "KaapanaApplicationOperator": ({"chart_name": "c", "version": "1"}, {"name": "helm-chart", "data_dir": None}),
    "GenerateThumbnailOperator": ({"name": "thumbnail"}, {"env_vars": None}),
    "ClearValidationResultOperator": ({}, {
        "name": "clear-validation-results", "static_results_dir": "staticwebsiteresults", "validation_tag": "00111001",
        "opensearch_index": None}),
    "LocalClearValidationResultOperator": ({}, {"opensearch_index": None, "apply_project_context": False}),
    "LocalValidationResult2MetaOperator": ({"validator_output_dir": "d"}, {
        "validation_tag": "00111001", "name": "results-to-open-search", "opensearch_index": None,
        "apply_project_context": False, "index_to_default_project": False}),
    "LocalAssignDataToProjectOperator": ({}, {"from_other_project": False}),
    "DeleteFromPacsOperator": ({}, {"name": "delete-from-pacs", "delete_complete_study": False}),
    "DeleteFromMetaOperator": ({}, {
        "name": "delete-from-meta", "delete_all_documents": False, "delete_complete_study": False}),
    "LocalDeleteFromMetaOperator": ({}, {"delete_all_documents": False, "delete_complete_study": False}),
    "DcmQueryOperator": ({}, {
        "ae_title": "NONE", "local_ae_title": "KAAPANAQR", "pacs_port": "11112", "start_date": None, "end_date": None,
        "max_query_size": None, "level": "study"}),
    "LocalEmailSendOperator": ({"send_email": True}, {"name": "send-email", "trigger_rule": "all_done"}),
    "LocalAutoTriggerOperator": ({}, {}),
    "LocalCtpQuarantineCheckOperator": ({}, {
        "trigger_dag_id": "service-process-incoming-dcm", "max_number_of_batch_files": 2000,
        "target_dir": "get-input-data"}),
    "LocalCleanUpExpiredWorkflowDataOperator": ({}, {"expired_period": timedelta(days=60)}),
    "LocalServiceSyncDagsDbOperator": ({}, {}),
    "LocalMinioDataTransferOperator": ({}, {"name": "minio-data-transfer", "parallel_copy": 5}),
    "LocalRemoveDicomTagsOperator": ({}, {}),
}  # fmt: skip

MODULES = [
    *(f"kaapana.operators.{name}" for name in OPERATORS),
    *(f"kaapana.operators.Helper{name}" for name in ("Caching", "DcmWeb", "Federated", "Minio", "SendEmailService")),
    *(f"kaapana.operators.Kaapana{kind}Operator" for kind in ("Base", "PythonBase", "BranchPythonBase")),
    "kaapana.operators.Dcm2MetaJsonConverter",
    *(f"kaapana.blueprints.{n}" for n in ("kaapana_global_variables", "json_schema_templates", "kaapana_utils")),
    "kaapana.blueprints.kaapana_api",
    "kaapana.kubetools.utilization_service",
    "kaapana.kubetools.prometheus_query",
]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_the_platform_imports(module: str) -> None:
    importlib.import_module(module)


def made(name: str, dag: DAG) -> Any:
    kind = getattr(importlib.import_module(f"kaapana.operators.{name}"), name)
    arguments = dict(OPERATORS[name][0])
    if kind is GenerateThumbnailOperator:
        arguments["get_ref_series_operator"] = KaapanaBaseOperator(dag=dag, name="ref", image="x")
    return kind(dag=dag, **arguments)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_of_the_platform_itself_has_its_signature(name: str) -> None:
    kind = getattr(importlib.import_module(f"kaapana.operators.{name}"), name)
    parameters = inspect.signature(kind.__init__).parameters
    assert {key: parameters[key].default for key in OPERATORS[name][1]} == OPERATORS[name][1]
    for required in OPERATORS[name][0]:
        assert required in parameters or required == "name"


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_of_the_platform_itself_says_what_is_missing_when_it_runs(
    dag: DAG, kube: FakeKube, name: str
) -> None:
    operator = made(name, dag)
    context = context_for(operator)
    with pytest.raises(AirflowFailException, match="cannot run here"):
        operator.execute(context)
    outcome = context["pushed"]["harness_outcome"]
    assert outcome["reason"] == "NotEmulated"
    assert operator.not_emulated in outcome["message"]
    assert kube.created == []


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_of_the_platform_itself_refuses_what_it_does_not_know(dag: DAG, name: str) -> None:
    kind = getattr(importlib.import_module(f"kaapana.operators.{name}"), name)
    arguments = dict(OPERATORS[name][0])
    if kind is GenerateThumbnailOperator:
        arguments["get_ref_series_operator"] = KaapanaBaseOperator(dag=dag, name="ref", image="x")
    with pytest.raises(AirflowException, match="no_such_argument"):
        kind(dag=dag, no_such_argument=1, **arguments)


def test_a_thumbnail_has_no_name_of_its_own_and_reads_the_reference_series(dag: DAG) -> None:
    operator = made("GenerateThumbnailOperator", dag)
    assert operator.env_vars["GET_REF_SERIES_OPERATOR_DIR"] == "ref"
    assert (operator.ram_mem_mb, operator.ram_mem_mb_lmt) == (4000, 12000)
    with pytest.raises((TypeError, AirflowException), match="name"):
        GenerateThumbnailOperator(dag=dag, get_ref_series_operator=operator)


@pytest.mark.parametrize("argument", ["start_date", "end_date", "max_query_size"])
def test_a_query_with_limits_fails_when_the_dag_is_read(dag: DAG, argument: str) -> None:
    with pytest.raises(NameError):
        DcmQueryOperator(dag=dag, **{argument: "20240101"})


def test_the_older_converter_can_be_made_and_says_that_it_cannot_convert() -> None:
    with pytest.raises(NotEmulatedError):
        Dcm2MetaJsonConverter(exception_on_error=True).dcmJson2metaJson({})


class Cached:
    """As Python operators of extensions are written."""

    def __init__(self, manage_cache: str = "ignore") -> None:
        self.manage_cache = manage_cache

    @cache_operator_output
    @federated_sharing_decorator
    def start(self, ds: str = "", **kwargs: Any) -> str:
        return f"{ds} {kwargs['dag_run'].conf['x']}"


def test_decorated_methods_are_called_through() -> None:
    assert Cached().start(ds="today", dag_run=SimpleNamespace(conf={"x": 1})) == "today 1"
    assert Cached("overwrite").start(ds="today", dag_run=SimpleNamespace(conf={"x": 1})) == "today 1"


def test_a_wrong_cache_mode_and_a_federated_run_are_refused() -> None:
    with pytest.raises(AssertionError, match="sometimes"):
        Cached("sometimes").start(dag_run=SimpleNamespace(conf={"x": 1}))
    with pytest.raises(NotEmulatedError, match="federated"):
        Cached().start(dag_run=SimpleNamespace(conf={"x": 1, "federated_form": {"round": 1}}))
    with pytest.raises(NotEmulatedError, match="apply_untar_action"):
        apply_untar_action("a.tar", "b")


def test_an_external_archive_ends_the_process_as_it_does_without_its_extension() -> None:
    with pytest.raises(SystemExit) as caught:
        get_dcmweb_helper(dcmweb_endpoint="https://elsewhere")
    assert caught.value.code == 1


class FakeMinio:
    """Remembers calls."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.calls: list[tuple[str, ...]] = []

    def fput_object(self, bucket: str, name: str, path: str) -> None:
        self.calls.append(("put", bucket, name, Path(path).name))

    def remove_object(self, bucket: str, name: str) -> None:
        self.calls.append(("remove", bucket, name))

    def stat_object(self, bucket: str, name: str) -> None:
        self.calls.append(("stat", bucket, name))

    def list_objects(self, _bucket: str, recursive: bool) -> list[Any]:
        assert recursive
        return [SimpleNamespace(object_name=name) for name in self.names]


def test_files_below_folders_are_put_by_their_place_and_ending(tmp_path: Path) -> None:
    for name in ("a/one.JSON", "a/b/two.txt", "c/three.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    client = FakeMinio()
    HelperMinio.apply_action_to_object_dirs(
        minio_client=client, action="put", bucket_name="bucket", local_root_dir=str(tmp_path), object_dirs=["a"],
        file_white_tuples=(".json",), target_dir_prefix="results",
    )  # fmt: skip
    assert client.calls == [("put", "bucket", "results/a/one.JSON", "one.JSON")]


def test_objects_below_folders_are_removed_and_without_folders_all_of_them(tmp_path: Path) -> None:
    client = FakeMinio("a/1", "ab/2")
    HelperMinio.apply_action_to_object_dirs(client, "remove", "bucket", tmp_path, ["a"])
    assert client.calls == [("remove", "bucket", "a/1")]
    HelperMinio.apply_action_to_object_dirs(client, "remove", "bucket", tmp_path)
    assert client.calls[1:] == [("remove", "bucket", "a/1"), ("remove", "bucket", "ab/2")]


def test_getting_writes_no_file_as_on_the_platform_and_names_stay_inside(tmp_path: Path) -> None:
    client = FakeMinio("a/1")
    HelperMinio.apply_action_to_object_names(client, "get", "bucket", tmp_path, ["a/1"])
    assert client.calls == [("stat", "bucket", "a/1")]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="leads out of"):
        HelperMinio.apply_action_to_object_names(client, "put", "bucket", tmp_path, ["../secret"])
    with pytest.raises(AssertionError, match="'move'"):
        HelperMinio.apply_action_to_file(client, "move", "bucket", "a", tmp_path / "a")
