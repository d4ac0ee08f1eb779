"""Templates of charts and rendered objects, put together at random: rendered or refused, within seconds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from harness.artefacts import package as packages
from harness.errors import ExtensionError
from harness.extension import params as extension_params
from harness.platform import manifests, parameters, upload
from harness.platform.helm import HelmLibrary
from tests.attacks.input_fuzz import fuzzed, nasty_text, nasty_value, refusal, replaced
from tests.attacks.test_input_trees_fuzzed import GLOBALS

PIECES = [
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", "---\n", "kind: Pod\n", "apiVersion: v1\n", "- a\n",
    "{{ .Values.global.a }}", "{{ .Values.a.b.c }}", "{{ range until 50 }}x{{ end }}", "{{ include `x` . }}",
    "{{ tpl .Values.t . }}", "{{ define `x` }}{{ include `x` . }}{{ end }}", "{{ fail `no` }}", "{{ end }}", "{{", "}}",
    "{{ toYaml .Values }}", "{{ .Files.Get `/etc/passwd` }}", "{{ lookup `v1` `Pod` `` `` }}", "{{ env `HOME` }}",
    "{{ 1 | div 0 }}", "{{ repeat 1000 `a: ` }}", "{{ regexMatch `^(a+)+$` `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!` }}",
    "{{ genSelfSignedCert `a` nil nil 1 }}", "{{/* ", "*/}}", "a: &a [*a]\n", "data: {a: 1}\n", "metadata: 3\n", "\0",
    "é", "{{ index .Values 0 }}", "{{ required `r` .Values.x }}", "{{ .Capabilities.KubeVersion }}",
    "  x: 2024-13-45\n",
]  # fmt: skip
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "annotations": {"helm.sh/hook": "pre-install"}, "labels": {"a": "b"}},
    "spec": {
        "containers": [{"name": "c", "image": "x", "env": [{"name": "A", "value": "b"}], "command": ["ls"]}],
        "volumes": [{"name": "v"}],
    },
}
PLACES: list[tuple[Any, ...]] = [
    (), ("kind",), ("apiVersion",), ("metadata",), ("metadata", "name"), ("metadata", "namespace"),
    ("metadata", "annotations"), ("metadata", "annotations", "helm.sh/hook"), ("metadata", "labels"), ("spec",),
    ("metadata", "annotations", "helm.sh/hook-weight"), ("spec", "containers"), ("spec", "containers", 0),
    ("spec", "containers", 0, "image"), ("spec", "containers", 0, "env"), ("spec", "containers", 0, "env", 0),
    ("spec", "containers", 0, "command"), ("spec", "containers", 0, "ports"), ("spec", "volumes"), ("items",),
    ("spec", "template"), ("spec", "initContainers"), ("spec", "containers", 0, "resources"),
]  # fmt: skip


def write_chart(folder: Path, template: str, values: Any = None) -> Path:
    chart = folder / "fuzzed"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(
        "apiVersion: v2\nname: fuzzed\nversion: 0.1.0\ndescription: d\nkeywords: [kaapanaapplication]\n"
    )
    (chart / "values.yaml").write_text(yaml.safe_dump(values or {"global": {"a": "b"}}), "utf-8")
    (chart / "templates/x.yaml").write_bytes(template.encode("utf-8", "surrogatepass"))
    return chart


@fuzzed
@given(st.lists(st.sampled_from(PIECES) | nasty_text, min_size=1, max_size=8))
def test_templates_at_random_are_rendered_or_refused(pieces: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        chart = write_chart(Path(folder), "".join(pieces))
        package = packages.read(HelmLibrary().package(chart, Path(folder) / "out"))
        error = refusal(lambda: upload.check(HelmLibrary(), package, GLOBALS))
        assert error is None or "fuzzed-0.1.0.tgz" in str(error)


@fuzzed
@given(st.sampled_from(PLACES), nasty_value, st.sampled_from(["Pod", "Deployment", "Job", "List", "Service"]))
@example(("spec", "initContainers"), True, "List")
def test_objects_of_any_shape_are_arranged_or_refused(place: tuple[Any, ...], value: Any, kind: str) -> None:
    text = yaml.safe_dump(replaced({**POD, "kind": kind}, place, value))
    try:
        found = manifests.parse_documents(text)
    except ValueError:
        return
    arranged = manifests.arrange(found)
    assert len(arranged.objects) + len(arranged.hooks) == len(found)
    arranged.hooks_of("pre-install")
    assert len([manifests.describe(manifest) for manifest in found]) == len(found)
    assert all(isinstance(image, str) for _, image in manifests.find_images(found))
    assert all(manifest["metadata"]["name"] for manifest in found)


@fuzzed
@given(
    st.dictionaries(nasty_text, nasty_value, max_size=3),
    st.dictionaries(nasty_text, nasty_value, max_size=3),
    st.sampled_from(["string", "bool", "list_single", "list_multi", "doc", "x"]),
)
def test_extension_parameters_at_random_are_posted_or_refused(
    entry: dict[str, Any], given_values: dict[str, Any], kind: str
) -> None:
    declared = {"p": {"type": kind, "default": "a", "value": ["a"], "definition": "d", **entry}, **given_values}
    chart_globals = {"image": "x", **given_values}

    def post() -> None:
        found = extension_params.read({"extension_params": declared}, "values.yaml")
        extension_params.parse_texts(found, {"p": "a", "q": "b"})
        posted = extension_params.check(found, {})
        with tempfile.TemporaryDirectory() as folder:
            chart = write_chart(Path(folder), "a: {{ .Values.global.p }}", {"global": chart_globals})
            package = packages.read(HelmLibrary().package(chart, Path(folder) / "out"))
            uploaded = upload.Uploaded(package, chart_globals)
            parameters.collect_findings(
                found, posted, uploaded, lambda values: upload.render(HelmLibrary(), uploaded, GLOBALS, values)[0]
            )

    error = refusal(post)
    assert error is None or isinstance(error, ExtensionError) or "extension parameter" in str(error)
