"""Several labels in one segmentation, a branch of the DAG, and a container that asks to be skipped."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from harness.errors import FormError

EXTENSION = Path(__file__).with_name("extension")
TISSUES = ["liquor", "grey matter", "white matter"]


@pytest.fixture
def multi_organ(kaapana):
    """The extension, built, delivered, installed and allowed in the project of this test."""
    return kaapana.install(EXTENSION)


def table(run):
    """The rows of the one ``volumes.csv`` in the bucket, by tissue."""
    (written,) = [item for item in run.objects if item.key.endswith("/volumes.csv")]
    return {row["tissue"]: row for row in csv.DictReader(io.StringIO(written.data.decode()))}


@pytest.mark.finds("custom-segment-code")
def test_all_tissues_are_segments_of_one_seg_and_their_volumes_are_in_the_table(multi_organ, brain_mr):
    run = multi_organ.run(dataset=brain_mr)
    assert run.succeeded
    segmentation = run.sent.segmentation()
    assert segmentation.is_valid
    assert segmentation.references(brain_mr)
    assert segmentation.labels == TISSUES
    for name in ("grey matter", "white matter"):
        truth = brain_mr.truth[name.replace(" ", "_")]
        assert segmentation.dice(name, truth) > 0.7
    rows = table(run)
    assert list(rows) == TISSUES
    for name, row in rows.items():
        assert int(row["voxels"]) == segmentation.voxels(name)
        assert row["series"] == brain_mr.series_instance_uid


@pytest.mark.finds("custom-segment-code")
def test_only_the_selected_tissues_are_stored_and_the_report_is_optional(multi_organ, brain_mr):
    run = multi_organ.run(dataset=brain_mr, form={"tissues": ["white matter"], "report_volumes": False})
    assert run.succeeded
    assert run.sent.segmentation().labels == ["white matter"]
    assert {run.task(name).state for name in ("organ-volumes", "put-volumes")} == {"skipped"}
    assert run.task("workflow-cleaner").state == "success"
    assert not run.objects


@pytest.mark.finds("custom-segment-code", "skipped-by-exit-code")
def test_the_table_skips_itself_when_no_tissue_is_large_enough(multi_organ, brain_mr):
    run = multi_organ.run(dataset=brain_mr, form={"tissues": ["liquor"], "min_volume_ml": 100_000})
    assert run.succeeded
    assert run.sent.segmentation().labels == ["liquor"]
    volumes = run.task("organ-volumes")
    assert (volumes.state, volumes.exit_code) == ("skipped", 126)
    assert "nothing to report" in volumes.log
    assert run.task("put-volumes").state == "skipped"


@pytest.mark.parametrize("form", [{"tissues": ["bone"]}, {"tissues": []}, {"min_volume_ml": -1}])
def test_a_form_that_the_platform_would_not_accept_starts_nothing(multi_organ, brain_mr, form):
    with pytest.raises(FormError, match=next(iter(form))):
        multi_organ.run(dataset=brain_mr, form=form)
