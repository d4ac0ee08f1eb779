from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from harness import extension
from harness.artefacts import package as packages
from harness.artefacts.package import ChartPackage
from harness.errors import ExtensionError
from harness.platform import packaging, upload
from harness.platform.helm import Helm
from tests.extension.trees_for_tests import FILES, write

CHART = "extension/mean-workflow"
GLOBALS = {
    "registry_url": "localhost:40123",
    "kaapana_build_version": "0.6.0",
    "admin_namespace": "admin",
    "services_namespace": "services",
}


def package(root: Path, out: Path, helm: Helm) -> ChartPackage:
    return packaging.package(extension.read(root).chart, out, helm=helm)


def snapshot(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def names_in(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        return set(tar.getnames())


@pytest.mark.parametrize("api", ["v1", "v2"])
@pytest.mark.parametrize(
    "repository",
    [
        "file://../../../../../services/utils/dag-installer-chart",
        "file:///kaapana/app/kaapana/services/utils/dag-installer-chart/",
    ],
)
def test_a_path_into_a_clone_that_is_not_here_is_replaced_by_our_installer(
    tmp_path: Path, helm: Helm, api: str, repository: str
) -> None:
    root = write(
        tmp_path / "x",
        {
            f"{CHART}/Chart.yaml": FILES[f"{CHART}/Chart.yaml"].replace("apiVersion: v2", f"apiVersion: {api}"),
            f"{CHART}/requirements.yaml": FILES[f"{CHART}/requirements.yaml"].replace(
                "file://../../../../../services/utils/dag-installer-chart", repository
            ),
        },
    )
    before = snapshot(root)
    made = package(root, tmp_path / "out", helm)
    assert made.path.name == "mean-workflow-0.1.0.tgz"
    assert made.subcharts == {"dag-installer-chart": "0.0.0"}
    assert "mean-workflow/charts/dag-installer-chart/templates/install.yaml" in names_in(made.path)
    assert snapshot(root) == before
    uploaded = upload.check(helm, made, GLOBALS)
    rendered, values = upload.render(helm, uploaded, GLOBALS, {})
    assert values["global"]["image"] == "dag-mean"
    assert rendered.objects[0]["spec"]["template"]["spec"]["containers"][0]["image"] == "localhost:40123/dag-mean:0.0.0"


def test_the_authors_own_installer_chart_is_used_when_its_path_exists(tmp_path: Path, helm: Helm) -> None:
    own = {
        "own/Chart.yaml": "apiVersion: v1\nname: dag-installer-chart\nversion: 0.6.0\n",
        "own/templates/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own, namespace: services}\n",
    }
    requirements = "dependencies:\n- name: dag-installer-chart\n  version: 0.6.0\n  repository: file://../../own\n"
    made = package(write(tmp_path / "x", {**own, f"{CHART}/requirements.yaml": requirements}), tmp_path / "o", helm)
    assert made.subcharts == {"dag-installer-chart": "0.6.0"}
    assert "mean-workflow/charts/dag-installer-chart/templates/x.yaml" in names_in(made.path)


@pytest.mark.parametrize("version", ["0.6.0", "1.2.3"])
def test_another_version_of_the_installer_is_refused_as_helm_does(tmp_path: Path, helm: Helm, version: str) -> None:
    text = FILES[f"{CHART}/requirements.yaml"].replace("0.0.0", version)
    with pytest.raises(ExtensionError) as caught:
        package(write(tmp_path / "x", {f"{CHART}/requirements.yaml": text}), tmp_path / "o", helm)
    assert f"asks for dag-installer-chart {version}, but that chart has version 0.0.0" in caught.value.cause


def test_a_version_mismatch_with_the_authors_own_chart_carries_helms_words(tmp_path: Path, helm: Helm) -> None:
    own = {"own/Chart.yaml": "apiVersion: v1\nname: dag-installer-chart\nversion: 0.6.0\n"}
    requirements = "dependencies:\n- name: dag-installer-chart\n  version: 0.0.0\n  repository: file://../../own\n"
    with pytest.raises(ExtensionError, match="cannot be packaged") as caught:
        package(write(tmp_path / "x", {**own, f"{CHART}/requirements.yaml": requirements}), tmp_path / "o", helm)
    assert "dag-installer-chart" in caught.value.last_seen


def test_another_missing_dependency_is_named(tmp_path: Path, helm: Helm) -> None:
    requirements = (
        FILES[f"{CHART}/requirements.yaml"] + "  - name: model\n    version: 1.0.0\n    repository: file://../m\n"
    )
    with pytest.raises(ExtensionError, match=r"model is not at file://\.\./m"):
        package(write(tmp_path / "x", {f"{CHART}/requirements.yaml": requirements}), tmp_path / "o", helm)


def test_leftovers_of_an_earlier_packaging_are_not_packed(tmp_path: Path, helm: Helm) -> None:
    root = write(tmp_path / "x", {f"{CHART}/charts/dag-installer-chart/Chart.yaml": "name: stale\n"})
    (root / CHART / "mean-workflow-0.0.1.tgz").write_bytes(b"old")
    made = package(root, tmp_path / "o", helm)
    assert "mean-workflow/mean-workflow-0.0.1.tgz" not in names_in(made.path)
    assert made.subcharts["dag-installer-chart"] == "0.0.0"


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("templates/x.yaml", "a: {{ .Values.nothing.here }}\n", "cannot be rendered"),
        ("templates/x.yaml", "a: b: c\n", "cannot be rendered"),
        (
            "templates/x.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: admin}\n",
            "ConfigMap admin/c is in the namespace admin",
        ),
        (
            "Chart.yaml",
            FILES[f"{CHART}/Chart.yaml"].replace("kaapanaworkflow", "kaapanaworkflow-v2"),
            "never be listed",
        ),
        (
            "Chart.yaml",
            FILES[f"{CHART}/Chart.yaml"].replace("description: Mean value of an image\n", ""),
            "no description",
        ),
    ],
)
def test_an_upload_that_the_platform_would_refuse_or_lose_is_an_error(
    tmp_path: Path, helm: Helm, path: str, text: str, message: str
) -> None:
    made = package(write(tmp_path / "x", {f"{CHART}/{path}": text}), tmp_path / "o", helm)
    with pytest.raises(ExtensionError) as caught:
        upload.check(helm, made, GLOBALS)
    assert message in caught.value.cause


def test_a_renamed_package_is_refused(tmp_path: Path, helm: Helm) -> None:
    made = package(write(tmp_path / "x"), tmp_path / "o", helm)
    renamed = made.path.rename(tmp_path / "o/latest.tgz")
    with pytest.raises(ExtensionError, match=r"must be named mean-workflow-0\.1\.0\.tgz"):
        packages.read(renamed)


def test_an_object_of_a_hook_may_lie_in_admin(tmp_path: Path, helm: Helm) -> None:
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  namespace: admin\n"
        "  annotations: {helm.sh/hook: pre-install}\n"
    )
    made = package(write(tmp_path / "x", {f"{CHART}/templates/x.yaml": text}), tmp_path / "o", helm)
    assert upload.check(helm, made, GLOBALS).package is made
