"""Sent and stored objects of a run, and missing ones."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from harness.checks.questions import Question, observe
from harness.errors import CheckError
from harness.run.outputs import SentObject, SentObjects
from harness.run.stored_objects import StoredObject, StoredObjects

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def sent(folder: Path, *kinds: tuple[str, str]) -> SentObjects:
    """Objects of a SOP class and a modality."""
    items = []
    for number, (sop_class, modality) in enumerate(kinds):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, f"1.2.{number}"
        dataset.Modality = modality
        path = folder / f"{number}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        items.append(SentObject(path.name, sop_class, f"1.2.{number}", "1.2", "a", "b", folder))
    return SentObjects(items, directory=folder)


def stored(folder: Path, *keys: str) -> StoredObjects:
    items = []
    for number, key in enumerate(keys):
        (folder / f"{number}").write_bytes(b'{"a,b": 1}')
        items.append(StoredObject("project-t", key, 10, "text/plain", f"{number}", False, folder))
    return StoredObjects(items, folder)


def test_absence_of_sent_objects_is_asked_by_modality_or_class(tmp_path: Path) -> None:
    found = sent(tmp_path, (SEG, "SEG"), (CAPTURE, "OT"))
    assert found.none_of("SR", "RTSTRUCT")
    assert found.none_of("ComprehensiveSRStorage", "1.2.840.10008.5.1.4.1.1.88.11")
    assert found.nothing_but("SEG", "OT", "SR")
    assert found.nothing_but("SegmentationStorage", CAPTURE)
    verdict = found.nothing_but("SEG")
    assert not verdict.ok
    assert verdict.summary == ("1 unwanted, the first is OT: Secondary Capture Image Storage 1.2.1 from a to b: 1.dcm")
    assert not found.none_of("OT", "SR").ok
    assert not found.nothing.ok
    assert sent(tmp_path).nothing
    assert sent(tmp_path).nothing_but("SEG")


@pytest.mark.parametrize("modality", ["", "XX"])
def test_an_object_whose_modality_is_missing_or_wrong_is_known_by_its_class(tmp_path: Path, modality: str) -> None:
    assert not sent(tmp_path, (SEG, modality)).none_of("SEG").ok


def test_a_file_that_is_damaged_is_known_by_its_class(tmp_path: Path) -> None:
    found = sent(tmp_path, (SEG, "SEG"), (CAPTURE, "OT"))
    for path in tmp_path.glob("*.dcm"):
        path.write_bytes(b"x")
    assert not found.none_of("SEG").ok
    assert found.nothing_but("SEG").summary.startswith("1 unwanted, the first is no modality: Secondary Capture")


@pytest.mark.parametrize(
    ("kind", "fix"), [("SGE", "SEG"), ("seg", "SEG"), ("", "name a modality"), ("1.2.3", "name a modality")]
)
def test_a_misspelled_kind_is_not_answered_with_yes(tmp_path: Path, kind: str, fix: str) -> None:
    for question in (sent(tmp_path).none_of, sent(tmp_path).nothing_but):
        with pytest.raises(CheckError, match="is neither a modality of DICOM nor a SOP class") as caught:
            question("SR", kind)
        assert fix in caught.value.fix


def test_a_modality_of_ones_own_counts_where_it_was_sent(tmp_path: Path) -> None:
    assert not sent(tmp_path, (CAPTURE, "MYOWN")).none_of("MYOWN").ok


def test_questions_without_a_kind_are_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="name a modality or a SOP class") as caught:
        sent(tmp_path).none_of()
    assert caught.value.fix == "that nothing at all was sent is run.sent.nothing"
    with pytest.raises(CheckError, match="name a pattern"):
        stored(tmp_path).nothing_but()


def test_one_object_of_a_kind_is_read_or_what_came_is_listed(tmp_path: Path) -> None:
    found = sent(tmp_path, (CAPTURE, "OT"), (CAPTURE, "OT"), (SEG, "SEG"))
    assert len(found.secondary_captures()) == 2
    with pytest.raises(CheckError, match="2 secondary captures sent where exactly one is expected"):
        found.secondary_capture()
    with pytest.raises(CheckError, match="no structured report sent where exactly one is expected") as caught:
        found.structured_report()
    assert "Segmentation Storage 1.2.2" in caught.value.last_seen
    with pytest.raises(CheckError, match="no encapsulated PDF sent"):
        found.encapsulated_pdf()


def test_stored_objects_are_found_by_the_end_of_their_key(tmp_path: Path) -> None:
    found = stored(tmp_path, "a/x.json", "b/x.json", "b/y.csv")
    assert found["a/x.json"].json().value == {"a,b": 1}
    assert found["y.csv"].table().columns == ('{"a', 'b": 1}')
    assert "y.csv" in found
    assert "z.csv" not in found
    assert found[2].key == "b/y.csv"
    with pytest.raises(CheckError, match=r"2 objects end in 'x\.json'") as caught:
        found["x.json"]
    assert caught.value.fix == "name more of the path"
    with pytest.raises(CheckError, match=r"no object 'z\.csv' was stored") as caught:
        found["z.csv"]
    assert "b/y.csv (10 bytes)" in caught.value.last_seen


def test_absence_of_stored_objects_is_asked_by_pattern(tmp_path: Path) -> None:
    found = stored(tmp_path, "a/x.json", "b/y.csv")
    assert found.none_of("*.nii.gz")
    assert found.nothing_but("a/*", "*.csv")
    assert found.nothing_but("*.json").summary == "1 unwanted, the first is b/y.csv (10 bytes)"
    assert not found.nothing.ok
    assert stored(tmp_path).nothing


def test_observers_receive_these_questions(tmp_path: Path) -> None:
    seen: list[Question] = []
    with observe(seen.append):
        assert sent(tmp_path).none_of("SEG")
        assert stored(tmp_path).nothing
    assert [(question.file, question.text, question.answer) for question in seen] == [
        (tmp_path / "run.json", "none of SEG sent", "yes: nothing sent"),
        (tmp_path / "run.json", "nothing stored", "yes: nothing stored"),
    ]
