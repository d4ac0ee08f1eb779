"""The three roles together: trigger, follow, retry, skip, abort, logs, on Airflow's real scheduler and database."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.wire import airflow_routes, names, naming

from .conftest import PLATFORM_ENV
from .fake_kube import WORKER_IMAGE, FakeKube, wait_until

KUBE_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")

TOKEN, DAGS_TOKEN = "the-token-of-the-environment", "the-token-of-the-dag-folder"

DAG_FILE = """
from datetime import timedelta
from airflow.models import DAG
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator

def chain(dag_id, *images, **arguments):
    dag = DAG(dag_id, schedule_interval=None, default_args={"retry_delay": timedelta(seconds=1), "ui_visible": True,
              "ui_forms": {"workflow_form": {"type": "object", "properties": {}}}})
    previous = None
    for number, image in enumerate(images):
        task = KaapanaBaseOperator(dag=dag, name=f"t{number}", image=image, **arguments)
        if previous is not None:
            previous >> task
        previous = task
    return dag

good = chain("good", "lines/exit-0", "lines/exit-0")
flaky = chain("flaky", "flaky/exit-5")
skipped = chain("skipped", "lines/exit-126", "lines/exit-0")
missing = chain("missing", "missing/my-image:9", "lines/exit-0")
hanging = chain("hanging", "lines/hang", retries=0)
slow = chain("slow", "lines/hang", retries=0, execution_timeout=timedelta(seconds=2))
once = chain("once", "lines/exit-3", "lines/exit-0")
for task in once.tasks:
    task.retries = 0
one_at_a_time = chain("one-at-a-time", "lines/hang", retries=0)
one_at_a_time.max_active_runs = 1
"""

MIXED_FILE = """
import os
from datetime import timedelta
from airflow.exceptions import AirflowSkipException
from airflow.models import DAG
from airflow.operators.bash import BashOperator
from airflow.operators.empty import EmptyOperator
from airflow.operators.python import PythonOperator
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from kaapana.operators.KaapanaBranchPythonBaseOperator import KaapanaBranchPythonBaseOperator
from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator
from helpers.words import WORD

ARGS = {"retries": 0}
WORKER = "KAAPANA_HARNESS_WORKER"

def report(ds, **kwargs):
    print("the callable says", WORD, kwargs["dag_run"].conf["workflow_form"]["bins"], kwargs["task"].task_id)
    return {"worker": os.environ.get(WORKER), "namespace": os.environ.get("NAMESPACE"), "params": kwargs["params"]["x"]}

def choose(**kwargs):
    kwargs["ti"].xcom_push(key="worker", value=os.environ.get(WORKER))
    return "taken"

def skip(**kwargs):
    raise AirflowSkipException("nothing to do")

def fail(**kwargs):
    raise ValueError("no such threshold")

def sleep(**kwargs):
    import time
    time.sleep(60)

mixed = DAG("mixed", schedule_interval=None, default_args=ARGS)
empty = EmptyOperator(task_id="empty", dag=mixed)
bash = BashOperator(task_id="bash", bash_command="echo plain", dag=mixed)
plain = PythonOperator(task_id="plain", python_callable=lambda: os.environ.get(WORKER), dag=mixed)
python = KaapanaPythonBaseOperator(dag=mixed, name="python", python_callable=report)
branch = KaapanaBranchPythonBaseOperator(dag=mixed, name="branch", python_callable=choose)
taken = KaapanaBaseOperator(dag=mixed, name="taken", image="lines/exit-0")
left = KaapanaBaseOperator(dag=mixed, name="left", image="lines/exit-0")
last = KaapanaBaseOperator(dag=mixed, name="last", image="lines/exit-0", trigger_rule="none_failed_min_one_success")
empty >> bash >> plain >> python >> branch >> [taken, left]
[taken, left] >> last

service = DAG("service", schedule_interval=None, default_args=ARGS, tags=["service"])
KaapanaPythonBaseOperator(
    dag=service, name="python", python_callable=lambda **kwargs: {"worker": os.environ.get(WORKER)}
)

for name, function in (("skips", skip), ("fails", fail)):
    dag = DAG(name, schedule_interval=None, default_args=ARGS)
    first = KaapanaPythonBaseOperator(dag=dag, name="python", python_callable=function)
    after = KaapanaBaseOperator(dag=dag, name="after", image="lines/exit-0", trigger_rule="all_done")
    first >> after
    globals()[name] = dag

endless = DAG("endless", schedule_interval=None, default_args=ARGS)
KaapanaPythonBaseOperator(
    dag=endless, name="python", python_callable=sleep, execution_timeout=timedelta(seconds=8)
)
"""

LEAVING_FILE = """
from airflow.models import DAG
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator

dag = DAG("leaving", schedule_interval=None, default_args={"retries": 0})
first = KaapanaBaseOperator(dag=dag, name="t0", image="held/exit-0")
first >> KaapanaBaseOperator(dag=dag, name="t1", image="lines/exit-0")
"""


class Api:
    """The web API."""

    def __init__(self, base: str) -> None:
        self.base = base

    def call(
        self, method: str, path: str, body: Any = None, *, authorization: str | None = f"Bearer {TOKEN}"
    ) -> tuple[int, Any]:
        """Status and decoded answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if authorization is None else {"Authorization": authorization}
        request = urllib.request.Request(self.base + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run; its id."""
        status, answer = self.call("POST", f"/flow/kaapana/api/trigger/{dag_id}", {"conf": conf or {}})
        assert status == 200, answer
        assert answer["message"][0] == f"{dag_id} created!"
        return str(answer["message"][1]["run_id"])

    def follow(self, dag_id: str, run_id: str, timeout_s: float = 60) -> list[dict[str, Any]]:
        """All events of a run."""
        url = f"{self.base}/flow/harness/runs/{dag_id}/{run_id}/events"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=timeout_s) as stream:
            return [json.loads(line) for line in stream]

    def run(self, dag_id: str, conf: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run to the end; the run's details."""
        run_id = self.trigger(dag_id, conf)
        self.follow(dag_id, run_id)
        return self.details(dag_id, run_id)

    def details(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """The run with its tasks."""
        status, answer = self.call("GET", f"/flow/harness/runs/{dag_id}/{run_id}")
        assert status == 200, answer
        return dict(answer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def cluster() -> Iterator[FakeKube]:
    fake = FakeKube()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def api(cluster: FakeKube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    (folder / "dag_all.py").write_text(DAG_FILE)
    (folder / "dag_mixed.py").write_text(MIXED_FILE)
    (folder / "helpers").mkdir()
    (folder / "helpers" / "words.py").write_text("WORD = 'hello'\n")
    KUBE_TOKEN.parent.mkdir(parents=True, exist_ok=True)
    KUBE_TOKEN.write_text("token")
    port = free_port()
    environ = {
        **os.environ,
        **PLATFORM_ENV,
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(cluster.port),
        "KAAPANA_HARNESS_KUBE_SCHEME": "http",
        "KAAPANA_HARNESS_WEB_PORT": str(port),
        "PYTHONWARNINGS": "ignore",
        "KAAPANA_HARNESS_AIRFLOW_IMAGE": WORKER_IMAGE,
        names.TOKEN_DIGEST_VARIABLE: hashlib.sha256(TOKEN.encode()).hexdigest(),
        names.DAGS_TOKEN_VARIABLE: DAGS_TOKEN,
        # nothing of this is about slow files, and the machine may be busy
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "60",
    }
    # a worker brings the DAG folder along, into a place of its own
    cluster.environ = {
        "KAAPANA_HARNESS_WEB_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path_factory.mktemp("worker") / "dags"),
        "PYTHONWARNINGS": "ignore",
    }
    logs = tmp_path_factory.mktemp("stack")
    processes = {}
    for role in ("scheduler", "webserver"):
        with open(logs / f"{role}.log", "w") as log:
            processes[role] = subprocess.Popen(
                [sys.executable, "-m", "harness.incluster.airflow.start", role],
                env=environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
    client = Api(f"http://127.0.0.1:{port}")
    deadline = time.monotonic() + 240
    last: Any = "nothing"
    while time.monotonic() < deadline:
        try:
            status, last = client.call("GET", "/flow/health")
            if status == 200:
                break
        except OSError as error:
            last = error
        time.sleep(0.1)
    else:
        pytest.fail(
            f"not healthy: {last}\n" + "".join((logs / f"{role}.log").read_text()[-3000:] for role in processes)
        )
    assert client.call("POST", "/flow/harness/refresh")[1]["import_errors"] == {}
    yield client
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    for role, process in processes.items():
        assert process.wait(20) == 0, (logs / f"{role}.log").read_text()[-3000:]
    for file in folder.glob("dag_*.py"):
        file.unlink()


def test_a_run_is_followed_from_its_trigger_to_its_end(api: Api, cluster: FakeKube) -> None:
    conf = {"workflow_form": {"Threads": 3}, "project_form": {"kubernetes_namespace": "project-a"}}
    run_id = api.trigger("good", conf)
    events = api.follow("good", run_id)
    assert events[-1] == {"run": "success"}
    ends = [event["task_id"] for event in events[:-1] if event["state"] == "success"]
    assert ends == ["t0", "t1"]
    run = api.details("good", run_id)
    assert run["conf"] == {**conf, "x_auth_token": None}
    assert [(task["task_id"], task["upstream"]) for task in run["tasks"]] == [("t0", []), ("t1", ["t0"])]
    assert run["tasks"][0]["outcome"]["reason"] == "Completed"
    assert run["tasks"][0]["operator"] == "KaapanaBaseOperator"
    pod = next(pod for pod in cluster.pods() if pod["metadata"]["name"] == f"{run_id}-t0")
    assert pod["metadata"]["namespace"] == "project-a"
    assert {"name": "THREADS", "value": "3"} in pod["spec"]["containers"][0]["env"]
    _, log = api.call("GET", f"/flow/harness/logs/good/{run_id}/t0/1")
    assert "this is lines/exit-0" in log
    assert f"the end of {run_id}-t0" in log


def test_a_task_that_fails_once_is_tried_again_with_a_fresh_pod(api: Api, cluster: FakeKube) -> None:
    run = api.run("flaky")
    (task,) = run["tasks"]
    assert (run["state"], task["state"], task["try_number"]) == ("success", "success", 2)
    pods = [pod for pod in cluster.pods() if pod["spec"]["containers"][0]["image"] == "flaky/exit-5"]
    assert len(pods) == 2
    assert run["run_id"] + "-t0" in cluster.deleted


def test_exit_126_skips_the_task_and_what_follows(api: Api) -> None:
    run = api.run("skipped")
    assert [task["state"] for task in run["tasks"]] == ["skipped", "skipped"]
    assert run["tasks"][0]["outcome"]["exit_code"] == 126
    assert run["state"] == "success"


def test_a_missing_image_fails_at_once_and_is_not_tried_again(api: Api) -> None:
    run = api.run("missing")
    first, second = run["tasks"]
    assert (run["state"], first["state"], first["try_number"]) == ("failed", "failed", 1)
    assert second["state"] == "upstream_failed"
    assert first["outcome"]["reason"] == "ErrImagePull"
    assert "tags of my-image: 1.0, 2.0" in first["outcome"]["message"]


def test_a_task_over_its_time_fails_and_its_pod_is_deleted(api: Api, cluster: FakeKube) -> None:
    run = api.run("slow")
    assert run["tasks"][0]["state"] == "failed"
    assert run["tasks"][0]["outcome"]["reason"] == "Timeout"
    assert run["run_id"] + "-t0" in cluster.deleted


def test_an_aborted_run_fails_and_deletes_the_pod_that_runs(api: Api, cluster: FakeKube) -> None:
    run_id = api.trigger("hanging")
    running = wait_until(
        lambda: any(
            manifest["metadata"]["name"] == f"{run_id}-t0" and manifest.get("status", {}).get("phase") == "Running"
            for manifest in cluster.objects.values()
        ),
        cluster,
        30,
    )
    assert running
    status, answer = api.call("POST", f"/flow/kaapana/api/abort/hanging/{run_id}", {})
    assert status == 200
    assert "t0: running -> failed" in answer["message"]
    assert wait_until(lambda: f"{run_id}-t0" in cluster.deleted, cluster, 20)
    assert api.call("GET", f"/flow/kaapana/api/dagdetails/hanging/{run_id}")[1]["state"] == "failed"


def test_the_listing_of_dags_carries_the_completed_forms(api: Api) -> None:
    _, dags = api.call("GET", "/flow/kaapana/api/getdags")
    assert dags["good"]["ui_visible"] is True
    assert sorted(dags["good"]["ui_forms"]) == ["data_form", "workflow_form"]
    assert dags["good"]["is_paused"] is False


def test_an_unknown_dag_and_an_unknown_run_are_answered_as_the_platform_does(api: Api) -> None:
    status, answer = api.call("POST", "/flow/kaapana/api/trigger/nothing", {"conf": {}})
    assert (status, list(answer)) == (404, ["error"])
    assert api.call("GET", "/flow/kaapana/api/dagdetails/good/nothing")[0] == 400
    assert api.call("GET", "/flow/harness/runs/good/nothing")[0] == 404


def test_a_log_outside_the_log_folder_is_not_given(api: Api) -> None:
    assert api.call("GET", "/flow/harness/logs/..%2f..%2f/x/y/1")[0] == 404


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer other", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "digest", "dags"],
)
def test_every_route_of_the_harness_needs_the_token(api: Api, authorization: str | None) -> None:
    from harness.incluster.airflow import webserver

    given = {
        "digest": f"Bearer {hashlib.sha256(TOKEN.encode()).hexdigest()}",
        "dags": f"Bearer {DAGS_TOKEN}",
    }
    rules = webserver.application(None).url_map.iter_rules()  # type: ignore[arg-type]
    own = [rule for rule in rules if rule.rule.startswith(f"{airflow_routes.PREFIX}/")]
    assert len(own) > 5
    for rule in own:
        path = re.sub("<int:[^>]*>", "1", rule.rule)
        path = re.sub("<[^>]*>", "good", path)
        if path.endswith("dags.tar") and authorization == "dags":
            continue
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            status, answer = api.call(method, path, authorization=given.get(authorization or "", authorization))
            assert status == 401, f"{method} {path}: {answer}"


def test_the_dag_folder_has_a_token_of_its_own(api: Api) -> None:
    url = f"{api.base}{airflow_routes.DAGS_ARCHIVE}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {DAGS_TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as archive:
        assert archive.headers["Content-Type"] == "application/x-tar"


def test_runs_can_be_counted_and_listed(api: Api) -> None:
    run = api.run("good", {"user_public_id": "me"})
    _, number = api.call("POST", "/flow/kaapana/api/getdagruns", {"dag_id": "good", "count": True})
    assert number >= 1
    _, (entry,) = api.call("POST", "/flow/kaapana/api/getdagruns", {"run_id": run["run_id"]})
    assert (entry["user"], entry["state"]) == ("me", "success")
    _, tasks = api.call("POST", f"/flow/kaapana/api/get_dagrun_tasks/good/{run['run_id']}", {})
    assert {task_id: entry["state"] for task_id, entry in tasks.items()} == {"t0": "success", "t1": "success"}


def xcom(run: dict[str, Any], task_id: str, key: str = "return_value") -> Any:
    """A value that a task pushed."""
    from airflow.models import XCom

    return XCom.get_one(dag_id=run["dag_id"], run_id=run["run_id"], task_id=task_id, key=key)


def states(run: dict[str, Any]) -> dict[str, str]:
    return {task["task_id"]: task["state"] for task in run["tasks"]}


def test_plain_airflow_operators_branches_and_pods_work_in_one_dag(api: Api, cluster: FakeKube) -> None:
    conf = {"workflow_form": {"bins": 3}, "project_form": {"kubernetes_namespace": "project-a"}, "x": 7}
    run = api.run("mixed", conf)
    assert run["state"] == "success", [task["outcome"] for task in run["tasks"]]
    assert states(run) == {
        "empty": "success", "bash": "success", "plain": "success", "python": "success", "branch": "success",
        "taken": "success", "left": "skipped", "last": "success",
    }  # fmt: skip
    assert xcom(run, "plain") is None, "a plain Airflow operator runs in the scheduler"
    assert xcom(run, "branch", "worker") == "1"
    pods = {pod["metadata"]["name"]: pod for pod in cluster.pods() if pod["metadata"]["name"].startswith(run["run_id"])}
    own = {f"{run['run_id']}-{task}" for task in ("last", "taken")}
    assert set(pods) == own | {naming.worker_name(run["run_id"], task) for task in ("branch", "python")}


def test_a_python_operator_runs_in_a_pod_of_the_project_with_the_context_of_its_task(
    api: Api, cluster: FakeKube
) -> None:
    conf = {"workflow_form": {"bins": 3}, "project_form": {"kubernetes_namespace": "project-a"}, "x": 7}
    run = api.run("mixed", conf)
    assert xcom(run, "python") == {"worker": "1", "namespace": "project-a", "params": 7}
    pod = next(pod for pod in cluster.pods() if pod["metadata"]["name"] == naming.worker_name(run["run_id"], "python"))
    assert pod["metadata"]["namespace"] == "project-a"
    assert pod["metadata"]["labels"]["kaapana.ai/project-namespace"] == "project-a"
    mounts = {mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts == {"/kaapana/mounted/workflows/data", "/kaapana/mounted/workflows/models"}
    _, log = api.call("GET", f"/flow/harness/logs/mixed/{run['run_id']}/python/1")
    assert "the callable says hello 3 python" in log
    assert naming.worker_name(run["run_id"], "python") in cluster.deleted


def test_a_python_operator_of_a_service_dag_runs_beside_the_scheduler(api: Api) -> None:
    run = api.run("service")
    assert run["state"] == "success"
    assert xcom(run, "python") == {"worker": None}


def test_a_callable_that_skips_or_fails_does_the_same_to_its_task(api: Api) -> None:
    skipped = api.run("skips")
    assert states(skipped) == {"python": "skipped", "after": "success"}
    assert skipped["tasks"][0]["outcome"]["message"] == "nothing to do"
    failed = api.run("fails")
    assert states(failed) == {"python": "failed", "after": "success"}
    assert failed["state"] == "success", "the only leaf ends well whatever happened before it"
    outcome = failed["tasks"][0]["outcome"]
    assert (outcome["reason"], outcome["message"]) == ("Error", "ValueError: no such threshold")
    assert any("raise ValueError" in line for line in outcome["log_tail"])


def test_a_callable_over_its_time_fails_and_its_pod_is_deleted(api: Api, cluster: FakeKube) -> None:
    run = api.run("endless")
    assert states(run) == {"python": "failed"}
    assert run["tasks"][0]["outcome"]["reason"] == "Timeout"
    assert naming.worker_name(run["run_id"], "python") in cluster.deleted


def test_a_failed_task_ends_what_needs_it_and_the_run(api: Api) -> None:
    run = api.run("once")
    assert states(run) == {"t0": "failed", "t1": "upstream_failed"}
    assert (run["state"], run["tasks"][0]["try_number"]) == ("failed", 1)


def test_max_active_runs_keeps_the_second_run_waiting(api: Api, cluster: FakeKube) -> None:
    first, second = api.trigger("one-at-a-time"), api.trigger("one-at-a-time")

    def created(run_id: str) -> bool:
        return any(pod["metadata"]["name"] == f"{run_id}-t0" for pod in cluster.pods())

    assert wait_until(lambda: created(first), cluster, 30)
    assert api.details("one-at-a-time", second)["state"] == "queued"
    assert not created(second)
    assert api.call("POST", f"/flow/kaapana/api/abort/one-at-a-time/{first}", {})[0] == 200
    assert wait_until(lambda: created(second), cluster, 30)
    assert api.call("POST", f"/flow/kaapana/api/abort/one-at-a-time/{second}", {})[0] == 200
    api.follow("one-at-a-time", second)


def test_a_run_whose_dag_file_is_removed_ends_with_that_cause_and_the_dag_goes_after_it(
    api: Api, cluster: FakeKube
) -> None:
    file = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]) / "dag_leaving.py"
    file.write_text(LEAVING_FILE)
    assert api.call("POST", "/flow/harness/refresh")[1]["import_errors"] == {}
    run_id = api.trigger("leaving")
    pod = f"{run_id}-t0"
    assert wait_until(lambda: any(entry["metadata"]["name"] == pod for entry in cluster.pods()), cluster, 30)
    file.unlink()
    assert "leaving" not in api.call("POST", "/flow/harness/refresh")[1]["dags"]
    assert api.call("GET", "/flow/kaapana/api/getdags")[1]["leaving"], "its run has not ended"
    cluster.release(pod)
    assert api.follow("leaving", run_id)[-1] == {"run": "failed"}
    run = api.details("leaving", run_id)
    assert states(run) == {"t0": "success", "t1": "failed"}
    assert run["tasks"][1]["start"] == run["tasks"][1]["end"]
    _, log = api.call("GET", f"/flow/harness/logs/leaving/{run_id}/t1/{run['tasks'][1]['try_number']}")
    assert "Dag 'leaving' could not be found" in log
    deadline = time.monotonic() + 30
    while "leaving" in api.call("GET", "/flow/kaapana/api/getdags")[1]:
        assert time.monotonic() < deadline, "the DAG is still offered"
        time.sleep(0.1)


def test_the_files_of_both_folders_are_listed_with_their_digests(api: Api) -> None:
    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    (folder / "endless").symlink_to(folder)
    os.mkfifo(folder / "helpers" / "pipe")
    try:
        _, answer = api.call("GET", "/flow/harness/files")
    finally:
        (folder / "endless").unlink()
        (folder / "helpers" / "pipe").unlink()
    assert answer["complete"] is True
    assert answer["files"]["dags/helpers/words.py"] == hashlib.sha256(b"WORD = 'hello'\n").hexdigest()[:16]
    assert "dags/helpers/pipe" not in answer["files"]
    assert not [path for path in answer["files"] if "endless" in path or "__pycache__" in path]
