"""One small DAG on every release: each difference of the profiles, by its name, as the pods show it (runtime 17)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomllib
from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from airflow.models import DAG
from kaapana.operators.Itk2DcmSegOperator import Itk2DcmSegOperator
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow import config, operatorpod, pythontask
from harness.kube.client import KubeApi

from .conftest import context_for
from .fake_kube import FakeKube

PROFILES = Path("/work/profiles")
ALL = ("0.4", "0.5.0", "0.5.3", "0.6.0", "0.6.1", "documented")
OLD = ("0.4", "0.5.0", "0.5.3")
FORM = {"workflow_form": {"bins": 1}, "form_data": {"bins": 1}, "project_form": {"kubernetes_namespace": "project-a"}}


@pytest.fixture(params=ALL)
def release(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a release; the operators of the test follow it."""
    data = tomllib.loads((PROFILES / f"{request.param}.toml").read_text("utf-8"))
    monkeypatch.setenv("KAAPANA_HARNESS_PROFILE", json.dumps(data))
    return str(request.param)


def run(dag: DAG, kube: FakeKube, image: str = "lines/exit-0", attempt: int = 1, **arguments: Any) -> dict[str, Any]:
    """Run one task; its pod."""
    operator = KaapanaBaseOperator(dag=dag, name="my-task", image=image, **arguments)
    operator.execute(context_for(operator, conf=FORM, attempt=attempt))
    return kube.pods()[0]


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["spec"]["containers"]
    return dict(only)


def environment(pod: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container(pod)["env"]}


def old_or_new(old: Any, new: Any) -> Callable[[str], Any]:
    """What 0.4 and 0.5 do, and what 0.6.0 and the guide have in common."""
    return lambda release: old if release in OLD else new


def built(old: Any, as_built: Any) -> Callable[[str], Any]:
    """What 0.4, 0.5 and the guide have in common, and what 0.6.0 makes of it."""
    return lambda release: as_built if release in ("0.6.0", "0.6.1") else old


# key of the profile, arguments of the operator, what is looked at in the pod, what it is on each release
DIFFERENCES: list[tuple[str, dict[str, Any], Callable[[dict[str, Any]], Any], Callable[[str], Any]]] = [
    ("pod.cmds_honoured", {"cmds": ["sh"], "arguments": "run.sh"},
     lambda pod: (container(pod).get("command"), container(pod).get("args")),
     built((["sh"], ["run.sh"]), (None, None))),
    ("pod.pull_policy_honoured", {"image_pull_policy": "Always"},
     lambda pod: container(pod).get("imagePullPolicy"), lambda release: None if release == "0.6.0" else "Always"),
    ("pod.pull_policy_default", {"image_pull_policy": "Never"},
     lambda pod: container(pod).get("imagePullPolicy"),
     lambda release: {"0.6.0": None, "0.6.1": "Always"}.get(release, "Never")),
    ("pod.scheduling_honoured", {"node_selectors": {"gpu": "yes"}, "priority_class_name": "mine"},
     lambda pod: (pod["spec"].get("nodeSelector"), pod["spec"].get("priorityClassName")),
     old_or_new(({"gpu": "yes"}, "mine"), (None, None))),
    ("pod.annotations_honoured", {"annotations": {"prometheus.io/scrape": "true"}},
     lambda pod: pod["metadata"]["annotations"].get("prometheus.io/scrape"), old_or_new(None, "true")),
    ("pod.namespace_honoured", {"namespace": "mine"},
     lambda pod: pod["metadata"]["namespace"], old_or_new("project-a", "mine")),
    ("pod.memory_factor", {"ram_mem_mb": 500},
     lambda pod: container(pod)["resources"]["limits"]["memory"], built("600Mi", "660.0Mi")),
    ("pod.gpu_limit", {}, lambda pod: container(pod)["resources"]["limits"].get("nvidia.com/gpu"),
     old_or_new(None, "0")),
    ("pod.name", {}, lambda pod: re.sub(r"-\d{18}$", "-<time>", pod["metadata"]["name"]),
     old_or_new("my-task-<time>", "my-dag-1-my-task")),
    ("pod.container_name", {}, lambda pod: container(pod)["name"] == pod["metadata"]["name"], old_or_new(True, False)),
    ("pod.type_label", {},
     lambda pod: sorted(key for key, value in pod["metadata"]["labels"].items() if value == "processing-container"),
     old_or_new(["pod-type"], ["kaapana.ai/type"])),
    ("pod.env_task_id", {}, lambda pod: environment(pod).get("TASK_ID"),
     lambda release: None if release == "0.4" else "my-task"),
    ("pod.env_service_urls", {}, lambda pod: "MINIO_URL" in environment(pod), lambda release: release != "0.4"),
    ("pod.env_extensions_namespace", {}, lambda pod: environment(pod).get("EXTENSIONS_NAMESPACE"),
     old_or_new("extensions", None)),
    ("pod.mounted_scripts", {}, lambda pod: any(v["name"] == "mounted-scripts" for v in pod["spec"]["volumes"]),
     old_or_new(True, False)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "look", "expected"), [entry[1:] for entry in DIFFERENCES], ids=[entry[0] for entry in DIFFERENCES]
)
def test_a_pod_shows_what_its_release_makes_of_the_operator(
    dag: DAG, kube: FakeKube, release: str, arguments: dict[str, Any], look: Any, expected: Any
) -> None:
    assert look(run(dag, kube, **arguments)) == expected(release)


def test_pod_conf_names_the_run_or_any_run_id_is_good(dag: DAG, kube: FakeKube, release: str) -> None:
    operator = KaapanaBaseOperator(dag=dag, name="my-task", image="lines/exit-0")
    context = context_for(operator, conf=FORM, run_id="My_Dag-1")
    if release in ("0.6.0", "documented"):
        with pytest.raises(AirflowFailException, match="not a valid name"):
            operator.execute(context)
        return
    operator.execute(context)
    configmap, pod = kube.created
    assert re.fullmatch(r"[a-z0-9-]+", configmap["metadata"]["name"])
    assert configmap["metadata"]["name"] == pod["spec"]["volumes"][0]["configMap"]["name"]
    mount = pod["spec"]["containers"][0]["volumeMounts"][0]
    folder = "yag-1" if release == "0.6.1" else "My_Dag-1"
    assert mount["mountPath"] == f"/kaapana/mounted/data/{folder}/conf/conf.json"


def test_pod_skipped_pod_goes_or_stays(dag: DAG, kube: FakeKube, release: str) -> None:
    with pytest.raises(AirflowSkipException):
        run(dag, kube, "lines/exit-126")
    assert len(kube.deleted) == (1 if release in OLD else 0)


def test_pod_existing_pod_of_a_success_makes_way_or_refuses(dag: DAG, kube: FakeKube, release: str) -> None:
    run(dag, kube)
    again = KaapanaBaseOperator(dag=DAG("my-dag", schedule=None), name="my-task", image="lines/exit-0")
    if release in OLD:
        again.execute(context_for(again, conf=FORM))
        assert len(kube.pods()) == 2
    else:
        with pytest.raises(AirflowFailException, match="has succeeded"):
            again.execute(context_for(again, conf=FORM))


def test_pod_delete_output_on_start_acts_or_does_not(dag: DAG, kube: FakeKube, release: str) -> None:
    pod = run(dag, kube, attempt=2)
    assert ("initContainers" in pod["spec"]) == (release not in ("0.6.0", "0.6.1"))


def test_pod_delete_input_on_success_acts_or_does_not(
    dag: DAG, kube: FakeKube, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operatorpod, "_platform_image", lambda _name: "lines/exit-0")
    run(dag, kube, operator_in_dir="before", delete_input_on_success=True)
    removers = [pod for pod in kube.pods() if pod["metadata"]["name"].endswith("-input")]
    assert len(removers) == (1 if release in OLD else 0)
    for pod in removers:
        assert {"name": "FOLDER", "value": "before"} in container(pod)["env"]
        assert pod["metadata"]["name"] in kube.deleted


def test_pod_xcom_honoured_is_refused_where_it_would_count(dag: DAG, kube: FakeKube, release: str) -> None:
    if release in OLD:
        with pytest.raises(AirflowFailException, match="xcom_push=True"):
            run(dag, kube, xcom_push=True)
    else:
        run(dag, kube, xcom_push=True)


def test_pod_get_logs_honoured_keeps_lines_from_the_log(
    dag: DAG, kube: FakeKube, release: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        run(dag, kube, get_logs=False)
    assert ("this is lines/exit-0" in caplog.text) == (release not in OLD)


def test_pod_cache_honoured_says_that_the_cache_is_empty(
    dag: DAG, kube: FakeKube, release: str, caplog: pytest.LogCaptureFixture
) -> None:
    run(dag, kube, manage_cache="cache")
    assert ("the cache is always empty here" in caplog.text) == (release in OLD)


def test_operator_startup_timeout_has_the_default_of_the_release_and_the_authors_value_wins(
    dag: DAG, release: str
) -> None:
    plain = KaapanaBaseOperator(dag=dag, name="plain", image="x")
    patient = KaapanaBaseOperator(dag=dag, name="patient", image="x", startup_timeout_seconds=7200)
    assert plain.startup_timeout_seconds == (120 if release in OLD else 3600)
    assert patient.startup_timeout_seconds == 7200


@pytest.mark.parametrize(("parameter", "unknown"), [("display_name", ("0.4",)), ("launch_application_chart", OLD)])
def test_operator_unknown_parameters_end_the_import_of_the_dag(
    dag: DAG, release: str, parameter: str, unknown: tuple[str, ...]
) -> None:
    if release in unknown:
        with pytest.raises(AirflowException, match=f"Invalid arguments were passed.*\n.*{parameter}"):
            KaapanaBaseOperator(dag=dag, name="a", image="x", **{parameter: "mine"})
    else:
        KaapanaBaseOperator(dag=dag, name="a", image="x", **{parameter: "mine"})
    # default arguments are only offered to those that know them
    with_defaults = DAG("with-defaults", schedule=None, default_args={parameter: "mine"})
    KaapanaBaseOperator(dag=with_defaults, name="a", image="x")


def test_conf_form_data_is_where_the_variables_come_from(dag: DAG, kube: FakeKube, release: str) -> None:
    operator = KaapanaBaseOperator(dag=dag, name="my-task", image="lines/exit-0")
    form = "form_data" if release == "0.4" else "workflow_form"
    operator.execute(context_for(operator, conf={**FORM, form: {"bins": 64}}))
    assert environment(kube.pods()[0])["BINS"] == "64"


@pytest.mark.parametrize(
    ("tags", "branch", "in_scheduler"),
    [
        (["mine"], False, ()),
        pytest.param(["service"], False, ("0.6.0", "0.6.1", "documented"), id="service_dags_in_scheduler"),
        (["import"], False, ("0.6.0", "0.6.1", "documented")),
        pytest.param([], True, ("0.6.0", "0.6.1"), id="branch_sees_project"),
        (["service"], True, ("0.6.0", "0.6.1", "documented")),
    ],
)
def test_python_code_runs_where_its_release_runs_it(
    release: str, tags: list[str], branch: bool, in_scheduler: tuple[str, ...]
) -> None:
    dag = DAG("python", schedule=None, tags=tags)
    assert pythontask.runs_in_scheduler(dag, branch=branch) == (release in in_scheduler)


def test_airflow_parallelism_is_that_of_the_release(release: str) -> None:
    import os

    environ = {"KAAPANA_HARNESS_PROFILE": os.environ["KAAPANA_HARNESS_PROFILE"]}
    config.apply(environ)
    assert environ["AIRFLOW__CORE__PARALLELISM"] == ("30" if release in OLD else "50")


def test_a_pod_that_failed_is_found_and_deleted_whatever_its_name(dag: DAG, kube: FakeKube, release: str) -> None:
    operator = KaapanaBaseOperator(dag=dag, name="my-task", image="lines/exit-1")
    context = context_for(operator, conf=FORM)
    with pytest.raises(AirflowException):
        operator.execute(context)
    KaapanaBaseOperator.on_retry(context)
    assert kube.deleted == [kube.pods()[0]["metadata"]["name"]]
    assert KubeApi(kube.url).list("Pod", "project-a") == []


@pytest.mark.parametrize(
    ("run_id", "cured"),
    [
        ("my_dag-260115100000123456", "mydag-260115100000123456"),
        ("My-Dag-260115100000123456", "y-ag-260115100000123456"),
        ("a.b-260115100000123456", "ab-260115100000123456"),
        ("manual__2026-01-15T10:00:00.123456+00:00", "manual2026-01-151000001234560000"),
        ("my-dag-260115100000123456", "my-dag-260115100000123456"),
    ],
)
def test_pod_conf_name_cured_mounts_the_conf_where_the_cured_id_says(
    dag: DAG, kube: FakeKube, monkeypatch: pytest.MonkeyPatch, run_id: str, cured: str
) -> None:
    data = tomllib.loads((PROFILES / "0.6.1.toml").read_text("utf-8"))
    monkeypatch.setenv("KAAPANA_HARNESS_PROFILE", json.dumps(data))
    operator = KaapanaBaseOperator(dag=dag, name="my-task", image="lines/exit-0")
    operator.execute(context_for(operator, conf=FORM, run_id=run_id))
    (pod,) = kube.pods()
    volume = next(item for item in pod["spec"]["volumes"] if item["name"] == "workflowconf")
    mount = next(item for item in container(pod)["volumeMounts"] if item["name"] == "workflowconf")
    assert volume["configMap"]["name"] == f"{cured}-config"
    assert mount["mountPath"] == f"/kaapana/mounted/data/{cured}/conf/conf.json"
    assert environment(pod)["WORKFLOW_DIR"] == f"/kaapana/mounted/data/{run_id}"


KEYWORDS: dict[str, Any] = {
    "depends_on_past": True, "wait_for_downstream": True, "email_on_failure": True, "on_failure_callback": print,
    "on_success_callback": print, "executor_config": {"a": 1},
}  # fmt: skip


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_operator_keywords_can_be_overridden_on_0_6_1_only(dag: DAG, release: str, keyword: str) -> None:
    given = {keyword: KEYWORDS[keyword]}
    if release != "0.6.1":
        with pytest.raises(TypeError, match=f"multiple values for keyword argument '{keyword}'"):
            KaapanaBaseOperator(dag=dag, name="a", image="x", **given)
        return
    operator = KaapanaBaseOperator(dag=dag, name="a", image="x", **given)
    assert getattr(operator, keyword) == KEYWORDS[keyword]
    assert keyword in operatorpod.release_dependent(operator)


def test_operator_keywords_that_0_6_1_leaves_out_come_from_default_args(release: str) -> None:
    defaults = {"depends_on_past": True, "email": "a@b.example", "email_on_failure": True, "on_failure_callback": print}
    dag = DAG("d", schedule=None, default_args=defaults)
    operator = KaapanaBaseOperator(dag=dag, name="a", image="x")
    assert (operator.depends_on_past, operator.email) == (
        (True, "a@b.example") if release == "0.6.1" else (False, None)
    )
    # what Kaapana fills in wins over default_args on every release
    assert operator.email_on_failure is False
    assert operator.on_failure_callback in (KaapanaBaseOperator.on_failure, [KaapanaBaseOperator.on_failure])


def test_python_annotations_end_the_import_one_way_or_the_other(dag: DAG, release: str) -> None:
    expected: Any = AttributeError if release == "0.6.1" else AirflowException
    with pytest.raises(expected, match="executor_config" if release == "0.6.1" else "Invalid arguments"):
        KaapanaPythonBaseOperator(dag=dag, name="a", python_callable=print, annotations={"a": "b"})


def test_operator_seg_info_none_is_an_empty_text_on_0_6_1(dag: DAG, release: str) -> None:
    operator = Itk2DcmSegOperator(dag=dag, segmentation_in_dir="masks")
    expected = "" if release == "0.6.1" else None
    for name in ("SINGLE_LABEL_SEG_INFO", "MULTI_LABEL_SEG_INFO_JSON", "MULTI_LABEL_SEG_NAME"):
        assert operator.env_vars[name] == expected
