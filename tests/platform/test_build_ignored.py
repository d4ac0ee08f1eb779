from __future__ import annotations

from pathlib import Path

import pytest

from harness import extension
from harness.common.progress import quiet
from harness.errors import ExtensionError
from harness.platform import build_ignored, bundle, planning
from harness.platform.missing_images import MissingImage
from harness.settings import Settings
from tests.extension.trees_for_tests import FILES, write

MEAN = "processing-containers/mean-value/Dockerfile"
DAG = "extension/docker/Dockerfile"
IGNORED = FILES[MEAN].replace('LABEL VERSION="0.1.0"', 'LABEL BUILD_IGNORE="True"')


def check(source: extension.ExtensionSource, there: frozenset[str] = frozenset()) -> None:
    containers = (*source.processing_images, source.dag_image)
    needs = planning.find_dag_needs(source.contents, "registry", "0.6.0")
    needs.append(MissingImage("registry/dag-mean:0.6.0", "Job services/dag-mean of the chart"))
    build_ignored.check(containers, lambda one: f"registry/{one.image}:0.6.0", needs, there.__contains__)


def test_an_image_that_is_not_built_although_an_operator_pulls_it_is_named_with_both_files(tmp_path: Path) -> None:
    source = extension.read(write(tmp_path, {MEAN: IGNORED}))
    with pytest.raises(ExtensionError, match=r'mean-value/Dockerfile has LABEL BUILD_IGNORE="True"') as caught:
        check(source)
    assert caught.value.last_seen == (
        "registry/mean-value:0.6.0 is named by extension/docker/files/mean-value/MeanOperator.py line 10"
    )
    check(source, frozenset({"registry/mean-value:0.6.0"}))


def test_a_dag_image_that_is_not_built_is_named_with_the_job_that_pulls_it(tmp_path: Path) -> None:
    text = FILES[DAG].replace('BUILD_IGNORE="False"', "BUILD_IGNORE=yes")
    with pytest.raises(ExtensionError, match="does not build dag-mean") as caught:
        check(extension.read(write(tmp_path, {DAG: text})))
    assert "Job services/dag-mean of the chart" in caught.value.last_seen


def test_an_image_that_nothing_pulls_may_be_left_out(tmp_path: Path) -> None:
    check(
        extension.read(write(tmp_path, {"processing-containers/old/Dockerfile": IGNORED.replace("mean-value", "old")}))
    )


def test_a_local_base_that_is_not_built_is_named_with_what_begins_with_it(tmp_path: Path) -> None:
    base = 'FROM local-only/base-python-cpu:latest\nLABEL REGISTRY="local-only"\nLABEL IMAGE="my-base"\n'
    ignored = f'{base}LABEL BUILD_IGNORE="True"\n'
    child = FILES[MEAN].replace("base-python-cpu", "my-base")
    place = "processing-containers/base/Dockerfile"
    with pytest.raises(ExtensionError, match=r"does not build local-only/my-base:latest, and the build of mean-value"):
        check(extension.read(write(tmp_path / "a", {place: ignored, MEAN: child})))
    check(extension.read(write(tmp_path / "b", {place: base, MEAN: child})))
    check(extension.read(write(tmp_path / "c", {place: ignored})))


def test_a_build_for_an_upload_reports_missing_images(tmp_path: Path) -> None:
    source = extension.read(write(tmp_path / "x", {MEAN: IGNORED}))
    with pytest.raises(ExtensionError, match="does not build mean-value"):
        bundle.make(
            source, Settings(), version="0.6.0", registry="r.site:5000", archive=None, chart_dir=tmp_path, say=quiet
        )
