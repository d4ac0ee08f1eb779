from __future__ import annotations

import struct
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, generate_uid

from harness.incluster.services.dicom import dicomedit, dicomfile
from harness.incluster.services.dicom.dicomfile import DicomError
from tests.incluster.services import dicom_samples

SPONSOR, PROTOCOL = dicomedit.CLINICAL_TRIAL_SPONSOR, dicomedit.CLINICAL_TRIAL_PROTOCOL


def written(tmp_path: Path, data: bytes, name: str = "object.dcm") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def sample(**values: object) -> bytes:
    return dicom_samples.encoded(dicom_samples.image(generate_uid(), generate_uid(), **values))


def test_setting_two_tags_leaves_every_other_byte(tmp_path: Path) -> None:
    data = sample()
    source, with_tags, back = written(tmp_path, data), tmp_path / "tags.dcm", tmp_path / "back.dcm"
    dicomedit.rewrite(source, with_tags, dicomfile.scan(source), {SPONSOR: "kp-odd", PROTOCOL: "kp-p"})
    dataset = pydicom.dcmread(with_tags)
    assert dataset.ClinicalTrialSponsorName == "kp-odd"
    assert dataset.ClinicalTrialProtocolID == "kp-p"
    assert len(with_tags.read_bytes()) == len(data) + (8 + 6) + (8 + 4)
    dicomedit.rewrite(with_tags, back, dicomfile.scan(with_tags), {SPONSOR: None, PROTOCOL: None})
    assert back.read_bytes() == data


def test_tags_that_exist_are_replaced(tmp_path: Path) -> None:
    source = written(tmp_path, sample(ClinicalTrialSponsorName="a long sponsor", ClinicalTrialProtocolID="p"))
    target = tmp_path / "new.dcm"
    dicomedit.rewrite(source, target, dicomfile.scan(source), {SPONSOR: "kp-d", PROTOCOL: "kp-project"})
    dataset = pydicom.dcmread(target)
    assert (dataset.ClinicalTrialSponsorName, dataset.ClinicalTrialProtocolID) == ("kp-d", "kp-project")
    assert sorted(dataset.keys()) == list(dataset.keys())


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_encoding_can_be_edited(tmp_path: Path, syntax: str) -> None:
    dataset = dicom_samples.image(generate_uid(), generate_uid())
    path = tmp_path / "object.dcm"
    little = syntax != ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = syntax
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(
            path, dataset, little_endian=little, implicit_vr=syntax == ImplicitVRLittleEndian, enforce_file_format=True
        )
    target = tmp_path / "new.dcm"
    dicomedit.rewrite(path, target, dicomfile.scan(path), {SPONSOR: "kp-d", PROTOCOL: "kp-p"})
    before, after = pydicom.dcmread(path), pydicom.dcmread(target)
    assert (after.ClinicalTrialSponsorName, after.ClinicalTrialProtocolID) == ("kp-d", "kp-p")
    ids = dicomfile.identifiers(target, dicomfile.scan(target))
    assert (ids.series, ids.sop_instance) == (before.SeriesInstanceUID, before.SOPInstanceUID)
    del after.ClinicalTrialSponsorName, after.ClinicalTrialProtocolID
    assert after == before


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "liver_1frame.dcm", "reportsi.dcm", "rtplan.dcm", "JPEG2000.dcm"]
)
def test_real_files_are_whole(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    assert dicomfile.scan(path).transfer_syntax == pydicom.dcmread(path).file_meta.TransferSyntaxUID


@pytest.mark.parametrize("name", ["CT_small.dcm", "liver_1frame.dcm", "JPEG2000.dcm", "rtplan.dcm"])
def test_a_file_cut_anywhere_is_called_truncated_or_ends_at_an_element(tmp_path: Path, name: str) -> None:
    """A cut exactly between two elements cannot be seen; every other one must be."""
    data = Path(str(get_testdata_file(name))).read_bytes()
    layout = dicomfile.scan(written(tmp_path, data))
    ends = {layout.body_start + start for _, start in layout.order}
    for length in range(layout.body_start + 1, len(data), max(1, len(data) // 300)):
        path = written(tmp_path, data[:length], "cut.dcm")
        if length in ends:
            continue
        with pytest.raises(DicomError, match="truncated"):
            dicomfile.scan(path)


def test_the_error_names_the_element_that_is_cut(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match=r"truncated: element \(7FE0,0010\) at byte \d+ has 32 bytes, 22 are left"):
        dicomfile.scan(written(tmp_path, sample()[:-10]))


@pytest.mark.parametrize("data", [b"", b"not DICOM at all", b"\0" * 128 + b"DICM", b"\0" * 200])
def test_a_file_that_is_not_dicom_is_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DicomError, match=r"no DICM marker|no transfer syntax"):
        dicomfile.scan(written(tmp_path, data))


def test_nesting_without_end_is_refused_and_not_followed(tmp_path: Path) -> None:
    whole = sample()
    start = dicomfile.scan(written(tmp_path, whole)).body_start
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    bomb = whole[:start] + (sequence + item) * 100_000
    with pytest.raises(DicomError, match="deeper nesting"):
        dicomfile.scan(written(tmp_path, bomb))


def test_a_length_beyond_the_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    whole = sample()
    start = dicomfile.scan(written(tmp_path, whole)).body_start
    huge = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFF0)
    with pytest.raises(DicomError, match="has 4294967280 bytes, 0 are left"):
        dicomfile.scan(written(tmp_path, whole[:start] + huge))


@pytest.mark.parametrize("uid", ["", "../../etc/passwd", "1.2/3", "1..2", ".1", "1.", "1" * 65, "1.2\0", "ä"])
def test_an_invalid_uid_never_becomes_a_file_name(uid: str) -> None:
    assert not dicomfile.is_uid(uid)


def test_an_object_whose_uid_is_a_path_is_refused(tmp_path: Path) -> None:
    data = sample()
    uid = pydicom.dcmread(written(tmp_path, data)).SeriesInstanceUID
    evil = ("../" * 30)[: len(uid)].encode()
    path = written(tmp_path, data.replace(uid.encode(), evil))
    layout = dicomfile.scan(path)
    with pytest.raises(DicomError, match="SeriesInstanceUID is not a UID"):
        dicomfile.identifiers(path, layout)
