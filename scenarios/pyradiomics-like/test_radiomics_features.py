"""Features of segmented images: the values, the form, batch and single execution, and what reaches the bucket."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from harness.data import Series, read_input
from harness.errors import FormError

EXTENSION = Path(__file__).with_name("extension")


@pytest.fixture
def radiomics(kaapana):
    """The extension, built, delivered, installed and allowed in the project of this test."""
    return kaapana.install(EXTENSION)


@pytest.fixture
def segmented(pacs, brain_mr, tmp_path):
    """Bring the image into the archive and write a segmentation of the tissues that are asked for."""
    pacs.add(brain_mr)
    sources = [pydicom.dcmread(path) for path in brain_mr.files]

    def write(*tissues: str) -> Series:
        algorithm = highdicom.AlgorithmIdentificationSequence("truth", codes.DCM.ArtificialIntelligence, "1")
        descriptions = [
            highdicom.seg.SegmentDescription(
                segment_number=number,
                segment_label=tissue.replace("_", " "),
                segmented_property_category=codes.SCT.Tissue,
                segmented_property_type=codes.SCT.Brain,
                algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
                algorithm_identification=algorithm,
            )
            for number, tissue in enumerate(tissues, start=1)
        ]
        segmentation = highdicom.seg.Segmentation(
            source_images=sources,
            pixel_array=np.stack([brain_mr.truth[tissue] for tissue in tissues], axis=-1).astype(np.uint8),
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=descriptions,
            series_instance_uid=highdicom.UID(),
            series_number=300,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="test",
            manufacturer_model_name="test",
            software_versions="1",
            device_serial_number="1",
        )
        folder = tmp_path / str(segmentation.SeriesInstanceUID)
        folder.mkdir()
        segmentation.save_as(folder / "segmentation.dcm")
        [series] = read_input(folder)
        return series

    return write


def rows(run):
    """The rows of all tables in the bucket, by label."""
    tables = [item for item in run.objects if item.key.endswith(".csv")]
    found = [row for item in tables for row in csv.DictReader(io.StringIO(item.data.decode()))]
    return {row["label"]: row for row in found}


def intensities(series, tissue):
    """The values of the image inside a tissue, flat, from the DICOM files themselves."""
    values = np.stack([pydicom.dcmread(path).pixel_array for path in series.files])
    return values[series.truth[tissue]].astype(float)


def test_the_features_are_those_of_the_image_inside_the_segments(radiomics, segmented, brain_mr):
    run = radiomics.run(dataset=segmented("grey_matter", "white_matter"))
    assert run.succeeded
    found = rows(run)
    assert list(found) == ["grey matter", "white matter"]
    for tissue in ("grey_matter", "white_matter"):
        row, values = found[tissue.replace("_", " ")], intensities(brain_mr, tissue)
        assert int(row["voxels"]) == values.size
        assert float(row["firstorder_mean"]) == pytest.approx(values.mean())
        assert float(row["firstorder_standard_deviation"]) == pytest.approx(values.std())
        assert float(row["shape_volume_ml"]) == pytest.approx(values.size * brain_mr.geometry.voxel_ml, rel=1e-4)


def test_the_archive_of_a_segmentation_has_a_file_for_each_segment(radiomics, segmented):
    series = segmented("grey_matter", "white_matter")
    run = radiomics.run(dataset=series)
    (archive,) = [item for item in run.objects if item.key.endswith(".zip")]
    assert archive.key == f"radiomics/batch/{series.series_instance_uid}/zip-unzip/features.zip"
    with zipfile.ZipFile(io.BytesIO(archive.data)) as content:
        # the operator stores names relative to the folder that its container starts in
        assert sorted(content.namelist()) == ["kaapana/app/1.json", "kaapana/app/2.json"]
        assert json.loads(content.read("kaapana/app/2.json"))["label"] == "white matter"


def test_the_form_decides_which_features_are_computed(radiomics, segmented):
    run = radiomics.run(dataset=segmented("white_matter"), form={"feature_classes": ["shape"], "bin_width": 10})
    assert run.succeeded
    row = rows(run)["white matter"]
    assert {name.partition("_")[0] for name in row} == {"segmentation", "segment", "label", "voxels", "shape"}
    assert "feature classes ['shape'], bin width 10" in run.task("radiomics-features").log


@pytest.mark.parametrize(("single", "tables"), [(False, 1), (True, 2)])
def test_one_table_for_all_segmentations_or_one_for_each(radiomics, segmented, single, tables):
    dataset = [segmented("grey_matter"), segmented("white_matter")]
    run = radiomics.run(dataset=dataset, form={"single_execution": single})
    assert run.succeeded
    assert len(run.run_ids) == tables
    assert len([item for item in run.objects if item.key.endswith(".csv")]) == tables
    found = rows(run)
    assert {label: row["segmentation"] for label, row in found.items()} == {
        "grey matter": dataset[0].series_instance_uid,
        "white matter": dataset[1].series_instance_uid,
    }


def test_an_image_instead_of_a_segmentation_fails_with_its_modality(radiomics, brain_mr):
    run = radiomics.run(dataset=brain_mr)
    assert not run.succeeded
    assert run.cause.task_id == "get-input-data"
    assert "modality MR is not one of" in run.task("get-input-data").log


@pytest.mark.parametrize("form", [{"feature_classes": ["glcm"]}, {"feature_classes": []}, {"bin_width": 0}])
def test_a_form_that_the_platform_would_not_accept_starts_nothing(radiomics, segmented, form):
    with pytest.raises(FormError, match=next(iter(form))):
        radiomics.run(dataset=segmented("white_matter"), form=form)
