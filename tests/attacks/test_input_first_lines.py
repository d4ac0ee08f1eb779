"""The first line about wrong input names the file or the setting, the field, and the problem."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.artefacts import package as packages
from harness.cli.verbs import cli
from harness.common import crash
from harness.data.reading import read_input
from harness.errors import ExtensionError, InputDataError
from harness.extension.source import read
from harness.platform import packaging, upload
from harness.platform.helm import Helm, HelmError, HelmLibrary, HelmProgram
from tests.attacks.test_input_charts_fuzzed import write_chart
from tests.attacks.test_input_trees_fuzzed import CHART, GLOBALS
from tests.extension import trees_for_tests

FILES = trees_for_tests.FILES
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i, env: {A: b}}]}\n"


@pytest.fixture
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.verbs._environment", lambda _: pytest.fail("an environment was made"))


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ nope }}", '(fuzzed/templates/x.yaml:1): function "nope" not defined'),
        ("a: {{ .Values.a.b.c }}", "fuzzed/templates/x.yaml:1:13"),
        ("{{ fail `not\nthis way` }}", "(fuzzed/templates/x.yaml:1:3): not this way"),
        ("a: b: c", "fuzzed/templates/x.yaml: what is rendered is not valid YAML: line 1, column 5"),
        ("- a", "fuzzed/templates/x.yaml: what is rendered is not a Kubernetes object (kind and apiVersion): ['a']"),
        (POD, "fuzzed/templates/x.yaml: Pod p: spec.containers[0].env is {'A': 'b'}, expected a list"),
    ],
)
def test_a_chart_that_does_not_render_is_named_with_its_template_and_helms_words(
    tmp_path: Path, template: str, said: str
) -> None:
    helm = HelmLibrary()
    package = packages.read(helm.package(write_chart(tmp_path, template), tmp_path / "out"))
    with pytest.raises(ExtensionError) as caught:
        upload.check(helm, package, GLOBALS)
    assert "fuzzed-0.1.0.tgz" in caught.value.cause
    assert said in caught.value.cause


def test_helms_program_names_the_template_as_its_library_does(tmp_path: Path) -> None:
    program = tmp_path / "helm"
    output = "---\n# Source: x/templates/good.yaml\n{good}---\n# Source: x/templates/bad.yaml\n{bad}"
    good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    (tmp_path / "output").write_text(output.format(good=good, bad=POD))
    program.write_text(f'#!/bin/sh\ncat "{tmp_path}/output"\n')
    program.chmod(0o755)
    helm: Helm = HelmProgram(str(program))
    with pytest.raises(HelmError, match=r"^x/templates/bad\.yaml: Pod p: spec\.containers\[0\]\.env is"):
        helm.render(tmp_path, {}, release="r", namespace="n")
    (tmp_path / "output").write_text(output.format(good=good, bad="# nothing\n"))
    assert [found["kind"] for found in helm.render(tmp_path, {}, release="r", namespace="n")] == ["ConfigMap"]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("Chart.yaml", FILES[f"{CHART}/Chart.yaml"] + "maintainers: x\n", "maintainers"),
        ("values.schema.json", "{", "values.schema.json"),
        ("requirements.lock", "{", "requirements.lock"),
    ],
)
def test_a_chart_that_cannot_be_packaged_is_named_with_helms_words(
    tmp_path: Path, file: str, text: str, said: str
) -> None:
    tree = trees_for_tests.write(tmp_path / "tree", {f"{CHART}/{file}": text})
    with pytest.raises(ExtensionError, match="the chart mean-workflow cannot be packaged: ") as caught:
        packaging.package(read(tree).chart, tmp_path / "out", helm=HelmLibrary())
    assert said in caught.value.cause
    assert "kh-chart-" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["\udcff", "a\nb", "é"])
def test_a_package_arrives_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    tree = trees_for_tests.write(tmp_path / "tree")
    made = packaging.package(read(tree).chart, tmp_path / name, helm=HelmLibrary())
    assert made.path == tmp_path / name / "mean-workflow-0.1.0.tgz"
    assert os.listdir(tmp_path / name) == ["mean-workflow-0.1.0.tgz"]
    assert len(os.listdir(tmp_path)) == 2


def test_a_package_that_does_not_fit_on_the_disk_is_named_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile

    def full(source: Path, target: Path, **how: Any) -> Any:
        if target.parent == tmp_path / "out":
            raise OSError(errno.ENOSPC, "No space left on device", str(source))
        return copy(source, target, **how)

    monkeypatch.setattr("shutil.copyfile", full)
    tree = trees_for_tests.write(tmp_path / "tree")
    with pytest.raises(OSError, match="No space left on device") as caught:
        packaging.package(read(tree).chart, tmp_path / "out", helm=HelmLibrary())
    explained = crash.explain(caught.value)
    assert explained.cause == f"{tmp_path}/out/mean-workflow-0.1.0.tgz cannot be written: No space left on device"
    assert explained.exit_status == 3
    assert os.listdir(tmp_path / "out") == []


def test_two_dockerfiles_of_one_image_are_both_named(tmp_path: Path) -> None:
    dockerfile = "processing-containers/mean-value/Dockerfile"
    tree = trees_for_tests.write(tmp_path / "tree", {"again/Dockerfile": FILES[dockerfile]})
    (finding,) = read(tree).findings
    assert (finding.rule, finding.where) == ("dropped-dockerfile", dockerfile)
    assert "again/Dockerfile" in finding.message


def test_an_image_that_is_not_text_is_not_reported_as_missing(tmp_path: Path) -> None:
    tree = trees_for_tests.write(tmp_path / "tree", {f"{CHART}/values.yaml": "global: {image: 3}\n"})
    with pytest.raises(ExtensionError, match=r"values\.yaml: global\.image must be text, not 3"):
        read(tree)


def test_files_of_an_input_are_named_with_what_is_wrong_with_all_of_them(tmp_path: Path) -> None:
    for name in ("1.dcm", "2.dcm"):
        (tmp_path / name).write_bytes(bytes(128) + b"DICM")
    with pytest.raises(InputDataError) as caught:
        read_input(tmp_path)
    assert caught.value.cause.endswith("1.dcm, 2.dcm (no transfer syntax in its file header)"), caught.value.cause


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NODES", "two", "expected a number from 1 to 50, got 'two'"),
        ("NODES", "1.5", "expected a number from 1 to 50"),
        ("NODES", "9" * 5000, "expected a number from 1 to 50"),
        ("RUN_TIMEOUT", "", "expected a positive number of seconds"),
        ("DISK_RESERVE", "1 GiB", "expected a number of MiB"),
        ("PLATFORM_REGISTRY", "registry.site:99999/team", "expected a registry"),
        ("CONTEXT_REGISTRY", "registry.site:0", "expected a registry"),
        ("CONTEXT_STORAGE_CLASS", "Fast Disks", "expected the name of a storage class"),
    ],
)
def test_an_invalid_setting_is_named_with_the_expected_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"KAAPANA_HARNESS_{name}", value)
    result = invoke("status")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: KAAPANA_HARNESS_{name}: {said}")


@pytest.mark.usefixtures("_no_environment")
@pytest.mark.parametrize("name", ["", "admin", "a b", "../x", "a" * 5000, "a\n"])
def test_a_project_that_cannot_be_is_refused_before_an_environment_is_made(tmp_path: Path, name: str) -> None:
    tree = trees_for_tests.write(tmp_path / "tree")
    result = invoke("run", tree, "--project", name, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "cannot name a project" in result.stderr.splitlines()[0]
    assert len(result.stderr) < 1000


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


@pytest.mark.usefixtures("_no_environment")
@pytest.mark.parametrize("make", [_loop, _dangling, Path.touch, os.mkfifo])
@pytest.mark.parametrize("below", ["", "x/y"])
def test_a_folder_for_evidence_that_cannot_be_made_is_refused_before_an_environment_is_made(
    tmp_path: Path, make: Callable[[Path], None], below: str
) -> None:
    make(tmp_path / "out")
    tree = trees_for_tests.write(tmp_path / "tree")
    result = invoke("run", tree, "--out", tmp_path / "out" / below)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: --out {tmp_path}/out")


def test_a_device_is_not_replaced_by_an_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    tree = trees_for_tests.write(tmp_path / "tree")
    for path in (tmp_path / "pipe", Path("/dev/full")):
        result = invoke("build", tree, "--images-tar", path, "--registry", "registry.site/team")
        assert result.exit_code == 2
        assert result.stderr.startswith(f"error: {path} cannot be written: it is not a regular file")


def test_an_archive_whose_partial_file_cannot_have_its_name_is_refused_before_the_build(tmp_path: Path) -> None:
    tree = trees_for_tests.write(tmp_path / "tree")
    result = invoke("build", tree, "--images-tar", tmp_path / ("a" * 250), "--registry", "registry.site/team")
    assert result.exit_code == 2
    assert "cannot be written: File name too long" in result.stderr.splitlines()[0]
