"""Ends of pods, and the states of their tasks (runtime 6 and 7)."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout
from airflow.models import DAG
from airflow.utils.timeout import timeout
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator

from harness.incluster.airflow import podrun, podspec
from harness.incluster.airflow.profile import PodProfile
from harness.kube.client import KubeApi
from harness.wire.annotations import ANNOTATION_TASK

from .conftest import context_for
from .fake_kube import FakeKube, wait_until


def operator_of(dag: DAG, image: str, **kwargs: Any) -> KaapanaBaseOperator:
    return KaapanaBaseOperator(dag=dag, name="my-task", image=image, **kwargs)


def test_an_exit_of_zero_is_a_success_with_log_and_figures(
    dag: DAG, kube: FakeKube, caplog: pytest.LogCaptureFixture
) -> None:
    operator = operator_of(dag, "lines/exit-0")
    context = context_for(operator)
    with caplog.at_level("INFO"):
        operator.execute(context)
    outcome = context["pushed"]["harness_outcome"]
    assert outcome["reason"] == "Completed"
    assert outcome["log_tail"] == ["this is lines/exit-0", "the end of my-dag-1-my-task"]
    assert (outcome["namespace"], outcome["pod"], outcome["pod_ip"]) == ("project-a", "my-dag-1-my-task", "10.1.2.3")
    assert outcome["max_memory_bytes"] == 4096
    assert "this is lines/exit-0" in caplog.text
    assert kube.deleted == []


def test_a_refused_pull_is_reported_with_what_was_wrong_with_each_secret(dag: DAG, kube: FakeKube) -> None:
    config = b64encode(json.dumps({"auths": {"https://other.site": {"username": "u", "password": "p"}}}).encode())
    metadata = {"name": "other", "namespace": "project-a"}
    kube.put({"kind": "Secret", "metadata": metadata, "data": {".dockerconfigjson": config.decode()}})
    operator = operator_of(dag, "private/my-image:9", image_pull_secrets=["nope", "other"])
    context = context_for(operator)
    with pytest.raises(AirflowFailException, match="401 Unauthorized"):
        operator.execute(context)
    assert context["pushed"]["harness_outcome"]["refusal"] == {
        "image": "private/my-image:9",
        "secrets": [["nope", "missing", []], ["other", "elsewhere", ["other.site"]]],
    }


@pytest.mark.parametrize(
    ("image", "exception", "reason", "code", "words"),
    [
        ("lines/exit-3", AirflowException, "Error", 3, "exited with 3"),
        ("lines/exit-126", AirflowSkipException, "Skipped", 126, "skips the task"),
        ("lines/oom", AirflowException, "OOMKilled", 137, "out of memory"),
        ("missing/my-image:9", AirflowFailException, "ErrImagePull", None, "tags of my-image: 1.0, 2.0"),
    ],
)
def test_other_ends_become_the_platforms_states(
    dag: DAG, kube: FakeKube, image: str, exception: type[Exception], reason: str, code: int | None, words: str
) -> None:
    operator = operator_of(dag, image)
    context = context_for(operator)
    with pytest.raises(exception, match=words) as caught:
        operator.execute(context)
    assert type(caught.value) is exception
    outcome = context["pushed"]["harness_outcome"]
    assert (outcome["reason"], outcome["exit_code"], outcome["image"]) == (reason, code, image)


def test_a_time_out_deletes_the_pod_and_is_recorded(dag: DAG, kube: FakeKube) -> None:
    operator = operator_of(dag, "lines/hang")
    context = context_for(operator)
    with pytest.raises(AirflowTaskTimeout), timeout(1):
        operator.execute(context)
    operator.on_kill()
    assert context["pushed"]["harness_outcome"]["reason"] == "Timeout"
    assert context["pushed"]["harness_outcome"]["log_tail"] == ["this is lines/hang"]
    assert kube.deleted == ["my-dag-1-my-task"]
    assert kube.graces == {"my-dag-1-my-task": "2"}, "a container that ignores SIGTERM is not waited for"


def test_a_pod_that_never_starts_fails_after_the_startup_time_out(dag: DAG, kube: FakeKube) -> None:
    operator = operator_of(dag, "pending/x", startup_timeout_seconds=1)
    context = context_for(operator)
    with pytest.raises(AirflowException, match="did not start within 1 s"):
        operator.execute(context)
    assert context["pushed"]["harness_outcome"]["reason"] == "StartupTimeout"


def test_a_pod_that_is_deleted_from_outside_is_a_failure(dag: DAG, kube: FakeKube) -> None:
    operator = operator_of(dag, "lines/hang")
    context = context_for(operator)

    def delete() -> None:
        wait_until(lambda: any(m.get("status", {}).get("phase") == "Running" for m in kube.objects.values()), kube)
        KubeApi(kube.url).delete("Pod", "project-a", "my-dag-1-my-task")

    threading.Thread(target=delete).start()
    with pytest.raises(AirflowException, match="the pod was deleted from outside"):
        operator.execute(context)


def test_the_conf_is_a_configmap_that_the_pod_mounts(dag: DAG, kube: FakeKube) -> None:
    conf = {"workflow_form": {"b": 1}, "project_form": {"kubernetes_namespace": "project-a"}}
    operator = operator_of(dag, "lines/exit-0")
    operator.execute(context_for(operator, conf=conf))
    configmap, pod = kube.created
    assert configmap["metadata"]["name"] == "my-dag-1-config"
    assert configmap["metadata"]["labels"] == {"app": "kaapana", "run_id": "my-dag-1"}
    assert configmap["data"]["conf.json"] == json.dumps(conf, indent=4, sort_keys=True)
    mounts = {mount["name"]: mount for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts["workflowconf"]["mountPath"] == "/kaapana/mounted/data/my-dag-1/conf/conf.json"
    assert (mounts["workflowconf"]["subPath"], mounts["workflowconf"]["readOnly"]) == ("conf.json", True)
    assert [mount["mountPath"] for name, mount in mounts.items() if name != "workflowconf"] == [
        "/kaapana/mounted/data", "/models", "/tensorboard", "/dev/shm"
    ]  # fmt: skip
    assert pod["metadata"]["labels"] == {"kaapana.ai/type": "processing-container", "run_id": "my-dag-1"}
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry-secret"}]


def test_a_dag_id_that_cannot_name_a_configmap_fails_the_task_for_good(dag: DAG, kube: FakeKube) -> None:
    operator = operator_of(dag, "lines/exit-0")
    context = context_for(operator, run_id="my_dag-1")
    with pytest.raises(AirflowFailException, match="lower-case letters"):
        operator.execute(context)
    assert context["pushed"]["harness_outcome"]["reason"] == "InvalidPod"


def test_two_tasks_whose_pods_share_a_name_are_both_named(dag: DAG, kube: FakeKube) -> None:
    operator = operator_of(dag, "lines/exit-0")
    manifest = {
        "apiVersion": "v1", "kind": "Pod", "spec": {}, "status": {},
        "metadata": {
            "name": "my-dag-1-my-task", "namespace": "project-a",
            "annotations": {ANNOTATION_TASK: "my-dag-1/other"},
        },
    }  # fmt: skip
    kube.put(manifest)
    with pytest.raises(AirflowFailException, match="taken by my-dag-1/other"):
        operator.execute(context_for(operator))


def test_a_retry_replaces_the_pod_of_the_attempt_before_and_removes_its_output(dag: DAG, kube: FakeKube) -> None:
    operator = operator_of(dag, "flaky/exit-1")
    with pytest.raises(AirflowException):
        operator.execute(context_for(operator))
    operator.execute(context_for(operator, attempt=2))
    first, second = kube.pods()
    assert kube.deleted == ["my-dag-1-my-task"]
    assert "initContainers" not in first["spec"]
    (cleaner,) = second["spec"]["initContainers"]
    assert cleaner["image"] == "localhost:32000/workflow-cleaner:0.6.0"
    assert {"name": "FOLDER", "value": "my-task"} in cleaner["env"]


@pytest.mark.parametrize(
    ("profile", "honoured"),
    [({}, True), ({"pod": {"cmds_honoured": False, "pull_policy_honoured": False, "memory_factor": 1.1}}, False)],
)
def test_command_pull_policy_and_memory_follow_the_release(
    dag: DAG, kube: FakeKube, monkeypatch: pytest.MonkeyPatch, profile: dict[str, Any], honoured: bool
) -> None:
    monkeypatch.setenv("KAAPANA_HARNESS_PROFILE", json.dumps(profile))
    operator = operator_of(dag, "lines/exit-0", cmds=["/bin/bash"], arguments="run.sh")
    operator.execute(context_for(operator))
    container = kube.pods()[0]["spec"]["containers"][0]
    expected = (["/bin/bash"], ["run.sh"], "IfNotPresent") if honoured else (None, None, None)
    assert tuple(container.get(key) for key in ("command", "args", "imagePullPolicy")) == expected
    assert container["resources"]["requests"]["memory"] == ("500Mi" if honoured else "550.0Mi")


def test_the_cleaner_gets_no_conf_and_removes_the_configmap_and_airflows_folder(
    dag: DAG, kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = LocalWorkflowCleanerOperator(dag=dag, airflow_workflow_dir=str(tmp_path))
    operator.image = "lines/exit-0"
    (tmp_path / "my-dag-1").mkdir()
    podrun.ensure_configmap(KubeApi(kube.url), podspec.configmap("my-dag-1", "project-a", {}, PodProfile()))
    operator.execute(context_for(operator))
    pod = kube.pods()[0]
    assert "workflowconf" not in [volume["name"] for volume in pod["spec"]["volumes"]]
    assert {"name": "CLEAN_WORKFLOW_DIR", "value": "True"} in pod["spec"]["containers"][0]["env"]
    assert kube.deleted == ["my-dag-1-config"]
    assert not (tmp_path / "my-dag-1").exists()


def answer_step(kube: FakeKube, **data: str) -> None:
    """Answer an interactive step as soon as it is offered, as who follows the run does."""

    def answer() -> None:
        api = KubeApi(kube.url)
        assert wait_until(lambda: ("project-a", "configmaps", "my-dag-1-my-task-step") in kube.objects, kube)
        api.patch("ConfigMap", "project-a", "my-dag-1-my-task-step", {"data": data})

    threading.Thread(target=answer, daemon=True).start()


def test_an_interactive_step_that_is_refused_is_not_tried_again(dag: DAG, kube: FakeKube) -> None:
    operator = operator_of(dag, "lines/exit-0", dev_server="code-server")
    answer_step(kube, answer="refused", reason="CI is set")
    context = context_for(operator)
    with pytest.raises(AirflowFailException, match=r"interactive step .*dev_server='code-server'.*CI is set"):
        operator.execute(context)
    assert context["pushed"]["harness_outcome"]["reason"] == "InteractiveStep"
    assert kube.pods() == []


@pytest.mark.parametrize(
    ("image", "arguments", "expected"),
    [
        ("lines/hang", {"dev_server": "code-server"}, "lines/hang"),
        (None, {"launch_application_chart": "mitk-chart"}, "localhost:32000/workflow-cleaner:0.6.0"),
    ],
)
def test_an_interactive_step_that_is_completed_is_a_success(
    dag: DAG, kube: FakeKube, image: str | None, arguments: dict[str, str], expected: str
) -> None:
    operator = operator_of(dag, image, **arguments)  # type: ignore[arg-type]
    answer_step(kube, answer="completed")
    context = context_for(operator)
    operator.execute(context)
    assert context["pushed"]["harness_outcome"]["reason"] == "Completed"
    (pod,) = kube.pods()
    assert pod["spec"]["containers"][0]["image"] == expected
    assert "code-server" in pod["spec"]["containers"][0]["command"][2]


def test_a_dev_server_takes_no_variables_that_are_none(dag: DAG, kube: FakeKube) -> None:
    operator = operator_of(dag, "lines/hang", dev_server="code-server", env_vars={"EPOCHS": None})
    with pytest.raises(AirflowFailException, match="EPOCHS is None"):
        operator.execute(context_for(operator))
    assert kube.pods() == []


def test_an_unknown_cache_mode_fails_when_the_task_runs(dag: DAG, kube: FakeKube) -> None:
    operator = operator_of(dag, "lines/exit-0", manage_cache="sometimes")
    with pytest.raises(AssertionError, match="sometimes"):
        operator.execute(context_for(operator))


def test_the_record_says_what_was_given_and_what_the_form_took_over(dag: DAG, kube: FakeKube) -> None:
    form = {"threads": 2, "bins": 64, "run_id": "mine", "path": "/x", "same": "1"}
    operator = operator_of(
        dag, "lines/exit-0", cmds=["sh"], annotations={"a": "b"}, env_vars={"THREADS": "1", "SAME": "1"}
    )
    context = context_for(operator, conf={"workflow_form": form, "project_form": {"kubernetes_namespace": "project-a"}})
    operator.execute(context)
    outcome = context["pushed"]["harness_outcome"]
    assert outcome["arguments"] == ["cmds", "annotations"]
    assert outcome["overridden_env"] == ["PATH", "RUN_ID", "THREADS"]
    assert outcome["memory_limit_bytes"] == 600 * 2**20


def test_the_record_says_which_folders_of_other_operators_are_read(dag: DAG, kube: FakeKube) -> None:
    first, second, third = (
        KaapanaBaseOperator(dag=dag, name=name, image="lines/exit-0") for name in ("first", "second", "third")
    )
    operator = operator_of(
        dag, "lines/exit-0", input_operator=first, env_vars={"BATCH_INPUT_OPERATORS": "second,missing", "NOTE": "x"}
    )
    context = context_for(operator)
    operator.execute(context)
    outcome = context["pushed"]["harness_outcome"]
    assert outcome["reads"] == [first.operator_out_dir, second.operator_out_dir]
    assert outcome["writes"] == operator.operator_out_dir
    assert third.operator_out_dir not in outcome["reads"]


def test_an_operator_without_any_of_these_has_an_empty_record(dag: DAG, kube: FakeKube) -> None:
    operator = operator_of(dag, "lines/exit-0")
    context = context_for(operator)
    operator.execute(context)
    outcome = context["pushed"]["harness_outcome"]
    assert (outcome["arguments"], outcome["overridden_env"]) == ([], [])
