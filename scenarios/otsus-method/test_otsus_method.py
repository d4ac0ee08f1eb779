"""The example extension from its form to what a user of the platform gets: the segmentation and the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import FormError, RunError

EXTENSION = Path(__file__).with_name("extension")


@pytest.fixture
def otsus(kaapana):
    """The extension, built, delivered, installed and allowed in the project of this test."""
    return kaapana.install(EXTENSION)


def test_the_brain_is_segmented_with_the_defaults_of_the_form(otsus, brain_mr):
    run = otsus.run(dataset=brain_mr)
    assert run.succeeded
    segmentation = run.sent.segmentation()
    assert segmentation.is_valid
    assert segmentation.references(brain_mr)
    assert segmentation.labels == ["brain"]
    assert segmentation.dice("brain", brain_mr.truth["brain"]) > 0.96
    assert "128 histogram bins" in run.task("otsus-method").log


def test_the_report_is_on_the_results_page_and_shows_the_series(otsus, brain_mr):
    run = otsus.run(dataset=brain_mr)
    report = run.reports["otsus-report.html"]
    assert "Otsu" in report.text
    assert brain_mr.series_instance_uid in report.text
    assert report.images == 1


def test_the_number_of_bins_goes_from_the_form_into_the_container(otsus, brain_mr):
    run = otsus.run(dataset=brain_mr, form={"threshold_bins": 64})
    assert run.succeeded
    assert "64 histogram bins" in run.task("otsus-method").log
    assert run.form["workflow_form"]["threshold_bins"] == 64


@pytest.mark.parametrize("bins", [1, 4097, "many"])
def test_a_number_of_bins_that_the_form_does_not_allow_starts_nothing(otsus, brain_mr, bins):
    with pytest.raises(FormError, match="threshold_bins"):
        otsus.run(dataset=brain_mr, form={"threshold_bins": bins})


def test_a_small_ct_runs_too_and_its_result_belongs_to_it(otsus, small_ct):
    run = otsus.run(dataset=small_ct)
    assert run.succeeded
    assert run.sent.segmentation().references(small_ct)


def test_single_execution_gives_every_series_its_own_run(otsus, brain_mr, small_ct):
    run = otsus.run(dataset=[brain_mr, small_ct], form={"single_execution": True})
    assert run.succeeded
    assert len(run.run_ids) == 2
    assert len(run.sent.segmentations()) == 2


def test_a_project_that_does_not_have_the_software_may_not_start_it(kaapana, brain_mr):
    extension = kaapana.install(EXTENSION, add_to_project=False)
    with pytest.raises(RunError, match="otsus-method"):
        extension.run(dataset=brain_mr)


def test_images_delivered_as_a_tar_file_run_as_well(kaapana, small_ct):
    extension = kaapana.install(EXTENSION, deliver="tar")
    assert extension.run(dataset=small_ct).succeeded


def test_the_extension_has_no_findings_on_any_release(otsus, small_ct):
    run = otsus.run(dataset=small_ct)
    assert run.findings == ()
    assert run.on_other_releases == ()


def test_a_run_leaves_a_segmentation_with_its_metadata_a_report_and_nothing_else(otsus, brain_mr):
    run = otsus.run(dataset=brain_mr)
    assert run.sent.nothing_but("SEG")
    assert run.objects.nothing_but("staticwebsiteresults/*.html")
    report = run.reports["otsus-report.html"]
    assert report.table("Histogram bins").numbers("Histogram bins") == [128]
    # the page of a notebook loads scripts from elsewhere, and nothing else does
    assert {link.element for link in report.links if link.leaves_platform} == {"script"}
    (sent,) = run.sent
    assert run.metadata[sent.series_instance_uid].at("00080060 Modality_keyword") == "SEG"
    assert brain_mr not in run.metadata
    assert run.notifications.nothing
    assert run.refused.only_probes
    # the platform writes names of project and dataset into two attributes of a trial, and no others
    assert run.sent.segmentation().second_opinion(ignoring=["ClinicalTrialSubject", "ClinicalTrialSeries"])
