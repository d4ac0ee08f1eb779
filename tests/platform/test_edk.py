"""Delivery as the development kit does it: what needs no platform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness import extension, profiles
from harness.artefacts.bundle import Artefacts
from harness.artefacts.sources import Route
from harness.cluster import Cluster
from harness.errors import ExtensionError
from harness.extension import edk as kit_rules
from harness.platform import dags, edk, packaging, planning, platform_globals, preflight, upload
from harness.platform.helm import Helm
from harness.platform.planning import InstallPlan
from harness.platform.platform_names import PlatformNames
from harness.platform.registry import PlatformRegistry
from harness.settings import Settings
from tests.extension.edk_trees import CHART, CONTAINER, DOCKERFILE, OPERATOR, write
from tests.extension.trees_for_tests import FILES
from tests.platform.test_planning import REGISTRY, Shelf

KIT = "localhost:32000"


def test_every_dockerfile_is_a_container_whatever_its_labels_say_to_the_build_script(tmp_path: Path) -> None:
    base = 'FROM local-only/base-installer:latest\nLABEL REGISTRY="local-only"\nLABEL IMAGE="own-base"\n'
    old = 'FROM local-only/base-installer:latest\nLABEL IMAGE="old"\nLABEL BUILD_IGNORE="True"\n'
    source = extension.read(write(tmp_path, {"a/Dockerfile": base, "b/old.Dockerfile": old}), edk=True)
    found = {container.image: container for container in source.processing_images}
    assert set(found) == {"own-base", "old", "mean-value"}
    assert [(c.local, c.ignored, c.registry) for c in found.values()] == [(False, False, None)] * 3
    assert found["mean-value"].dockerfile == tmp_path / CONTAINER / "mean.Dockerfile"
    assert found["mean-value"].directory == tmp_path / CONTAINER


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({DOCKERFILE: None, f"{CONTAINER}/mean.Dockerfile": None}, "has no Dockerfile"),
        ({f"{CONTAINER}/mean.Dockerfile": "FROM a:1\nLABEL IMAGE='mean-value'\n"}, "Image name is required"),
        ({f"{CONTAINER}/mean.Dockerfile": "FROM a:1\nLABEL IMAGE=mean-value\n"}, "Image name is required"),
        ({f"{CONTAINER}/Dockerfile": 'FROM a:1\nLABEL IMAGE="mean-value"\n'}, "pushes one over the other"),
        ({f"{CONTAINER}/app/Chart.yaml": "name: app\n"}, "has 2 files named Chart.yaml"),
        ({f"{CHART}/charts/sub/Chart.yaml": "name: sub\n"}, "has 2 files named Chart.yaml"),
    ],
)
def test_a_tree_that_the_kit_does_not_take_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    root = write(tmp_path)
    for path, text in changes.items():
        if text is None:
            (root / path).unlink()
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    with pytest.raises(ExtensionError) as caught:
        extension.read(root, edk=True)
    assert said in caught.value.cause


def test_a_label_that_the_kit_does_not_read_is_shown(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / DOCKERFILE).write_text(FILES[DOCKERFILE].replace('IMAGE="dag-mean"', "IMAGE='dag-mean'"))
    with pytest.raises(ExtensionError) as caught:
        extension.read(root, edk=True)
    assert caught.value.last_seen == "LABEL IMAGE='dag-mean'"
    assert "with double quotes" in caught.value.fix
    assert extension.read(write(tmp_path / "other")).dag_image.image == "dag-mean"


@pytest.mark.parametrize("api", ["v1", "v2"])
@pytest.mark.parametrize(("written", "version"), [('"0.1.0"', "0.6.0"), ("0.1.0", "0.1.0"), ("'0.1.0'", "0.1.0")])
def test_a_package_has_the_platforms_version_where_its_own_is_in_double_quotes(
    tmp_path: Path, helm: Helm, api: str, written: str, version: str
) -> None:
    text = FILES[f"{CHART}/Chart.yaml"].replace("apiVersion: v2", f"apiVersion: {api}").replace('"0.1.0"', written)
    root = write(tmp_path / "x", {f"{CHART}/Chart.yaml": text})
    source = extension.read(root, edk=True)
    made = packaging.package(source.chart, tmp_path / "out", helm=helm, edk_version="0.6.0")
    assert made.path.name == f"mean-workflow-{version}.tgz"
    assert made.version == version
    # the version of the installer inside stays, from which the trap of 0.5.1 and later follows
    assert made.subcharts == {"dag-installer-chart": "0.0.0"}
    assert (root / CHART / "Chart.yaml").read_text() == text


def test_only_the_line_of_the_charts_own_version_is_changed() -> None:
    text = 'apiVersion: "v2"\nappVersion: "1"\nversion: "0.1.0" # mine\ndependencies:\n- version: "3"\n'
    assert kit_rules.set_version(text, "9") == text.replace('"0.1.0"', '"9"')


def names(release: str, *, has_edk: bool = True) -> PlatformNames:
    profile = profiles.load(release)
    known = platform_globals.make_globals(profile, REGISTRY, profile.version)
    return PlatformNames(REGISTRY, profile.version, profile, known, has_edk)


@pytest.mark.parametrize(
    ("release", "pulled"),
    [("documented", "0.6.0"), ("0.4", "0.4.2"), ("0.5.0", "0.5.0"), ("0.5.3", "0.0.0"), ("0.6.0", "0.0.0")],
)
def test_the_cluster_pulls_the_dag_image_of_the_guides_values_from_the_kits_registry(
    tmp_path: Path, helm: Helm, release: str, pulled: str
) -> None:
    platform = names(release)
    chart = extension.read(write(tmp_path / "x"), edk=True).chart
    made = packaging.package(chart, tmp_path / "out", helm=helm, edk_version=platform.version)
    uploaded = upload.check(helm, made, platform.platform_globals)
    rendered, values = upload.render(helm, uploaded, platform.platform_globals, {})
    assert planning.find_dag_reference(rendered, made) == f"{KIT}/dag-mean:{pulled}"
    assert values["global"]["pull_policy_images"] == "IfNotPresent"


@pytest.fixture
def plan(tmp_path: Path, helm: Helm, monkeypatch: pytest.MonkeyPatch) -> Callable[..., InstallPlan]:
    """Plans the package of the kit's tree with images of these names, on ``documented``."""
    source = extension.read(write(tmp_path / "x"), edk=True)
    monkeypatch.setattr("harness.artefacts.image_files.read_contents", lambda image_id, shown: source.contents)
    made = packaging.package(source.chart, tmp_path / "out", helm=helm, edk_version="0.6.0")

    def run(*images: str, has_edk: bool = True) -> InstallPlan:
        return planning.plan(made, [Shelf(list(images))], names("documented", has_edk=has_edk), helm)

    return run


@pytest.mark.parametrize("registry", [KIT, "local-registry.services.svc.cluster.local:5000", REGISTRY])
def test_images_of_a_package_are_found_by_the_names_that_the_kit_gives_them(
    plan: Callable[..., InstallPlan], registry: str
) -> None:
    found = plan(f"{registry}/dag-mean:0.6.0", f"{registry}/mean-value:0.6.0").images
    assert {image.reference for image in found} == {f"{KIT}/dag-mean:0.6.0", f"{KIT}/mean-value:0.6.0"}
    assert {image.route for image in found} == {Route.PUSH}


def test_a_missing_image_of_the_kits_registry_is_not_looked_for_on_this_machine(
    plan: Callable[..., InstallPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.images.manifests.exists", lambda reference: pytest.fail(f"asked for {reference}"))
    with pytest.raises(ExtensionError) as caught:
        plan(f"{KIT}/dag-mean:0.6.0", "other.site/mean-value:0.6.0")
    assert f"needs {KIT}/mean-value:0.6.0" in caught.value.cause
    assert "platform's registry is other.site: --platform-registry other.site" in caught.value.fix


def test_without_the_kit_a_missing_image_of_its_registry_names_the_setting(
    plan: Callable[..., InstallPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.images.manifests.exists", lambda reference: False)
    with pytest.raises(ExtensionError) as caught:
        plan(f"{REGISTRY}/dag-mean:0.6.0", f"{REGISTRY}/mean-value:0.6.0", has_edk=False)
    assert caught.value.fix.splitlines()[0].startswith("deliver='edk', or --deliver edk")


def test_the_kits_registry_is_not_taken_for_the_platforms(
    tmp_path: Path, helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = extension.read(write(tmp_path / "x"), edk=True)
    monkeypatch.setattr("harness.artefacts.image_files.read_contents", lambda image_id, shown: source.contents)
    made = packaging.package(source.chart, tmp_path / "out", helm=helm, edk_version="0.6.0")
    for registry, inferred in ((KIT, ""), (REGISTRY, REGISTRY)):
        shelf = Shelf([f"{registry}/dag-mean:0.6.0", f"{registry}/mean-value:0.6.0"])
        checked = preflight.check(Settings(deliver="edk"), Artefacts((made,), (shelf,)))
        assert checked.platform_registry == inferred


def test_an_operator_that_names_the_kits_registry_needs_a_note_only_without_the_kit(tmp_path: Path) -> None:
    contents = extension.read(write(tmp_path), edk=True).contents
    assert dags.find_in_images(contents, ("dag-mean", "mean-value")) == []
    (found,) = dags.find_in_images(contents)
    assert "from another registry than the platform's" in found.message


def test_an_operator_of_the_kit_that_names_the_platforms_registry_is_noted(tmp_path: Path) -> None:
    contents = extension.read(write(tmp_path, {OPERATOR: FILES[OPERATOR]}), edk=True).contents
    (found,) = dags.find_in_images(contents, ("dag-mean", "mean-value"))
    assert f"mean-value from DEFAULT_REGISTRY, but the kit pushes it to {KIT}" in found.message


def test_both_names_of_the_kits_registry_mean_the_same_images_and_are_open() -> None:
    announced: list[tuple[str, str, bool]] = []

    def serve(name: str, prefix: str, login: object, *, open_to_all: bool = False) -> None:
        announced.append((name, prefix, open_to_all))

    cluster = SimpleNamespace(registry="localhost:1", push_address="localhost:2", serve_registry=serve)
    registry = PlatformRegistry(cast(Cluster, cluster), pull=None, push=None)
    edk.serve(registry)
    edk.serve(registry)
    registry.close()
    internal = "local-registry.services.svc.cluster.local:5000"
    assert announced[1:] == [(KIT, "localhost_32000", True), (internal, "localhost_32000", True)]
    assert registry.serves(f"{internal}/mean-value:0.6.0")
