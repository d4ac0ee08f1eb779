"""Errors that an author sees when the container, the form or the image is at fault."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from harness.errors import FormError, InstallError, RunError
from tests.registry_objects import docker_config


@pytest.fixture
def faults(kaapana: Any, sound_extension: Path) -> Any:
    return kaapana.install(sound_extension)


@pytest.fixture
def patient(kaapana: Any, patient_extension: Path) -> Any:
    return kaapana.install(patient_extension)


def test_a_run_that_succeeds_has_no_cause(faults: Any) -> None:
    run = faults.run(form={"mode": "succeed", "ticket": "a"})
    assert run.succeeded
    assert run.cause is None


def test_an_exception_in_the_container_is_the_first_line_of_the_failure(faults: Any) -> None:
    run = faults.run(form={"mode": "raise", "ticket": "a"})
    assert not run.succeeded
    assert run.cause.task_id == "faulty"
    assert "ValueError: the segmentation model has no weights" in run.cause.summary
    assert run.task("faulty").exit_code == 1
    assert run.task("workflow-cleaner").state == "upstream_failed"


@pytest.mark.parametrize(
    ("mode", "first", "last"),
    [
        (
            "notify-by-name",
            "the notification service answered 502: AII failed: project_id must be a UUID, got 'my-project' ",
            "then exit code 1: 1 of 1 elements failed",
        ),
        ("store-elsewhere", "MinIO answered 403: AccessDenied: ", "then exit code 1: the upload failed"),
    ],
)
def test_a_services_refusal_comes_first(faults: Any, mode: str, first: str, last: str) -> None:
    run = faults.run(form={"mode": mode, "ticket": "a"})
    assert run.cause.summary.startswith(first)
    assert run.cause.summary.endswith(last)
    assert run.cause.fix


@pytest.mark.parametrize(
    ("mode", "first"),
    [
        ("download", "weights.example.com does not resolve"),
        ("send-without-the-label", "ctp-dicom-service.services.svc is closed to this pod: it has no label"),
    ],
)
def test_a_name_that_a_pod_does_not_reach_comes_first(faults: Any, mode: str, first: str) -> None:
    run = faults.run(form={"mode": mode, "ticket": "a"})
    assert run.cause.summary.startswith(first)
    assert "network-access-" in run.cause.fix


def test_a_container_over_its_memory_limit_is_named_with_the_limit(faults: Any) -> None:
    run = faults.run(form={"mode": "exhaust-memory", "ticket": "a"})
    assert run.cause.task_id == "faulty"
    assert "memory" in run.cause.summary
    assert "80" in run.cause.summary + run.cause.detail
    assert run.task("faulty").reason == "OOMKilled"


def test_a_container_that_hangs_ends_with_its_own_timeout(faults: Any) -> None:
    run = faults.run(form={"mode": "hang", "ticket": "a"})
    assert run.cause.task_id == "faulty"
    assert "15" in run.cause.summary
    assert "execution_timeout" in run.cause.summary + run.cause.fix


def test_a_container_that_ignores_sigterm_is_still_ended_by_its_timeout(faults: Any) -> None:
    run = faults.run(form={"mode": "ignore-sigterm", "ticket": "a"})
    assert run.cause.task_id == "faulty"
    assert "execution_timeout" in run.cause.summary + run.cause.fix


def test_exit_126_skips_the_task_and_what_follows(faults: Any) -> None:
    run = faults.run(form={"mode": "skip", "ticket": "a"})
    assert run.task("faulty").state == "skipped"
    assert run.task("workflow-cleaner").state == "skipped"


def test_binary_output_and_a_long_log_leave_the_evidence_readable(faults: Any) -> None:
    run = faults.run(form={"mode": "chatter", "ticket": "a"})
    assert run.task("faulty").exit_code == 3
    assert "line 4999" in run.task("faulty").log


def test_a_log_of_100_megabytes_is_cut_in_its_middle_and_its_end_is_there(patient: Any) -> None:
    run = patient.run(form={"mode": "flood", "ticket": "a"})
    task = run.task("faulty")
    assert task.exit_code == 4
    assert run.cause.task_id == "faulty"
    assert "the flood is over" in run.cause.detail
    assert "flood 000000" in task.log
    assert "lines are left out" in task.log
    assert "the flood is over" in task.log
    evidence = sum(path.stat().st_size for path in run.directory.rglob("*") if path.is_file())
    assert evidence < 32 * 2**20


def test_shared_memory_that_runs_over_is_named_as_memory(faults: Any) -> None:
    run = faults.run(form={"mode": "fill-shared-memory", "ticket": "a"})
    assert run.cause.task_id == "faulty"
    assert "memory" in run.cause.summary + run.cause.fix


def test_a_file_beside_the_runs_folders_is_named_as_lost(faults: Any) -> None:
    run = faults.run(form={"mode": "stray", "ticket": "a"})
    assert run.succeeded
    (finding,) = [finding for finding in run.findings if finding.rule == "written-outside"]
    assert finding.where == "faulty"
    assert "/output/mask.nrrd" in finding.message
    assert "scratch" not in finding.message


def test_the_conf_of_the_run_cannot_be_overwritten_by_a_container(faults: Any) -> None:
    run = faults.run(form={"mode": "leave-the-run", "ticket": "a"})
    assert run.cause.task_id == "faulty"
    assert "Read-only file system" in run.cause.summary


def test_processes_without_end_are_stopped_by_their_limit(patient: Any) -> None:
    run = patient.run(form={"mode": "fork", "ticket": "a"})
    assert run.cause.task_id == "faulty"
    assert "Resource temporarily unavailable" in run.cause.summary
    assert "4096" in run.cause.fix


def test_an_unknown_form_key_is_refused_with_the_keys_that_exist(faults: Any) -> None:
    with pytest.raises(FormError) as failure:
        faults.run(form={"mod": "succeed", "ticket": "a"})
    assert "mod" in failure.value.cause
    assert "mode" in str(failure.value)


def test_a_form_value_of_the_wrong_type_is_refused(faults: Any) -> None:
    with pytest.raises(FormError) as failure:
        faults.run(form={"mode": "succeed", "ticket": "a", "count": "many"})
    assert "count" in failure.value.cause
    assert "integer" in str(failure.value)


def test_a_required_value_that_is_missing_is_named(faults: Any) -> None:
    with pytest.raises(FormError) as failure:
        faults.run(form={"mode": "succeed"})
    assert "ticket" in failure.value.cause


def test_a_run_of_software_that_is_not_in_the_project_is_refused(kaapana: Any, sound_extension: Path) -> None:
    outside = kaapana.install(sound_extension, add_to_project=False)
    with pytest.raises(RunError) as failure:
        outside.run(form={"mode": "succeed", "ticket": "a"})
    assert "project" in failure.value.cause
    assert "Add Software to Project" in str(failure.value)


def test_an_image_that_was_never_pushed_is_named_early(kaapana: Any, faults_extension: Path) -> None:
    operator = faults_extension / "extension/docker/files/faults/FaultyOperator.py"
    operator.write_text(operator.read_text().replace("/faulty:", "/faultyy:"))
    run = kaapana.install(faults_extension).run(form={"mode": "succeed", "ticket": "a"})
    task = run.task("faulty")
    assert not run.succeeded
    assert "faultyy" in run.cause.summary
    assert task.reason in {"ErrImagePull", "ImagePullBackOff"}
    # a pull may fail for minutes until a pod is given up
    assert task.seconds < datetime.timedelta(minutes=1).total_seconds()
    assert "faulty" in run.cause.detail + run.cause.fix


def operator_with_pull_secrets(extension: Path, secrets: str) -> None:
    operator = extension / "extension/docker/files/faults/FaultyOperator.py"
    operator.write_text(operator.read_text().replace('["registry-secret"]', secrets))


def test_a_pull_secret_that_does_not_exist_is_the_first_line(kaapana: Any, faults_extension: Path) -> None:
    operator_with_pull_secrets(faults_extension, '["my-secret"]')
    installed = kaapana.install(faults_extension)
    run = installed.run(form={"mode": "succeed", "ticket": "a"})
    image = installed.images["faulty"]
    assert run.cause.task_id == "faulty"
    expected = f"image {image} cannot be pulled: unauthorized: pull secret my-secret does not exist"
    assert run.cause.summary == expected
    assert "registry-secret" in run.cause.fix


def test_a_pull_secret_for_another_registry_is_the_first_line_with_that_registry(
    kaapana: Any, faults_extension: Path
) -> None:
    operator_with_pull_secrets(faults_extension, '["other-secret"]')
    installed = kaapana.install(faults_extension)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "other-secret", "namespace": kaapana.project.namespace},
        "type": "kubernetes.io/dockerconfigjson",
        "data": docker_config(**{"registry.example.org": ("alice", "password")}),
    }
    kaapana.environment.cluster.api.apply(secret)
    run = installed.run(form={"mode": "succeed", "ticket": "a"})
    image, registry = installed.images["faulty"], kaapana.environment.registry
    assert run.cause.summary == (
        f"image {image} cannot be pulled: unauthorized: "
        f"pull secret other-secret is for registry.example.org, not for {registry}"
    )


def test_a_login_that_the_registry_refuses_is_the_first_line_of_the_installer(
    kaapana: Any, faults_extension: Path
) -> None:
    api, registry = kaapana.environment.cluster.api, kaapana.environment.registry
    # an extension and an image of its own: a kubelet asks no registry for what its node has
    for path in ("docker/Dockerfile", "faults-workflow/values.yaml", "faults-workflow/Chart.yaml"):
        file = faults_extension / "extension" / path
        text = file.read_text().replace("dag-faults", "dag-refused")
        file.write_text(text.replace("name: faults-workflow", "name: refused-workflow"))
    right = api.get("Secret", "services", "registry-secret")
    wrong = {**right, "data": docker_config(**{registry: ("kaapana", "not-the-password")})}
    metadata = {"name": "registry-secret", "namespace": "services"}
    api.apply({**wrong, "metadata": metadata})
    try:
        with pytest.raises(InstallError) as failure:
            kaapana.install(faults_extension)
    finally:
        api.apply({**right, "metadata": metadata})
    assert failure.value.cause.startswith("the installer of dag-refused cannot start: image ")
    assert failure.value.cause.endswith(f"unauthorized: {registry} refuses the login of pull secret registry-secret")


def test_a_dag_file_that_does_not_import_is_named_with_its_line(kaapana: Any, faults_extension: Path) -> None:
    dag = faults_extension / "extension/docker/files/dag_faults.py"
    dag.write_text(dag.read_text().replace("from faults.FaultyOperator", "from fault.FaultyOperator"))
    with pytest.raises(InstallError) as failure:
        kaapana.install(faults_extension)
    assert "dag_faults.py" in failure.value.cause
    assert "ModuleNotFoundError" in failure.value.cause
    assert failure.value.exit_status == 2


def test_a_dag_file_that_never_ends_does_not_hang_the_platform(kaapana: Any, faults_extension: Path) -> None:
    dag = faults_extension / "extension/docker/files/dag_faults.py"
    dag.write_text("# airflow dag\nwhile True:\n    pass\n")
    with pytest.raises(InstallError) as failure:
        kaapana.install(faults_extension)
    assert "dag_faults.py" in failure.value.cause


def test_two_dags_and_no_choice_list_both(kaapana: Any, faults_extension: Path) -> None:
    folder = faults_extension / "extension/docker"
    dag = (folder / "files/dag_faults.py").read_text()
    (folder / "files/dag_more_faults.py").write_text(dag.replace('dag_id="faults"', 'dag_id="more-faults"'))
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + "COPY files/dag_more_faults.py /kaapana/tmp/dags/\n")
    extension = kaapana.install(faults_extension)
    with pytest.raises(Exception, match="more-faults") as failure:
        extension.run(form={"mode": "succeed", "ticket": "a"})
    assert getattr(failure.value, "exit_status", None) == 2
    assert extension.run(dag="more-faults", form={"mode": "succeed", "ticket": "a"}).succeeded
