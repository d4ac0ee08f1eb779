"""After the first install, on the real emulated platform: upgrades, other extensions, projects, uninstalling."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import extension
from harness.api import Kaapana
from harness.common.progress import quiet
from harness.errors import DagFileError, RunError
from harness.findings import Finding
from harness.kube import NotFound
from harness.platform import helm, installation, installer, packaging, releases
from harness.platform.install import Deployment, deploy
from harness.run.follow import Silent
from tests.extension.trees_for_tests import FILES, write
from tests.platform.charts_for_tests import write_application
from tests.platform.test_life_cycle import BODY, DAG_FILE, DOCKERFILE, SMALL

CHART = "extension/mean-workflow/Chart.yaml"
VALUES = "extension/mean-workflow/values.yaml"
SECOND = {
    **SMALL,
    CHART: FILES[CHART].replace("mean-workflow", "second-workflow"),
    VALUES: FILES[VALUES].replace("dag-mean", "dag-second"),
    DOCKERFILE: FILES[DOCKERFILE]
    .replace("dag-mean", "dag-second")
    .replace("files/dag_mean.py /kaapana/tmp/dags/", "files/dag_mean.py /kaapana/tmp/dags/dag_second.py"),
    DAG_FILE: FILES[DAG_FILE].replace("mean-value", "second-mean"),
}
# the operator comes with the first one
WITHOUT_OPERATOR = {
    **SECOND,
    DOCKERFILE: str(SECOND[DOCKERFILE]).replace("COPY files/mean-value/ /kaapana/tmp/dags/mean_value/\n", ""),
}


@pytest.fixture(autouse=True)
def _nothing_installed(kaapana: Kaapana) -> Iterator[None]:
    """Start with an empty DAG folder; other tests of the session leave their extensions installed."""
    environment = kaapana.environment
    for release in releases.find_all(environment.cluster.api):
        installation.uninstall(environment, release, True, quiet)
    yield
    # a test may fail between two steps, where the hooks would fail too
    for release in releases.find_all(environment.cluster.api):
        releases.uninstall(environment.cluster.api, release, hooks=False)


def install(kaapana: Kaapana, tree: Path) -> Deployment:
    return deploy(kaapana.environment, tree, kaapana.project)


def by_rule(findings: tuple[Finding, ...], rule: str) -> list[Finding]:
    return [finding for finding in findings if finding.rule == rule]


def in_dag_folder(kaapana: Kaapana, deployment: Deployment, script: str) -> None:
    """Do something by hand in Airflow's DAG folder, ``/dags``."""
    image = next(image.reference for image in deployment.images if image.image == "dag-mean")
    container = {"name": "hand", "image": image, "command": ["sh", "-ec", script]}
    spec = {
        "restartPolicy": "Never",
        "imagePullSecrets": [{"name": "registry-secret"}],
        "containers": [container | {"volumeMounts": [{"name": "dags", "mountPath": "/dags"}]}],
        "volumes": [{"name": "dags", "persistentVolumeClaim": {"claimName": "dags-pv-claim"}}],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "by-hand", "namespace": "services"},
        "spec": {"backoffLimit": 0, "template": {"spec": spec}},
    }
    api = kaapana.environment.cluster.api
    api.create(job)
    try:
        installer.wait(api, job, timeout_s=120, what="the work by hand")
    finally:
        api.delete("Job", "services", "by-hand")


def test_a_version_under_the_same_tag_leaves_the_files_that_it_no_longer_has(kaapana: Kaapana, tmp_path: Path) -> None:
    old = {
        **SMALL,
        DOCKERFILE: FILES[DOCKERFILE] + "COPY files/dag_old.py /kaapana/tmp/dags/\n",
        "extension/docker/files/dag_old.py": FILES[DAG_FILE].replace("mean-value", "mean-old"),
    }
    first = install(kaapana, write(tmp_path / "old", old))
    assert first.dag_ids == ("mean-old", "mean-value")
    new = write(tmp_path / "new", {**SMALL, CHART: FILES[CHART].replace("0.1.0", "0.2.0")})
    second = install(kaapana, new)
    assert second.dag_ids == ("mean-value",)
    (finding,) = by_rule(second.findings, "stale-dag-file")
    assert finding.where == "dags/dag_old.py"
    assert "Airflow still has its DAG mean-old" in finding.message
    assert "mean-old" in kaapana.environment.airflow.refresh().dags
    again = install(kaapana, new)
    assert not again.installed
    assert by_rule(again.findings, "stale-dag-file") == [finding]
    # the old version knows its file again, and takes it along
    back = install(kaapana, tmp_path / "old")
    assert by_rule(back.findings, "stale-dag-file") == []
    assert back.uninstall() == ()
    assert kaapana.environment.airflow.files().digests == {}


def test_objects_changed_by_hand_are_installed_again_and_added_ones_stay(kaapana: Kaapana, tmp_path: Path) -> None:
    tree = write(tmp_path / "mean", SMALL)
    deployment = install(kaapana, tree)
    before = kaapana.environment.airflow.files().digests
    in_dag_folder(kaapana, deployment, "echo '# by hand' >> /dags/dag_mean.py; echo x > /dags/mean_value/notes.txt")
    again = install(kaapana, tree)
    assert again.installed
    after = kaapana.environment.airflow.files().digests
    assert after["dags/dag_mean.py"] == before["dags/dag_mean.py"]
    in_dag_folder(kaapana, deployment, "echo '# by hand' >> /dags/dag_mean.py")
    assert again.uninstall() == ()
    # the hook removes by name; the folder stays for files of other extensions
    assert list(kaapana.environment.airflow.files().digests) == ["dags/mean_value/notes.txt"]
    deployment = install(kaapana, tree)
    in_dag_folder(kaapana, deployment, "rm /dags/mean_value/notes.txt")
    (left,) = deployment.uninstall(hooks=False)
    assert left.rule == "stale-dag-file"
    assert "dags/dag_mean.py" in left.where
    assert install(kaapana, tree).uninstall() == ()
    assert kaapana.environment.airflow.files().digests == {}


def test_a_file_of_two_extensions_is_named_and_goes_with_the_first_that_is_uninstalled(
    kaapana: Kaapana, tmp_path: Path
) -> None:
    first = install(kaapana, write(tmp_path / "first", SMALL))
    assert by_rule(first.findings, "file-clash") == []
    second = install(kaapana, write(tmp_path / "second", SECOND))
    (clash,) = by_rule(second.findings, "file-clash")
    assert clash.where == "dags/mean_value/MeanOperator.py"
    assert clash.message.startswith("mean-workflow installs this too, with the same content")
    (taken,) = second.uninstall()
    assert (taken.rule, taken.severity, taken.where) == ("file-clash", "error", "dags/mean_value/MeanOperator.py")
    assert "removed this, which belongs to mean-workflow" in taken.message
    errors = kaapana.environment.airflow.refresh().import_errors
    assert "No module named 'mean_value'" in errors["dag_mean.py"]
    again = install(kaapana, tmp_path / "first")
    assert again.installed
    assert kaapana.environment.airflow.refresh().import_errors == {}
    again.uninstall()


def test_an_extension_that_needs_anothers_operators_is_installed_after_it(kaapana: Kaapana, tmp_path: Path) -> None:
    second = write(tmp_path / "second", WITHOUT_OPERATOR)
    with pytest.raises(DagFileError, match="No module named 'mean_value'") as caught:
        install(kaapana, second)
    assert "another extension brings" in caught.value.fix
    first = install(kaapana, write(tmp_path / "first", SMALL))
    deployment = install(kaapana, second)
    assert deployment.dag_ids == ("second-mean",)
    deployment.uninstall()
    first.uninstall()


WAIT = """\
import json, time, urllib.request
FILES = "http://airflow-webserver-service.services.svc:8080/flow/harness/files"
request = urllib.request.Request(FILES, headers={"Authorization": "Bearer TOKEN"})
while True:
    with urllib.request.urlopen(request) as answer:
        if "dags/dag_mean.py" not in json.load(answer)["files"]:
            break
    time.sleep(0.2)
print("the DAG file is gone")
"""


class FirstTask(Silent):
    """Waits until a task runs."""

    def __init__(self) -> None:
        self.running = threading.Event()

    def task(self, task_id: str, state: str, seconds: float | None, attempt: int) -> None:
        if state == "running":
            self.running.set()


def test_a_run_whose_extension_is_uninstalled_ends_with_that_cause(kaapana: Kaapana, tmp_path: Path) -> None:
    chain = '    MeanOperator(dag=dag) >> MeanOperator(dag=dag, task_id="later")\n'
    changes = {
        **SMALL,
        "processing-containers/mean-value/files/mean.py": WAIT.replace("TOKEN", kaapana.environment.credentials.token),
        DAG_FILE: FILES[DAG_FILE]
        .replace("    MeanOperator(dag=dag)\n", chain)
        .replace('"ui_forms": {', '"ui_forms": {"data_form": {}, '),
    }
    listener = FirstTask()
    project = Kaapana(kaapana.environment, kaapana.project, evidence=tmp_path / "evidence", listener=listener)
    mean = project.install(write(tmp_path / "mean", changes))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(mean.run, timeout_s=300)
        while not listener.running.wait(0.5):
            assert not running.done(), running.result()
        mean.uninstall()
        run = running.result()
    assert {task.task_id: task.state for task in run.tasks} == {"mean-value": "success", "later": "failed"}
    assert run.cause is not None
    assert run.cause.task_id == "later"
    assert "Dag 'mean-value' could not be found" in run.cause.summary
    assert "while it runs" in run.cause.fix
    assert "mean-value" not in kaapana.environment.airflow.refresh().dags


def test_software_is_added_to_each_project_and_taken_out_of_it_again(kaapana: Kaapana, tmp_path: Path) -> None:
    mean = kaapana.install(write(tmp_path / "mean", SMALL), add_to_project=False)
    with kaapana.other_project() as other:
        mean.add_to(kaapana)
        assert (kaapana.offered_dags, other.offered_dags) == (["mean-value"], [])
        with pytest.raises(RunError, match=f"refuses to start mean-value in the project {other.project.name}"):
            mean.in_project(other).run()
        user = kaapana.project.user
        with pytest.raises(RunError, match=f"{user} may not change the software of the project {other.project.name}"):
            mean.add_to(other, acting=kaapana)
        mean.add_to(other.project)
        mean.remove_from(kaapana)
        assert (kaapana.offered_dags, other.offered_dags) == ([], ["mean-value"])
        with pytest.raises(RunError, match="refuses to start"):
            kaapana.environment.services.start_workflow(kaapana.project, BODY)
        mean.remove_from(other)
        assert other.offered_dags == []
    mean.uninstall()


@contextlib.contextmanager
def tagged(images: dict[str, str]) -> Iterator[None]:
    """Give images of the engine more names."""
    for image_id, name in images.items():
        subprocess.run(["docker", "tag", image_id, name], check=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "image", "rm", *images.values()], check=True, capture_output=True)


def test_the_charts_of_one_extension_are_installed_and_uninstalled_together(kaapana: Kaapana, tmp_path: Path) -> None:
    tree = write(tmp_path / "mean", SMALL)
    built = install(kaapana, tree)
    built.uninstall()
    tool = helm.find()
    workflow = packaging.package(extension.read(tree).chart, tmp_path / "out", helm=tool).path
    viewer = write_application(tmp_path, "viewer", ["kaapanaapplication"])
    several = write_application(tmp_path, "viewers", ["kaapanaapplication", "kaapanamultiinstallable"])
    launched = write_application(tmp_path, "viewer-step", ["kaapanaint"])
    api = kaapana.environment.cluster.api
    with tagged({image.image_id: image.reference for image in built.images}):
        mean = kaapana.install_built([viewer, workflow, several, launched], "engine")
    assert mean.dag_ids == ("mean-value",)
    names = [release.name for release in releases.find_all(api)]
    assert [name.rpartition("-")[0] for name in names if name.startswith("viewers-")] == ["viewers"]
    assert "viewer" in names
    assert "viewer-step" not in names
    settings = [entry for entry in api.list("ConfigMap", "services") if entry["metadata"]["name"].startswith("viewer")]
    projects = {entry["metadata"]["name"].partition("-")[0]: entry["data"]["project"] for entry in settings}
    assert projects == {"viewer": "", "viewers": kaapana.project.name}
    assert mean.uninstall() == ()
    assert not [release for release in releases.find_all(api) if release.name.startswith(("viewer", "mean"))]
    with pytest.raises(NotFound):
        api.get("ConfigMap", "services", "viewer-settings")
