"""An extension of the development kit on real emulated platforms: where the guide's values pass, and where they end."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import extension
from harness.api import Kaapana
from harness.errors import BuildError, InstallError, UsageError
from harness.extension.charts import INSTALLER
from harness.platform import delivery, packaging
from harness.platform.dependencies import BROUGHT
from harness.settings import Settings
from tests.extension.edk_trees import CHANGES, CHART, CONTAINER, OPERATOR, write

KIT = "localhost:32000"


@pytest.fixture(scope="module")
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaapana]:
    """The platform of one release, for all tests that name it."""
    settings = dataclasses.replace(Settings.load(), platform=request.param, reuse=False)
    with Kaapana.open(settings, evidence=tmp_path_factory.mktemp("evidence")) as kaapana:
        yield kaapana


on_documented = pytest.mark.parametrize("platform", ["documented"], indirect=True)
on_0_6_0 = pytest.mark.parametrize("platform", ["0.6.0"], indirect=True)


def own_installer(folder: Path, version: str) -> str:
    """A requirements.yaml for a copy of the installer chart beside the tree, as the releases since 0.5.1 have it."""
    copy = shutil.copytree(BROUGHT[INSTALLER].folder, folder / "dag-installer-chart")
    for path, old, new in (
        ("Chart.yaml", "0.0.0", version),
        ("templates/_reference.tpl", "$g.harness_dag_image_tag | default .Chart.Version", ".Chart.Version"),
    ):
        text = (copy / path).read_text()
        assert old in text
        (copy / path).write_text(text.replace(old, new))
    return f"dependencies:\n- name: dag-installer-chart\n  version: {version}\n  repository: file://{copy}\n"


@pytest.mark.parametrize("platform", ["documented", "0.5.0"], indirect=True)
def test_the_guides_values_are_installed_and_run(platform: Kaapana, tmp_path: Path) -> None:
    version = platform.platform_version
    with platform.install(write(tmp_path / "tree"), deliver="edk") as installed:
        assert installed.images == {name: f"{KIT}/{name}:{version}" for name in ("dag-mean", "mean-value")}
        (deployment,) = installed.deployments
        assert deployment.chart == f"mean-workflow-{version}.tgz"
        assert deployment.findings == ()
        run = installed.run()
        assert run.succeeded, run.cause
    assert platform.environment.platform_registry.tags(f"{KIT}/mean-value") == [version]


@on_documented
def test_the_guides_values_without_the_kit_end_with_the_setting_that_installs_them(
    platform: Kaapana, tmp_path: Path
) -> None:
    with pytest.raises(InstallError) as caught:
        platform.install(write(tmp_path, name="unkitted"), deliver="registry")
    assert (
        f"ErrImagePull of {KIT}/dag-unkitted:0.6.0: that is the registry of the development kit" in caught.value.cause
    )
    assert caught.value.fix.startswith("deliver='edk'")


@on_documented
def test_a_chart_that_does_not_name_the_kits_registry_ends_with_the_value_to_set(
    platform: Kaapana, tmp_path: Path
) -> None:
    values = 'global:\n  image: "dag-mean"\n  action: "copy"\n'
    with pytest.raises(InstallError) as caught:
        platform.install(write(tmp_path, {f"{CHART}/values.yaml": values}, name="elsewhere"), deliver="edk")
    assert f"the kit pushes it as {KIT}/dag-elsewhere:0.6.0" in caught.value.cause
    assert f'custom_registry_url: "{KIT}"' in caught.value.fix


@on_documented
def test_an_installer_chart_of_a_release_gets_the_image_that_the_kit_pushed_with_a_finding(
    platform: Kaapana, tmp_path: Path
) -> None:
    requirements = own_installer(tmp_path, "0.0.0")
    tree = write(tmp_path / "tree", {f"{CHART}/requirements.yaml": requirements}, name="alias")
    with platform.install(tree, deliver="edk") as installed:
        assert installed.images["dag-alias"] == f"{KIT}/dag-alias:0.0.0"
        (finding,) = installed.deployments[0].findings
    assert finding.rule == "dag-image-tag"
    assert f"{KIT}/dag-alias:0.6.0 was used" in finding.message


@on_documented
def test_a_package_of_the_kit_is_installed_from_an_archive_with_the_platforms_names(
    platform: Kaapana, tmp_path: Path
) -> None:
    environment = platform.environment
    source = extension.read(write(tmp_path / "tree", name="built"), edk=True)
    made = packaging.package(source.chart, tmp_path, edk_version="0.6.0")
    containers = [*source.processing_images, source.dag_image]
    images = delivery.build(
        containers,
        lambda container: f"{environment.registry}/{container.image}:0.6.0",
        environment.settings,
        lambda line: None,
    )
    delivery.write_archive(images, tmp_path / "images.tar", lambda line: None)
    with platform.install_built(made.path, tmp_path / "images.tar", deliver="edk") as installed:
        assert installed.images == {name: f"{KIT}/{name}:0.6.0" for name in ("dag-built", "built-value")}
        assert environment.platform_registry.tags(f"{KIT}/built-value") == ["0.6.0"]
        assert f"{KIT}/built-value:0.6.0" not in environment.cluster.node_images()


@on_documented
def test_a_container_that_does_not_build_is_an_error_by_name_and_not_passed_over(
    platform: Kaapana, tmp_path: Path
) -> None:
    path = f"{CONTAINER}/mean.Dockerfile"
    tree = write(tmp_path, {path: f"{CHANGES[path]}RUN cat /not-there\n"}, name="broken")
    with pytest.raises(BuildError, match=r"Dockerfile does not build: line \d+: RUN cat /not-there"):
        platform.install(tree, deliver="edk")


@on_documented
def test_a_way_of_delivery_that_does_not_exist_is_refused(platform: Kaapana, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no way of delivery 'mail'"):
        platform.install(write(tmp_path), deliver="mail")


@on_0_6_0
def test_on_a_release_since_0_5_1_the_guides_values_end_with_the_rule_of_the_tag(
    platform: Kaapana, tmp_path: Path
) -> None:
    with pytest.raises(InstallError) as caught:
        platform.install(write(tmp_path), deliver="edk")
    first = str(caught.value).splitlines()[0]
    assert f"ErrImagePull of {KIT}/dag-mean:0.0.0: the kit pushes it with the tag 0.6.0" in first
    assert "the tag is the version of dag-installer-chart inside the package (0.0.0)" in first
    assert "tag 0.0.0 is not in the registry, which has 0.6.0" in caught.value.last_seen
    assert "--image-version 0.0.0" in caught.value.fix


@on_0_6_0
def test_the_way_out_is_an_installer_chart_with_the_platforms_version_and_both_names_of_the_kits_registry_do(
    platform: Kaapana, tmp_path: Path
) -> None:
    requirements = own_installer(tmp_path, "0.6.0")
    operator = (CHANGES[OPERATOR] or "").replace(KIT, "local-registry.services.svc.cluster.local:5000")
    changes: dict[str, str | None] = {f"{CHART}/requirements.yaml": requirements, OPERATOR: operator}
    with platform.install(write(tmp_path / "tree", changes, name="out"), deliver="edk") as installed:
        assert installed.images["dag-out"] == f"{KIT}/dag-out:0.6.0"
        run = installed.run()
        assert run.succeeded, run.cause
