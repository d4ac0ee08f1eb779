"""A structured report is read by concept, and its measurements are numbers with units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from made_documents import write_capture, write_report
from made_series import write_series
from pydicom.sr.codedict import codes

from harness.checks.explanations import find_asked_at
from harness.checks.structured_reports import StructuredReport
from harness.data import Series, read_input
from harness.errors import CheckError


@pytest.fixture
def report(tmp_path: Path, series: Series) -> StructuredReport:
    return StructuredReport(write_report(tmp_path / "sr.dcm", series))


def test_title_and_content_are_text(report: StructuredReport) -> None:
    assert report.title == "Imaging Measurement Report"
    text = report.text
    assert text.startswith("Language of Content Item and Descendants: English (United States)\nObserver Type: Device\n")
    assert (
        "\nImaging Measurements\n  Measurement Group\n    Tracking Identifier: liver\n"
        "    Tracking Unique Identifier: 1.2.77.1\n    Finding: Liver\n    Volume: 1512.25 ml\n"
        "    Attenuation Coefficient: 41.0 [hnsf'U]\n      Derivation: Mean\n"
    ) in text


@pytest.mark.parametrize("concept", ["tracking identifier", ("DCM", "112039"), codes.DCM.TrackingIdentifier])
def test_items_are_found_by_meaning_or_code(report: StructuredReport, concept: Any) -> None:
    assert [item.value for item in report.find(concept)] == ["liver", "spleen"]


def test_a_single_item_is_found_or_the_existing_ones_are_listed(report: StructuredReport) -> None:
    assert report.item("Device Observer Name").value == "the harness"
    with pytest.raises(CheckError, match=r"sr\.dcm has 2 content items 'Finding'") as caught:
        report.item("Finding")
    assert "Finding: Spleen in Imaging Measurement Report" in caught.value.last_seen
    with pytest.raises(CheckError, match=r"sr\.dcm has no content item DCM 1"):
        report.item(("DCM", "1"))


def test_a_measurement_is_a_number_with_a_unit(report: StructuredReport) -> None:
    volume = report.measurement("Volume", of="liver", unit="ml")
    assert volume == pytest.approx(1512.25)
    assert (volume.name, volume.unit, str(volume)) == ("Volume", "ml", "1512.25 ml")
    assert report.measurement(codes.SCT.Volume, of="Spleen") == 210.5
    assert report.measurement("Attenuation Coefficient", of=("spleen", "Maximum")) == 42
    assert [str(one) for one in report.measurements[:3]] == ["1512.25 ml", "41 [hnsf'U]", "41 [hnsf'U]"]


def test_a_failed_assertion_says_where_the_measurement_stands_and_what_else_there_is(report: StructuredReport) -> None:
    with pytest.raises(AssertionError) as caught:
        assert report.measurement("Volume", of="liver") < 0
    entry = caught.traceback[-1]
    number = find_asked_at(entry.frame.code.raw, entry.lineno + 1)
    assert number is not None
    first, *rest = number.in_words("asserted 1512.25 < 0")
    assert first == "'Volume' of sr.dcm is 1512.25 ml: asserted 1512.25 < 0"
    assert "Tracking Identifier: liver" in rest[0]
    assert rest[1].startswith("another one: Volume: 210.5 ml in Imaging Measurement Report > Imaging Measurements")


def test_a_missing_or_ambiguous_measurement_or_another_unit_is_named(report: StructuredReport) -> None:
    with pytest.raises(CheckError, match=r"sr\.dcm has no measurement 'Diameter'") as caught:
        report.measurement("Diameter")
    assert "Volume: 210.5 ml" in caught.value.last_seen
    with pytest.raises(CheckError, match=r"sr\.dcm has 2 measurements 'Volume'") as caught:
        report.measurement("Volume")
    assert caught.value.fix == "name more of it, e.g. of="
    with pytest.raises(CheckError, match=r"measurement 'Volume' of 'liver' of sr\.dcm is in ml, not in mm3"):
        report.measurement("Volume", of="liver", unit="mm3")


def changed(path: Path, change: Any) -> StructuredReport:
    dataset = pydicom.dcmread(path)
    for item in dataset.ContentSequence[-1].ContentSequence[0].ContentSequence:
        if item.ValueType == "NUM" and item.ConceptNameCodeSequence[0].CodeMeaning == "Volume":
            change(item)
    dataset.save_as(path)
    return StructuredReport(path)


def test_a_number_without_a_value_is_not_a_measurement(report: StructuredReport) -> None:
    damaged = changed(report.path, lambda item: setattr(item, "MeasuredValueSequence", []))
    with pytest.raises(CheckError, match=r"measurement 'Volume' of sr\.dcm has no value"):
        damaged.measurement("Volume", of="liver")
    assert len(damaged.measurements) == len(report.measurements) - 1


@pytest.mark.parametrize("depth", [70, 600])
def test_content_that_is_nested_without_end_is_refused(report: StructuredReport, depth: int) -> None:
    dataset = pydicom.dcmread(report.path)
    innermost = dataset
    for _ in range(depth):
        item = pydicom.Dataset()
        item.ValueType, item.RelationshipType = "CONTAINER", "CONTAINS"
        innermost.ContentSequence = [item]
        innermost = item
    dataset.save_as(report.path) if depth < 100 else report.path.write_bytes(_nested(report.path, depth))
    with pytest.raises(CheckError, match=r"nested deeper than 64 levels|cannot be read as DICOM"):
        assert StructuredReport(report.path).text


def _nested(path: Path, depth: int) -> bytes:
    """A file whose content sequences stand in one another, all of undefined length."""
    head = pydicom.dcmread(path)
    del head.ContentSequence
    head.save_as(path)
    sequence = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return path.read_bytes() + sequence * depth


def test_the_evidence_is_the_series(report: StructuredReport, series: Series, tmp_path: Path) -> None:
    assert report.references(series)
    other = read_input(write_series(tmp_path / "other", uid="1.9"))[0]
    assert report.references(other).summary == "its evidence is series 1.2.3.4, not 1.9"


def test_another_object_is_not_taken_for_a_report(tmp_path: Path, series: Series) -> None:
    from made_documents import gradient

    path = write_capture(tmp_path / "sc.dcm", gradient(), series)
    with pytest.raises(CheckError, match=r"sc\.dcm is not a structured report but Secondary Capture Image Storage"):
        StructuredReport(path)
