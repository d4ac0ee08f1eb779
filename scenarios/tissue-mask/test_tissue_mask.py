"""Two workflows of one extension, the models that the second one needs, and the extension's own ci-config."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import FormError

EXTENSION = Path(__file__).with_name("extension")
CI_CONFIG = EXTENSION / "extension/tissue-mask-workflow/ci-config"


@pytest.fixture
def tissue_mask(kaapana):
    """The extension with both models in the project of this test."""
    extension = kaapana.install(EXTENSION)
    assert extension.run(dag="tissue-mask-models", form={"task_ids": ["body", "muscle"]}).succeeded
    return extension


def test_the_branch_takes_the_task_that_the_form_asks_for(tissue_mask, small_ct):
    run = tissue_mask.run(dag="tissue-mask", dataset=small_ct)
    assert run.succeeded
    assert (run.task("tissue-mask-coarse").state, run.task("tissue-mask-fine").state) == ("success", "skipped")
    coarse = run.sent.segmentation()
    assert coarse.is_valid
    assert coarse.references(small_ct)
    assert coarse.labels == ["tissue"]

    run = tissue_mask.run(dag="tissue-mask", dataset=small_ct, form={"detail": "fine"})
    assert run.succeeded
    assert (run.task("tissue-mask-coarse").state, run.task("tissue-mask-fine").state) == ("skipped", "success")
    # closing adds voxels and takes none
    assert run.sent.segmentation().voxels("tissue") > coarse.voxels("tissue")


def test_the_models_differ_and_installing_one_makes_it_usable(kaapana, small_ct):
    extension = kaapana.install(EXTENSION, params={"task_ids": ["muscle"]})
    assert extension.params == {"task_ids": "muscle"}
    # the chart's Job has filled the platform's own volume: a project has another one
    run = extension.run(dag="tissue-mask", dataset=small_ct, form={"model": "muscle"})
    assert run.state == "failed"
    assert "the model muscle is not installed in this project" in run.cause.line
    assert extension.run(dag="tissue-mask-models", form={"task_ids": ["muscle"]}).succeeded
    run = extension.run(dag="tissue-mask", dataset=small_ct, form={"model": "muscle"})
    assert run.succeeded
    assert "above 20.0 HU" in run.task("tissue-mask-coarse").log


@pytest.mark.finds("api-only-start")
def test_a_client_of_the_api_gives_a_threshold_that_the_page_has_no_field_for(tissue_mask, small_ct):
    with pytest.raises(FormError, match="no value 'threshold'"):
        tissue_mask.run(dag="tissue-mask", dataset=small_ct, form={"threshold": 0})
    conf = {"workflow_form": {"model": "body", "detail": "coarse", "input": "CT", "threshold": 0}, "data_form": {}}
    run = tissue_mask.run(dag="tissue-mask", dataset=small_ct, conf=conf)
    assert run.succeeded
    assert run.started_by == "api"
    assert "above 0.0 HU" in run.task("tissue-mask-coarse").log


def test_the_extensions_own_ci_config_passes_as_it_is(small_ct, pytestconfig, tmp_path):
    folder = small_ct.path
    names = {"test-CT": folder, "1.2.276.0.7230010.3.1.3.1702101325.1": folder}
    datasets = ",".join(f"{name}={path}" for name, path in names.items())
    cluster = pytestconfig.getoption("kaapana_cluster")
    command = [sys.executable, "-m", "pytest", str(CI_CONFIG), "-v", "-p", "no:cacheprovider"]
    command += ["--kaapana-report", str(tmp_path / "evidence"), *(["--kaapana-cluster", cluster] if cluster else [])]
    done = subprocess.run(
        command,
        env={**os.environ, "KAAPANA_HARNESS_DATASETS": datasets},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "3 passed, 1 skipped" in done.stdout
