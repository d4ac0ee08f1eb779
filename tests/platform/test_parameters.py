"""The way of parameters to the templates, with each way to Helm that this machine has."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import extension
from harness.extension import params
from harness.findings import Finding
from harness.platform import packaging, parameters, templates, upload
from harness.platform.helm import Helm
from harness.platform.manifests import Rendered
from tests.extension.trees_for_tests import FILES, write

CHART = "extension/mean-workflow"
GLOBALS = {
    "registry_url": "localhost:1",
    "services_namespace": "services",
    "admin_namespace": "admin",
    "kaapana_build_version": "0.6.0",
    "pull_policy_images": "IfNotPresent",
}
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  namespace: services\ndata:\n"
PARAMETERS = """\
extension_params:
  heading: {type: doc, default: "<b>a & b</b>"}
  site: {type: string, default: here}
  fast: {type: boolean, default: true}
  organ: {type: list_single, default: liver, value: [liver, kidney]}
  task_ids: {type: list_multi, default: [total], value: [total, lung]}
"""
NAMES = ("site", "fast", "organ", "task_ids")


def findings(
    tmp_path: Path,
    helm: Helm,
    files: Mapping[str, str],
    *,
    declared: str = PARAMETERS,
    given: Mapping[str, Any] | None = None,
    chart_global: str = "",
) -> list[Finding]:
    """Findings about the small extension with some files in its chart and lines in its ``global``."""
    values = FILES[f"{CHART}/values.yaml"] + chart_global + declared
    changes = {f"{CHART}/{path}": text for path, text in files.items()}
    source = extension.read(write(tmp_path / "tree", {f"{CHART}/values.yaml": values, **changes}))
    package = packaging.package(source.chart, tmp_path / "out", helm=helm)
    uploaded = upload.check(helm, package, GLOBALS)
    posted = params.check(source.chart.parameters, given or {})

    def render(chosen: Mapping[str, Any]) -> Rendered:
        return upload.render(helm, uploaded, GLOBALS, chosen)[0]

    return list(parameters.collect_findings(source.chart.parameters, posted, uploaded, render))


def unread(found: list[Finding]) -> list[str]:
    return [finding.where for finding in found if finding.rule == "parameter-unread"]


def test_parameters_that_no_template_reads_are_named_and_headings_are_not(tmp_path: Path, helm: Helm) -> None:
    found = findings(tmp_path, helm, {})
    assert unread(found) == list(NAMES)
    assert "no template of the chart reads .Values.global.site" in found[0].message
    assert {finding.rule for finding in found} == {"parameter-unread"}


@pytest.mark.parametrize(
    "template",
    [
        CONFIG + "".join(f"  {name}: {{{{ .Values.global.{name} | quote }}}}\n" for name in NAMES),
        CONFIG + "".join(f'  {name}: {{{{ index .Values.global "{name}" | quote }}}}\n' for name in NAMES),
        CONFIG + "  all: {{ .Values.global | toYaml | quote }}\n",
        CONFIG + "  all: {{ .Values | toJson | quote }}\n",
        "{{- $g := .Values.global }}\n" + CONFIG + "".join(f"  {n}: {{{{ $g.{n} | quote }}}}\n" for n in NAMES),
        CONFIG
        + "{{- with .Values.global }}\n"
        + "".join(f"  {n}: {{{{ .{n} | quote }}}}\n" for n in NAMES)
        + "{{- end }}\n",
        CONFIG + "{{- range $key, $value := .Values.global }}\n  {{ $key }}: {{ $value | quote }}\n{{- end }}\n",
        # in a branch that is not taken: another value of another parameter might
        "{{- if .Values.global.never }}\n" + CONFIG + "  a: {{ .Values.global.site }}{{ .Values.global.fast }}"
        "{{ .Values.global.organ }}{{ .Values.global.task_ids }}\n{{- end }}\n",
        CONFIG + '  a: {{ tpl (.Files.Get "conf.txt") . | quote }}\n',
        # a template that refuses other values
        '{{- if ne (toJson .Values.global | sha256sum) "x" }}{{- range $key, $value := .Values.global }}'
        '{{- if contains "kaapana-harness-other" (toString $value) }}{{ fail "no" }}{{ end }}{{ end }}{{ end }}\n'
        + CONFIG
        + "  a: {{ .Values.global.fast }}{{ .Values.global.organ }}{{ .Values.global.task_ids | quote }}\n",
    ],
    ids=["field", "index", "yaml", "json", "variable", "with", "range", "not taken", "tpl", "refused"],
)
def test_a_parameter_that_a_template_may_read_is_not_named(tmp_path: Path, helm: Helm, template: str) -> None:
    conf = "".join(f"{{{{ .Values.global.{name} }}}}" for name in NAMES) if "conf.txt" in template else ""
    assert unread(findings(tmp_path, helm, {"templates/c.yaml": template, "conf.txt": conf})) == []


def test_a_hook_that_reads_a_parameter_counts(tmp_path: Path, helm: Helm) -> None:
    hook = CONFIG.replace("  name: c\n", "  name: c\n  annotations: {helm.sh/hook: pre-install}\n")
    text = hook + "  all: {{ toJson .Values.global | quote }}\n"
    assert unread(findings(tmp_path, helm, {"templates/c.yaml": text})) == []


def test_comments_and_texts_for_people_do_not_count_as_reading(tmp_path: Path, helm: Helm) -> None:
    text = (
        "{{/* .Values.global.site is .fast */}}\n{{- /*\n  .Values.global.organ\n*/ -}}\n"
        "# {{ .Values.global.task_ids }}\n" + CONFIG + "  a: site fast organ task_ids\n"
    )
    found = findings(tmp_path, helm, {"templates/c.yaml": text, "README.md": "`{{ .Values.global.site }}`"})
    assert unread(found) == list(NAMES)


def test_the_templates_of_a_sub_chart_count(tmp_path: Path, helm: Helm) -> None:
    requirements = (
        FILES[f"{CHART}/requirements.yaml"] + "  - {name: models, version: 0.0.0, repository: file://deps/m}\n"
    )
    files = {
        "requirements.yaml": requirements,
        "deps/m/Chart.yaml": "apiVersion: v1\nname: models\nversion: 0.0.0\n",
        "deps/m/templates/c.yaml": CONFIG + "  ids: {{ .Values.global.task_ids | quote }}\n",
    }
    assert unread(findings(tmp_path, helm, files)) == ["site", "fast", "organ"]


def test_a_parameter_that_the_charts_own_global_replaces_is_named_with_that(tmp_path: Path, helm: Helm) -> None:
    found = findings(
        tmp_path, helm, {}, chart_global='  site: "fixed"\n  organ: ""\n  fast: false\n', given={"site": "x"}
    )
    assert [finding.where for finding in found if finding.rule == "parameter-overridden"] == ["site"]
    assert "site" not in unread(found)


READS_SITE = {"templates/c.yaml": CONFIG + "  site: {{ .Values.global.site | quote }}\n"}


@pytest.mark.parametrize(
    ("value", "rule", "said"),
    [
        ("two words", "parameter-changed", "'two words' reaches templates as 'twowords' (blanks are removed)"),
        ("a \\b", "parameter-changed", "'a \\\\b' reaches templates as 'ab' (blanks and backslashes are removed)"),
        ("a;b", "parameter-dropped", "'a;b'"),
        ("a & b", "parameter-dropped", "'a & b'"),
        ("it's", "parameter-dropped", "it's"),
        ("<b>", "parameter-dropped", "<b>"),
    ],
)
def test_a_value_that_does_not_arrive_as_it_was_entered_is_named_with_the_reason(
    tmp_path: Path, helm: Helm, value: str, rule: str, said: str
) -> None:
    found = [r for r in findings(tmp_path, helm, READS_SITE, given={"site": value}) if r.rule != "parameter-unread"]
    assert [(finding.rule, finding.where) for finding in found] == [(rule, "site")]
    assert said in found[0].message


@pytest.mark.parametrize("value", ["plain", "a,b", "{x}", "a=b", "[1]", "ü-_/:.", "true"])
def test_a_value_that_arrives_as_it_was_entered_needs_no_finding(tmp_path: Path, helm: Helm, value: str) -> None:
    found = findings(tmp_path, helm, READS_SITE, given={"site": value})
    assert {finding.rule for finding in found} == {"parameter-unread"}


def test_defaults_that_mislead_are_named(tmp_path: Path, helm: Helm) -> None:
    declared = """\
extension_params:
  ids: {type: list_multi, default: [total, old], value: [total, lung]}
  fast: {type: boolean, default: "False"}
"""
    reading = {"templates/c.yaml": CONFIG + "  a: {{ .Values.global.ids | quote }}{{ .Values.global.fast | quote }}\n"}
    found = findings(tmp_path, helm, reading, declared=declared)
    assert [(finding.rule, finding.where) for finding in found] == [
        ("parameter-default", "ids"),
        ("parameter-default", "fast"),
    ]
    assert "old" in found[0].message
    assert "any text counts as true" in found[1].message


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def test_templates_are_read_from_charts_within_charts(tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner.tgz", {"b/templates/x.yaml": b"{{ .Values.global.deep }}"}).read_bytes()
    outer = archive(tmp_path / "a.tgz", {"a/charts/b-1.tgz": inner, "a/templates/y.yaml": b'{{ get . "near" }}'})
    found = templates.find_mentioned_names(outer)
    assert found is not None
    assert {"deep", "near"} <= found


def test_nothing_is_reported_about_a_package_that_is_too_large_too_deep_or_no_archive(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.tgz"
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        for _ in range(40):
            file.write(bytes(2**20))
    assert templates.find_mentioned_names(bomb) is None
    nested = archive(tmp_path / "n.tgz", {"a/templates/x": b"{{ .a }}"}).read_bytes()
    for _ in range(6):
        nested = archive(tmp_path / "n.tgz", {"a/charts/n.tgz": nested}).read_bytes()
    assert templates.find_mentioned_names(tmp_path / "n.tgz") is None
    (tmp_path / "text.tgz").write_text("no archive")
    assert templates.find_mentioned_names(tmp_path / "text.tgz") is None
