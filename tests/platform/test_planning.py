"""Images of a package are found, or all missing ones reported, before anything starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness import profiles
from harness.artefacts import image_files
from harness.artefacts import package as packages
from harness.artefacts.bundle import Artefacts
from harness.artefacts.package import ChartPackage
from harness.artefacts.sources import FoundImage, Route
from harness.common.progress import OnProgress, quiet
from harness.errors import ExtensionError, FormError, UsageError
from harness.extension import DagImageContents, InstalledFile
from harness.images import manifests
from harness.platform import planning, platform_globals, preflight
from harness.platform.helm import Helm
from harness.platform.planning import InstallPlan
from harness.platform.platform_names import PlatformNames
from harness.settings import Settings
from tests.artefacts.made_packages import JOB, VALUES, write
from tests.extension.trees_for_tests import FILES
from tests.platform.charts_for_tests import write_application

REGISTRY = "registry.example.org/team"
DAG_FILE = FILES["extension/docker/files/dag_mean.py"]
OPERATOR = FILES["extension/docker/files/mean-value/MeanOperator.py"]


@dataclasses.dataclass
class Shelf:
    """A source with images by name; loading one is noted."""

    images: list[str]
    title: str = "images.tar"
    loaded: list[str] = dataclasses.field(default_factory=list)
    route: Route = Route.UPLOAD

    def find(self, reference: str, platform_registry: str) -> FoundImage | None:
        if reference not in self.images:
            return None

        def load(say: OnProgress) -> str:
            self.loaded.append(reference)
            return "sha256:1"

        return FoundImage(reference, reference, self.title, f"sha256:{reference}", (), self.route, load)

    def similar(self, reference: str, platform_registry: str) -> list[str]:
        wanted = reference.rpartition("/")[2].partition(":")[0]
        return [name for name in self.images if name.rpartition("/")[2].partition(":")[0] == wanted]


@pytest.fixture(autouse=True)
def _dag_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """The DAG image of the tests, without an engine."""
    texts = {"dags/dag_mean.py": DAG_FILE, "dags/mean_value/MeanOperator.py": OPERATOR}

    def reader(text: str) -> Callable[[], str]:
        return lambda: text

    files = tuple(InstalledFile(name, f"{name} in the image", reader(text)) for name, text in texts.items())
    monkeypatch.setattr(image_files, "read_contents", lambda image_id, shown: DagImageContents(files))


def names(release: str = "documented", version: str = "0.6.0") -> PlatformNames:
    profile = profiles.load(release)
    known = platform_globals.make_globals(profile, REGISTRY, version)
    return PlatformNames(REGISTRY, version, profile, known)


def package(folder: Path, changes: Mapping[str, str | bytes | None] | None = None) -> ChartPackage:
    return packages.read(write(folder, changes))


def plan(tmp_path: Path, helm: Helm, images: list[str], platform: PlatformNames | None = None) -> InstallPlan:
    return planning.plan(package(tmp_path), [Shelf(images)], platform or names(), helm, say=quiet)


def test_everything_that_pods_pull_is_found(tmp_path: Path, helm: Helm) -> None:
    found = plan(tmp_path, helm, [f"{REGISTRY}/dag-mean:0.0.0", f"{REGISTRY}/mean-value:0.6.0"])
    assert {image.reference for image in found.images} == {f"{REGISTRY}/dag-mean:0.0.0", f"{REGISTRY}/mean-value:0.6.0"}
    assert found.dag_reference == f"{REGISTRY}/dag-mean:0.0.0"
    assert found.findings == ()


def test_the_tag_of_the_guide_will_do_on_documented_with_a_finding(tmp_path: Path, helm: Helm) -> None:
    found = plan(tmp_path, helm, [f"{REGISTRY}/dag-mean:0.6.0", f"{REGISTRY}/mean-value:0.6.0"])
    assert {image.reference: image.name for image in found.images}[f"{REGISTRY}/dag-mean:0.0.0"] == (
        f"{REGISTRY}/dag-mean:0.6.0"
    )
    (finding,) = found.findings
    assert finding.rule == "dag-image-tag"
    assert "0.6.0" in finding.platforms
    assert "0.5.0" not in finding.platforms


def test_the_tag_of_the_guide_ends_on_a_release_as_there_and_the_right_one_is_named(tmp_path: Path, helm: Helm) -> None:
    with pytest.raises(ExtensionError) as caught:
        plan(tmp_path, helm, [f"{REGISTRY}/dag-mean:0.6.0", f"{REGISTRY}/mean-value:0.6.0"], names("0.6.0"))
    assert f"needs {REGISTRY}/dag-mean:0.0.0, which images.tar does not have" in caught.value.cause
    assert "ErrImagePull" in caught.value.cause
    assert f"there is {REGISTRY}/dag-mean:0.6.0" in caught.value.last_seen
    assert f"tag it {REGISTRY}/dag-mean:0.0.0" in caught.value.fix
    assert "dag-installer-chart inside the package (0.0.0)" in caught.value.fix


def test_the_image_of_an_operator_that_is_missing_is_named_with_file_and_line(tmp_path: Path, helm: Helm) -> None:
    with pytest.raises(ExtensionError) as caught:
        plan(tmp_path, helm, [f"{REGISTRY}/dag-mean:0.0.0", f"{REGISTRY}/mean-value:0.5.0"])
    assert f"needs {REGISTRY}/mean-value:0.6.0" in caught.value.cause
    assert "dags/mean_value/MeanOperator.py in the image line 10" in caught.value.last_seen
    assert (
        "platform's version is 0.5.0: --platform-version 0.5.0 (pytest: --kaapana-platform-version)" in caught.value.fix
    )


def test_another_registry_in_the_names_is_named_with_the_setting(tmp_path: Path, helm: Helm) -> None:
    with pytest.raises(ExtensionError) as caught:
        plan(tmp_path, helm, ["other.site:5000/x/dag-mean:0.0.0", "other.site:5000/x/mean-value:0.6.0"])
    assert "platform's registry is other.site:5000/x: --platform-registry other.site:5000/x" in caught.value.fix


def test_all_images_that_are_missing_are_named_at_once(tmp_path: Path, helm: Helm) -> None:
    job = (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: extra, namespace: services}\nspec:\n  template:\n    spec:\n"
        '      containers: [{name: a, image: "{{ .Values.global.registry_url }}/extra:1"}]\n'
    )
    with pytest.raises(ExtensionError) as caught:
        planning.plan(
            package(tmp_path, {"templates/extra.yaml": job}),
            [Shelf([f"{REGISTRY}/dag-mean:0.0.0"])],
            names(),
            helm,
        )
    assert f"needs {REGISTRY}/extra:1, {REGISTRY}/mean-value:0.6.0" in caught.value.cause
    assert "Job services/extra of the chart" in caught.value.last_seen


def test_an_image_of_the_platform_that_is_taken_under_the_guides_tag_is_pushed_under_the_packages(
    tmp_path: Path, helm: Helm
) -> None:
    known = Shelf([f"{REGISTRY}/dag-mean:0.6.0", f"{REGISTRY}/mean-value:0.6.0"], route=Route.PRESENT)
    found = planning.plan(package(tmp_path), [known], names(), helm)
    assert {image.reference: image.route for image in found.images} == {
        f"{REGISTRY}/dag-mean:0.0.0": Route.PUSH,
        f"{REGISTRY}/mean-value:0.6.0": Route.PRESENT,
    }


def test_a_dag_image_of_a_registry_that_was_not_given_is_asked_for_since_it_has_to_be_read(
    tmp_path: Path, helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "exists", lambda reference: True)
    job = JOB.replace("{{ .Values.global.registry_url }}/{{ .Values", "custom.site/team/{{ .Values")
    made = package(tmp_path, {"charts/dag-installer-chart/templates/job.yaml": job})
    with pytest.raises(ExtensionError, match="is in a registry that was not given") as caught:
        planning.plan(made, [], names(), helm)
    assert caught.value.cause.endswith(": custom.site/team/dag-mean:0.0.0")
    assert caught.value.fix == "name the registry: --images custom.site/team (pytest: --kaapana-images)"


def test_images_in_the_registry_of_a_running_platform_are_not_missing(tmp_path: Path, helm: Helm) -> None:
    found = planning.plan(
        package(tmp_path),
        [Shelf([f"{REGISTRY}/dag-mean:0.0.0"]), Shelf([f"{REGISTRY}/mean-value:0.6.0"], "the platform's registry")],
        names(),
        helm,
    )
    assert {image.reference: image.origin for image in found.images} == {
        f"{REGISTRY}/dag-mean:0.0.0": "images.tar",
        f"{REGISTRY}/mean-value:0.6.0": "the platform's registry",
    }


def test_an_older_image_of_the_platform_does_not_stand_in_for_one_that_was_brought_under_another_name(
    tmp_path: Path, helm: Helm
) -> None:
    brought = Shelf([f"{REGISTRY}/dag-mean:0.0.0", f"{REGISTRY}/mean-value:1.2.3"])
    older = Shelf([f"{REGISTRY}/mean-value:0.6.0"], "the platform's registry", route=Route.PRESENT)
    with pytest.raises(ExtensionError, match=r"needs registry\.example\.org/team/mean-value:0\.6\.0"):
        planning.plan(package(tmp_path), [brought, older], names(), helm)


def test_without_images_the_error_says_that_none_were_given(tmp_path: Path, helm: Helm) -> None:
    with pytest.raises(ExtensionError, match="but no images were given"):
        planning.plan(package(tmp_path), [], names(), helm)


def test_the_registry_is_that_of_the_images_where_no_setting_names_it(tmp_path: Path) -> None:
    shelf = Shelf([f"{REGISTRY}/dag-mean:0.0.0", f"{REGISTRY}/mean-value:0.6.0"])
    lines: list[str] = []
    settings = preflight.check(Settings(), Artefacts((package(tmp_path),), (shelf,)), say=lines.append)
    assert settings.platform_registry == REGISTRY
    assert REGISTRY in lines[0]
    assert shelf.loaded == [f"{REGISTRY}/dag-mean:0.0.0"]


def test_parameters_of_a_workflow_are_not_asked_of_an_application_beside_it(tmp_path: Path) -> None:
    asking = VALUES + "extension_params:\n  threshold: {type: string, default: '1', definition: Threshold}\n"
    shelf = Shelf([f"{REGISTRY}/dag-mean:0.0.0", f"{REGISTRY}/mean-value:0.6.0"])
    viewer = packages.read(write_application(tmp_path, "viewer", ["kaapanaapplication"]))
    both = Artefacts((package(tmp_path, {"values.yaml": asking}), viewer), (shelf,))
    preflight.check(Settings(platform_registry=REGISTRY), both, params={"threshold": "2"})


def test_a_parameter_that_only_a_test_can_give_is_not_missing_before_the_first_test(tmp_path: Path) -> None:
    asking = VALUES + "extension_params:\n  project: {type: string, default: '', definition: Project}\n"
    shelf = Shelf([f"{REGISTRY}/dag-mean:0.0.0", f"{REGISTRY}/mean-value:0.6.0"])
    given = Artefacts((package(tmp_path, {"values.yaml": asking}),), (shelf,))
    assert preflight.check(Settings(), given).platform_registry == REGISTRY
    with pytest.raises(FormError, match="project"):
        preflight.check(Settings(), given, params={})


def test_a_chart_that_requires_a_secret_of_the_platform_is_planned_without_an_environment(tmp_path: Path) -> None:
    job = JOB + '      restartPolicy: {{ required "no password" .Values.global.credentials_minio_password | replace'
    job += ' .Values.global.credentials_minio_password "Never" }}\n'
    job = job.replace("      restartPolicy: Never\n", "", 1)
    shelf = Shelf([f"{REGISTRY}/dag-mean:0.0.0", f"{REGISTRY}/mean-value:0.6.0"])
    given = Artefacts((package(tmp_path, {"charts/dag-installer-chart/templates/job.yaml": job}),), (shelf,))
    assert preflight.check(Settings(), given, params={}).platform_registry == REGISTRY


def test_images_of_several_registries_need_the_setting(tmp_path: Path) -> None:
    shelf = Shelf([f"{REGISTRY}/dag-mean:0.0.0", "other.site/dag-mean:0.0.0"])
    with pytest.raises(UsageError, match="for several registries"):
        preflight.check(Settings(), Artefacts((package(tmp_path),), (shelf,)))
    known = Settings(platform_registry="other.site")
    with pytest.raises(ExtensionError, match=r"needs other\.site/mean-value:0\.6\.0"):
        preflight.check(known, Artefacts((package(tmp_path),), (shelf,)))


def test_names_without_a_registry_do_not_count_as_one(tmp_path: Path) -> None:
    shelf = Shelf(["localhost/dag-mean:0.0.0", "dag-mean:0.0.0"])
    with pytest.raises(ExtensionError) as caught:
        preflight.check(Settings(), Artefacts((package(tmp_path),), (shelf,)))
    assert "needs platform-registry/dag-mean:0.0.0" in caught.value.cause
    assert "localhost/dag-mean:0.0.0" in caught.value.last_seen
