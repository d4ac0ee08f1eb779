"""Charts that an extension's chart requires, in the ways in which requirements.yaml really names them (shapes 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import extension
from harness.artefacts.package import ChartPackage
from harness.errors import ExtensionError
from harness.extension.charts import Chart
from harness.kube import Manifest
from harness.platform import dependencies, packaging, platform_globals, upload
from harness.platform.helm import Helm
from harness.profiles import load
from tests.extension.trees_for_tests import FILES, write

CHART = "extension/mean-workflow"
REQUIREMENTS = f"{CHART}/requirements.yaml"
UP = "file://../../../../.."
IN_A_CLONE = f"{UP}/services/utils/dag-installer-chart"
INSTALLER = f"dependencies:\n- name: dag-installer-chart\n  version: 0.0.0\n  repository: {IN_A_CLONE}\n"
OWN: dict[str, str | None] = {"deps/own/Chart.yaml": "apiVersion: v2\nname: own\nversion: 0.3.0\ntype: library\n"}
GLOBALS = platform_globals.make_globals(load("0.6.0"), "localhost:40123", "0.6.0")


def chart_of(root: Path, requirements: str, changes: dict[str, str | None] | None = None) -> Chart:
    return extension.read(write(root / "x", {REQUIREMENTS: requirements, **(changes or {})})).chart


def packaged(root: Path, helm: Helm, requirements: str, changes: dict[str, str | None] | None = None) -> ChartPackage:
    return packaging.package(chart_of(root, requirements, changes), root / "out", helm=helm)


def objects(helm: Helm, made: ChartPackage, **params: Any) -> dict[str, Manifest]:
    rendered, _ = upload.render(helm, upload.check(helm, made, GLOBALS), GLOBALS, params)
    return {manifest["metadata"]["name"]: manifest for manifest in rendered.objects}


def container(manifest: Manifest) -> dict[str, Any]:
    (found,) = manifest["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize(
    ("repository", "problem"),
    [
        (IN_A_CLONE, ""),
        ("file:///kaapana/app/kaapana/services/utils/dag-installer-chart/", ""),
        (
            f"{UP}/services/utils/dag-installer/dag-installer-chart",
            f"dag-installer-chart is not at {UP}/services/utils/dag-installer/dag-installer-chart, and the platform's "
            "repository has it at services/utils/dag-installer-chart: `helm dep up` fails (directory not found)",
        ),
        (
            "",
            "dag-installer-chart has no repository: `helm dep up` fails (directory charts/dag-installer-chart not "
            "found)",
        ),
    ],
)
def test_an_installer_chart_that_only_the_build_script_finds_is_used_with_a_finding(
    tmp_path: Path, helm: Helm, repository: str, problem: str
) -> None:
    requirements = "dependencies:\n- name: dag-installer-chart\n  version: 0.0.0\n"
    requirements += f"  repository: {repository}\n" if repository else ""
    chart = chart_of(tmp_path, requirements)
    assert packaging.package(chart, tmp_path / "out", helm=helm).subcharts == {"dag-installer-chart": "0.0.0"}
    found = dependencies.collect_findings(chart)
    assert [(finding.rule, finding.where) for finding in found] == (
        [("dependency-by-name", "dag-installer-chart")] if problem else []
    )
    assert all(finding.message.startswith(problem) for finding in found)


def test_a_chart_without_a_version_is_accepted_with_a_notice_as_by_the_build_script(tmp_path: Path, helm: Helm) -> None:
    chart = chart_of(tmp_path, INSTALLER.replace("  version: 0.0.0\n", "") + "- name: own\n", OWN)
    made = packaging.package(chart, tmp_path / "out", helm=helm)
    assert made.subcharts == {"dag-installer-chart": "0.0.0", "own": "0.3.0"}
    versionless, nowhere = dependencies.collect_findings(chart)
    assert versionless.message.startswith("dag-installer-chart has no version: `helm dep up` fails (invalid version/")
    assert versionless.fix == 'version: "0.0.0"'
    assert nowhere.message.startswith("own has no repository")
    with pytest.raises(ExtensionError, match="dag-installer-chart has no version: `helm dep up` fails"):
        packaging.package(chart, tmp_path / "kit", helm=helm, edk_version="0.6.0")


@pytest.mark.parametrize(
    "repository", ["", "\n  repository: file://../services/utils/dag-installer/dag-installer-chart"]
)
def test_the_development_kit_fails_where_helm_does(tmp_path: Path, helm: Helm, repository: str) -> None:
    chart = chart_of(tmp_path, f"dependencies:\n- name: dag-installer-chart\n  version: 0.0.0{repository}\n")
    with pytest.raises(ExtensionError, match="the development kit cannot package mean-workflow: dag-installer-chart"):
        packaging.package(chart, tmp_path / "out", helm=helm, edk_version="0.6.0")


def test_the_model_installer_brings_a_job_with_the_platforms_version_of_its_image(tmp_path: Path, helm: Helm) -> None:
    values = (
        FILES[f"{CHART}/values.yaml"]
        + "model_installer_chart:\n  image: get-models\n  model_dir: /models/net\n"
        + "extension_params:\n  task_ids:\n    default: [total, lung]\n    definition: Which\n    type: list_multi\n"
        + "    value: [total, lung]\n"
    )
    requirements = f"{INSTALLER}- name: model_installer_chart\n  version: 0.0.0\n"
    made = packaged(tmp_path, helm, requirements, {f"{CHART}/values.yaml": values})
    assert made.subcharts == {"dag-installer-chart": "0.0.0", "model_installer_chart": "0.0.0"}
    job = objects(helm, made, task_ids="total,lung")["get-models"]
    assert (job["kind"], job["metadata"]["namespace"]) == ("Job", "services")
    pod = job["spec"]["template"]
    assert pod["metadata"]["labels"] == {"network-access-external-ips": "true"}
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "models-pv-claim"}
    work = container(job)
    assert work["image"] == "localhost:40123/get-models:0.6.0"
    env = {entry["name"]: entry["value"] for entry in work["env"]}
    assert (env["MODEL_DIR"], env["TASK_IDS"]) == ("/models/net", "total,lung")
    assert work["volumeMounts"] == [{"name": "models", "mountPath": "/models"}]


def test_without_its_block_of_values_the_model_installer_says_what_is_missing(tmp_path: Path, helm: Helm) -> None:
    made = packaged(tmp_path, helm, f"{INSTALLER}- name: model_installer_chart\n  version: 0.0.0\n")
    with pytest.raises(ExtensionError, match=r"model_installer_chart\.image is missing in values\.yaml"):
        upload.check(helm, made, GLOBALS)


def test_the_platforms_library_may_be_required_but_has_no_templates(tmp_path: Path, helm: Helm) -> None:
    requirements = f"{INSTALLER}- name: kaapana-library-chart\n  version: 0.0.0\n"
    made = packaged(tmp_path / "a", helm, requirements)
    assert "dag-mean" in objects(helm, made)
    uses = {f"{CHART}/templates/volumes.yaml": '{{ include "some.volumes" . }}\n'}
    with pytest.raises(ExtensionError, match=r"some\.volumes"):
        upload.check(helm, packaged(tmp_path / "b", helm, requirements, uses), GLOBALS)


LIBRARY: dict[str, str | None] = {
    "extension/own-library/Chart.yaml": "apiVersion: v2\nname: own-library\nversion: 0.0.0\ntype: library\n",
    "extension/own-library/templates/_name.tpl": '{{ define "own.name" }}from-the-library{{ end }}\n',
    f"{CHART}/templates/config.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n"
        '  name: {{ include "own.name" . }}\n  namespace: {{ .Values.global.services_namespace }}\n'
    ),
}


@pytest.mark.parametrize("repository", ["file://../own-library", "file://../../moved/own-library", ""])
def test_a_library_of_the_authors_own_is_found_by_its_path_or_by_its_name(
    tmp_path: Path, helm: Helm, repository: str
) -> None:
    requirements = f"{INSTALLER}- name: own-library\n  version: 0.0.0\n"
    requirements += f"  repository: {repository}\n" if repository else ""
    chart = chart_of(tmp_path, requirements, LIBRARY)
    assert "from-the-library" in objects(helm, packaging.package(chart, tmp_path / "out", helm=helm))
    by_name = [finding.where for finding in dependencies.collect_findings(chart)]
    assert by_name == ([] if repository == "file://../own-library" else ["own-library"])


def test_a_missing_chart_is_reported_with_the_existing_ones(tmp_path: Path) -> None:
    chart = chart_of(tmp_path, f"{INSTALLER}- name: model-installer\n  version: 0.0.0\n", LIBRARY)
    with pytest.raises(ExtensionError, match=r"requirements\.yaml: model-installer has no repository") as caught:
        packaging.package(chart, tmp_path / "out")
    assert "model_installer_chart, own-library" in str(caught.value.last_seen)


def test_conditions_and_aliases_of_dependencies_stay(tmp_path: Path, helm: Helm) -> None:
    requirements = (
        f"{INSTALLER}- name: model_installer_chart\n  version: 0.0.0\n  condition: models.enabled\n  alias: models\n"
    )
    off = FILES[f"{CHART}/values.yaml"] + "models: {enabled: false, image: get-models}\n"
    made = packaged(tmp_path / "a", helm, requirements, {f"{CHART}/values.yaml": off})
    assert "get-models" not in objects(helm, made)
    made = packaged(tmp_path / "b", helm, requirements, {f"{CHART}/values.yaml": off.replace("false", "true")})
    assert "get-models" in objects(helm, made)


INIT_JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: push-notebooks
  namespace: {{ .Values.global.services_namespace }}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      nodeSelector:
        kubernetes.io/hostname: {{ .Values.global.main_node_name | quote }}
      imagePullSecrets:
        - name: registry-secret
      containers:
        - name: push
          image: "{{ .Values.global.registry_url }}/mean-value:{{ .Values.global.kaapana_build_version }}"
          imagePullPolicy: {{ .Values.global.pull_policy_jobs | default "IfNotPresent" }}
          env:
            - name: MINIO_SERVICE
              value: "minio-service.{{ .Values.global.services_namespace }}.svc:9000"
            - name: MINIOUSER
              value: {{ .Values.global.credentials_minio_username | default "" | quote }}
            - name: MINIOPASSWORD
              value: {{ .Values.global.credentials_minio_password | default "" | quote }}
            {{- range $name := list "grafana_username" "grafana_password" "keycloak_admin_username" }}
            - name: {{ $name }}
              value: {{ required $name (index $.Values.global (printf "credentials_%s" $name)) | quote }}
            {{- end }}
            - name: CIDRS
              value: {{ join "," .Values.global.internalCidrs | quote }}
"""


def test_a_job_of_the_charts_own_templates_gets_what_it_reads_of_the_platform(tmp_path: Path, helm: Helm) -> None:
    own = {f"{CHART}/templates/init job.yaml": INIT_JOB}
    work = container(objects(helm, packaged(tmp_path, helm, INSTALLER, own))["push-notebooks"])
    assert work["image"] == "localhost:40123/mean-value:0.6.0"
    env = {entry["name"]: entry["value"] for entry in work["env"]}
    assert all(env.values()), env
    assert env["CIDRS"] == "10.152.183.0/24,10.1.0.0/16"
