"""The life of an extension on the real emulated platform: real images, registry, Helm and Airflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.api import Kaapana
from harness.errors import InstallError, RunError
from harness.kube import NotFound
from harness.platform import releases
from harness.platform.install import Deployment, deploy
from tests.extension.trees_for_tests import FILES, write

DAG_FILE = "extension/docker/files/dag_mean.py"
DOCKERFILE = "extension/docker/Dockerfile"
BODY = {"workflow_name": "w", "dag_id": "mean-value", "instance_names": ["central"], "conf_data": {}}


# on the small base: what the container does is not of interest here, and an archive of the large one has 1.2 GB
CONTAINER = "processing-containers/mean-value/Dockerfile"
SMALL: dict[str, str | None] = {CONTAINER: FILES[CONTAINER].replace("base-python-cpu", "base-installer")}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write(tmp_path / "mean", SMALL)


@pytest.fixture(autouse=True)
def _nothing_installed(kaapana: Kaapana) -> Iterator[None]:
    """A test may fail between two steps; the environment is the session's."""
    yield
    left = releases.find(kaapana.environment.cluster.api, "mean-workflow")
    if left is not None:
        releases.uninstall(kaapana.environment.cluster.api, left, hooks=False)


def install(kaapana: Kaapana, tree: Path, **arguments: object) -> Deployment:
    return deploy(kaapana.environment, tree, kaapana.project, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("deliver", ["registry", "tar"])
def test_an_extension_is_installed_offered_and_uninstalled(kaapana: Kaapana, tree: Path, deliver: str) -> None:
    environment = kaapana.environment
    lines: list[str] = []
    deployment = install(kaapana, tree, deliver=deliver, on_progress=lines.append)
    assert deployment.installed
    assert deployment.dag_ids == deployment.visible_dag_ids == ("mean-value",)
    assert {image.image for image in deployment.images} == {"mean-value", "dag-mean"}
    assert deployment.chart == "mean-workflow-0.1.0.tgz"
    assert environment.services.dags(kaapana.project) == ["mean-value"]
    assert any("images.tar" in line for line in lines) == (deliver == "tar")
    assert any(line.startswith("installing") for line in lines)
    deployment.uninstall()
    assert "mean-value" not in environment.airflow.refresh().dags
    assert releases.find(environment.cluster.api, "mean-workflow") is None
    with pytest.raises(NotFound):
        environment.cluster.api.get("Job", "services", "dag-mean")


def test_a_second_install_of_the_same_moves_nothing_and_a_changed_one_does(kaapana: Kaapana, tree: Path) -> None:
    install(kaapana, tree)
    lines: list[str] = []
    again = install(kaapana, tree, on_progress=lines.append)
    assert not again.installed
    assert not [line for line in lines if line.startswith(("pushing", "installing", "building"))]
    (tree / DAG_FILE).write_text(FILES[DAG_FILE].replace('dag_id="mean-value"', 'dag_id="mean-again"'), "utf-8")
    changed = install(kaapana, tree, on_progress=lines.append)
    assert changed.installed
    assert any('would answer "Chart is already installed"' in line for line in lines)
    assert changed.dag_ids == ("mean-again",)


def test_a_dag_that_was_not_added_to_the_project_is_refused(kaapana: Kaapana, tree: Path) -> None:
    deployment = deploy(kaapana.environment, tree, None)
    assert kaapana.environment.services.dags(kaapana.project) == []
    with pytest.raises(RunError, match="refuses to start mean-value") as caught:
        kaapana.environment.services.start_workflow(kaapana.project, BODY)
    assert "Add Software to Project" in caught.value.fix
    deployment.add_to(kaapana.project)
    assert kaapana.environment.services.dags(kaapana.project) == ["mean-value"]


def test_a_dag_image_with_another_tag_than_the_cluster_pulls_is_explained(kaapana: Kaapana, tmp_path: Path) -> None:
    # a name of its own: the registry of the session has the right tag of the other one
    values = "extension/mean-workflow/values.yaml"
    changes = SMALL | {path: FILES[path].replace("dag-mean", "dag-trap") for path in (DOCKERFILE, values)}
    with pytest.raises(InstallError) as caught:
        install(kaapana, write(tmp_path, changes), dag_image_tag="9.9.9")
    assert "the installer of dag-trap cannot start: ErrImagePull" in caught.value.cause
    assert "9.9.9" in caught.value.last_seen  # the tags that the registry has
    assert "delivered with the tag 9.9.9" in caught.value.fix
    assert releases.find(kaapana.environment.cluster.api, "mean-workflow") is None


def test_a_dag_file_that_does_not_import_is_the_first_line_and_does_not_stay(kaapana: Kaapana, tree: Path) -> None:
    text = FILES[DAG_FILE] + "import no_such_module\n"
    (tree / DAG_FILE).write_text(text, "utf-8")
    with pytest.raises(InstallError) as caught:
        install(kaapana, tree)
    first = str(caught.value).splitlines()[0]
    line = len(text.splitlines())
    assert first.startswith(f"{DAG_FILE} line {line} does not import: ModuleNotFoundError")
    assert kaapana.environment.airflow.refresh().import_errors == {}


def test_an_invisible_dag_is_installed_and_only_never_offered(kaapana: Kaapana, tree: Path) -> None:
    (tree / DAG_FILE).write_text(FILES[DAG_FILE].replace('"ui_visible": True', '"ui_visible": False'), "utf-8")
    deployment = install(kaapana, tree)
    assert (deployment.dag_ids, deployment.visible_dag_ids) == (("mean-value",), ())
    (finding,) = deployment.findings
    assert (finding.rule, finding.where) == ("extension-note", "mean-value")
    assert "never offered to users" in finding.message
    assert "mean-value" not in kaapana.offered_dags


def test_an_installer_without_the_base_images_program_is_shown_with_its_log(kaapana: Kaapana, tree: Path) -> None:
    text = FILES[DOCKERFILE] + 'CMD ["python3", "-c", "raise SystemExit(\'broken on purpose\')"]\n'
    (tree / DOCKERFILE).write_text(text, "utf-8")
    with pytest.raises(InstallError, match="ended with Error, exit status 1") as caught:
        install(kaapana, tree)
    assert "broken on purpose" in caught.value.last_seen


def test_a_failing_removal_leaves_the_release_stuck_until_it_is_forced(kaapana: Kaapana, tree: Path) -> None:
    script = (
        "import os, runpy, sys; os.environ['ACTION'] == 'remove' and sys.exit('will not go'); "
        "runpy.run_path('/kaapana/app/run.py', run_name='__main__')"
    )
    (tree / DOCKERFILE).write_text(f'{FILES[DOCKERFILE]}CMD ["python3", "-c", "{script}"]\n', "utf-8")
    deployment = install(kaapana, tree)
    with pytest.raises(InstallError) as caught:
        deployment.uninstall()
    assert "will not go" in caught.value.last_seen
    assert "uninstalling" in caught.value.fix
    stuck = releases.find(kaapana.environment.cluster.api, "mean-workflow")
    assert stuck is not None
    assert stuck.status == "uninstalling"
    deployment.uninstall(hooks=False)
    # the files stay, as on the platform
    assert "mean-value" in kaapana.environment.airflow.refresh().dags
    install(kaapana, write(tree, SMALL)).uninstall()
    assert "mean-value" not in kaapana.environment.airflow.refresh().dags


def test_a_project_has_its_own_bucket_and_namespace_and_leaves_nothing(kaapana: Kaapana) -> None:
    environment = kaapana.environment
    project = environment.create_project("abc")
    assert environment.object_store.bucket_exists(project.bucket)
    assert environment.cluster.api.get("Secret", project.namespace, "project-user-credentials")
    environment.remove_project(project)
    assert not environment.object_store.bucket_exists("project-abc")
    with pytest.raises(NotFound):
        environment.cluster.api.get("Secret", project.namespace, "project-user-credentials")
    assert "abc" not in [entry["name"] for entry in environment.services.projects()]
