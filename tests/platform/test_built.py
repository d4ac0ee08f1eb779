"""Extensions that were built elsewhere, on the emulated platform: from archives and the engine, by every way in."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import engine, extension
from harness.api import Kaapana
from harness.common.progress import quiet
from harness.data import Series
from harness.errors import DagFileError, ExtensionError
from harness.platform import bundle, releases
from harness.platform.bundle import Bundle
from harness.settings import Settings
from tests.extension.trees_for_tests import FILES, write

ROOT = Path(__file__).parents[2]
REGISTRY = "registry.example.org/team"
CONTAINER = "processing-containers/mean-value/Dockerfile"
CHANGES: dict[str, str | None] = {CONTAINER: FILES[CONTAINER].replace("base-python-cpu", "base-installer")}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree") / "mean"
    write(root, CHANGES)
    return root


def bundled(tree: Path, registry: str, folder: Path) -> Bundle:
    """Build the tree as ``kaapana-harness build`` does."""
    source = extension.read(tree)
    archive = folder / "images.tar"
    return bundle.make(
        source, Settings(), version="0.6.0", registry=registry, archive=archive, chart_dir=folder, say=quiet
    )


@pytest.fixture(scope="module")
def elsewhere(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A package and an archive for a platform whose registry does not exist here."""
    return bundled(tree, REGISTRY, tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def here(kaapana: Kaapana, tree: Path, tmp_path: Path) -> Bundle:
    """A package and an archive for the platform of this session."""
    return bundled(tree, kaapana.platform_registry, tmp_path)


@pytest.fixture
def unbuilt(here: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be built any more."""
    for place in ("harness.images.build.build_image", "harness.images.extension_image.build_image"):
        monkeypatch.setattr(place, lambda *_, **__: pytest.fail("something is built"))
    for place in ("harness.platform.delivery.build", "harness.platform.packaging.package", "harness.extension.read"):
        monkeypatch.setattr(place, lambda *_, **__: pytest.fail("the source tree is used"))


@pytest.fixture
def clean(kaapana: Kaapana) -> Iterator[None]:
    """Leave nothing installed in the environment of the session."""
    yield
    left = releases.find(kaapana.environment.cluster.api, "mean-workflow")
    if left is not None:
        releases.uninstall(kaapana.environment.cluster.api, left, hooks=False)


def names_of(kaapana: Kaapana) -> dict[str, str]:
    """The tags in the engine that begin with a registry of this platform, and their images."""
    cluster = kaapana.environment.cluster
    with contextlib.closing(engine.connect_api()) as api:
        tags = {tag: str(image["Id"]) for image in api.images() for tag in image["RepoTags"] or ()}
    return {tag: image for tag, image in tags.items() if tag.startswith((cluster.registry, cluster.push_address))}


@pytest.mark.usefixtures("clean", "unbuilt")
@pytest.mark.parametrize("deliver", [None, "registry"])
def test_the_output_of_build_runs_like_the_tree_without_another_build(
    kaapana: Kaapana, here: Bundle, small_ct: Series, deliver: str | None
) -> None:
    before = names_of(kaapana)
    assert here.archive is not None
    installed = kaapana.install_built(here.chart.path, here.archive, deliver=deliver)
    run = installed.run(dataset=small_ct)
    assert run.succeeded
    assert [(task.task_id, task.exit_code) for task in run.tasks] == [("mean-value", 0)]
    facts = {image.reference.rpartition("/")[2]: image for image in run.images}
    assert set(facts) == {"dag-mean:0.6.0", "mean-value:0.6.0"}
    built = {image.image: image for image in here.images}
    assert facts["mean-value:0.6.0"].config_digest == built["mean-value"].config_digest
    assert facts["mean-value:0.6.0"].layers == built["mean-value"].layers
    assert facts["mean-value:0.6.0"].tasks == ("mean-value",)
    document = json.loads((run.directory / "run.json").read_text())
    assert {image["origin"] for image in document["images"]} == {"images.tar"}
    installed.uninstall()
    assert names_of(kaapana) == before


@pytest.mark.usefixtures("clean", "unbuilt")
def test_images_of_the_engine_are_taken_by_the_platforms_names_and_stay_as_they_are(
    kaapana: Kaapana, here: Bundle, small_ct: Series
) -> None:
    tagged = [image.reference for image in here.images]
    with contextlib.closing(engine.connect_api()) as api:
        for image in here.images:
            repository, _, tag = image.reference.rpartition(":")
            api.tag(image.image_id, repository, tag)
        try:
            before = names_of(kaapana)
            installed = kaapana.install_built(here.chart.path, "engine")
            assert installed.run(dataset=small_ct).succeeded
            assert names_of(kaapana) == before
        finally:
            for reference in tagged:
                api.remove_image(reference, noprune=True)


@pytest.mark.usefixtures("clean")
def test_a_dag_file_that_does_not_import_is_named_inside_the_image(
    kaapana: Kaapana, tree: Path, tmp_path: Path
) -> None:
    broken = FILES["extension/docker/files/dag_mean.py"] + "import no_such_module\n"
    write(tmp_path / "mean", {**CHANGES, "extension/docker/files/dag_mean.py": broken})
    made = bundled(tmp_path / "mean", kaapana.platform_registry, tmp_path)
    with pytest.raises(DagFileError) as caught:
        kaapana.install_built(made.chart.path, [str(made.archive)])
    line = len(broken.splitlines())
    where = f"dags/dag_mean.py in the image {kaapana.platform_registry}/dag-mean:0.6.0 line {line}"
    assert caught.value.cause.startswith(f"{where} does not import: ModuleNotFoundError")
    assert str(tree) not in str(caught.value)


@pytest.mark.usefixtures("clean")
def test_a_package_for_another_registry_names_the_setting_and_installs_nothing(
    kaapana: Kaapana, elsewhere: Bundle
) -> None:
    assert elsewhere.archive is not None
    with pytest.raises(ExtensionError) as caught:
        kaapana.install_built(elsewhere.chart.path, elsewhere.archive)
    assert f"{kaapana.platform_registry}/dag-mean" in caught.value.cause
    assert (
        f"platform's registry is {REGISTRY}: --platform-registry {REGISTRY} (pytest: --kaapana-platform-registry)"
        in caught.value.fix
    )
    assert releases.find(kaapana.environment.cluster.api, "mean-workflow") is None


def environ(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "KAAPANA_HARNESS_STATE_DIR": str(tmp_path / "state")}


def test_a_run_by_the_command_line_takes_the_registry_of_the_images_and_needs_no_tree(
    elsewhere: Bundle, small_ct: Series, tmp_path: Path
) -> None:
    words = ["run", "--chart", elsewhere.chart.path, "--images", str(elsewhere.archive), "--input", small_ct.path]
    words += ["--out", tmp_path / "out"]
    command = [sys.executable, "-m", "harness.cli", *map(str, words)]
    done = subprocess.run(command, cwd=tmp_path, env=environ(tmp_path), capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert f"the platform's registry is {REGISTRY}" in done.stderr
    document = json.loads((tmp_path / "out/run.json").read_text())
    assert [task["image"] for task in document["tasks"]] == [f"{REGISTRY}/mean-value:0.6.0"]


def test_a_test_of_the_tree_runs_on_artefacts_when_pytest_is_given_them(elsewhere: Bundle, tmp_path: Path) -> None:
    (tmp_path / "test_mean.py").write_text(
        "def test_the_extension_beside_the_test(extension, small_ct):\n"
        "    run = extension.run(dataset=small_ct)\n"
        "    assert run.succeeded\n"
        f"    assert run.tasks[0].image == '{REGISTRY}/mean-value:0.6.0'\n"
    )
    # one twin of each kind: an option, the table, a variable
    (tmp_path / "pyproject.toml").write_text(f'[tool.kaapana-harness]\nplatform-registry = "{REGISTRY}"\n')
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--kaapana-chart={elsewhere.chart.path}"]
    variables = {**environ(tmp_path), "KAAPANA_HARNESS_IMAGES": str(elsewhere.archive)}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
