"""The validator in its image has an opinion on real objects, and leaves nothing in the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from docker import APIClient

from harness.checks.segmentation import Segmentation
from harness.checks.structured_reports import StructuredReport
from harness.data import read_input
from harness.errors import CheckError
from harness.wire.labels import LABEL_ENVIRONMENT
from tests.checks.made_documents import write_report
from tests.checks.made_series import asymmetric_masks, write_segmentation, write_series


def examined(engine: APIClient) -> list[Any]:
    """Containers of the validator, those that have ended too."""
    found = engine.containers(all=True, filters={"label": LABEL_ENVIRONMENT})
    return [item for item in found if item["Labels"][LABEL_ENVIRONMENT].startswith("examine-")]


def test_errors_of_real_objects_have_attribute_and_module(engine: APIClient, tmp_path: Path) -> None:
    (series,) = read_input(write_series(tmp_path / "series", uid="1.2.3.4"))
    segmentation = Segmentation(write_segmentation(tmp_path / "seg.dcm", series, asymmetric_masks()))
    opinion = segmentation.second_opinion()
    assert opinion, str(opinion)
    assert opinion.kind == "Segmentation"
    assert StructuredReport(write_report(tmp_path / "sr.dcm", series)).second_opinion()

    def damage(dataset: Any) -> None:
        del dataset.SegmentSequence[1].SegmentAlgorithmType
        dataset.PatientSex = "Q"

    path = write_segmentation(tmp_path / "bad.dcm", series, asymmetric_masks(), change=damage)
    opinion = Segmentation(path).second_opinion()
    assert not opinion.ok
    assert {(one.path, one.module) for one in opinion.errors} == {
        ("PatientSex", ""),
        ("SegmentSequence[2].SegmentAlgorithmType", "SegmentDescriptionMacro"),
    }
    assert Segmentation(path).second_opinion(ignoring=["PatientSex", "SegmentDescriptionMacro"])
    assert examined(engine) == []


def test_an_object_that_is_newer_than_the_validator_is_named(engine: APIClient, tmp_path: Path) -> None:
    (series,) = read_input(write_series(tmp_path / "series", uid="1.2.3.4"))
    path = write_report(tmp_path / "sr.dcm", series)
    dataset = pydicom.dcmread(path)
    # Waveform Annotation SR
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.77"
    dataset.save_as(path)
    with pytest.raises(CheckError, match=r"dciodvfy does not know objects such as sr\.dcm"):
        StructuredReport(path).second_opinion()
    assert examined(engine) == []
