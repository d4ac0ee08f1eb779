"""What the validator prints becomes types, once and for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks import validator
from harness.checks.second_opinion import Examined, Objection, read_opinion
from harness.errors import CheckError, ImageError

SEG = Path("sent/seg.dcm")
DICOMDIR = "Warning - </StudyDate(0008,0020)> - Missing attribute or value that would be needed to build DICOMDIR\n"
WRONG = (
    "Error - </PixelData(7fe0,0010)> - PixelData has incorrect value length = <32> - expected 64 dec\n"
    f"{DICOMDIR}Segmentation\n"
    "Error - </PatientSex(0010,0040)[1]> - Unrecognized enumerated value = <Q>\n"
    "Error - </SegmentSequence(0062,0002)[2]/SegmentAlgorithmType(0062,0008)> - Missing attribute for Type 1 Required"
    " - Module=<SegmentDescriptionMacro>\n"
    "Error - </ImageType(0008,0008)> - Bad attribute Value Multiplicity = <1> (2 Required by Module definition)"
    " Module=<SegmentationImage>\n"
    "Warning - </(0009,1001)> - Private tag without owner\n"
    "Error - Dicom dataset read failed\n"
)


def test_each_line_is_severity_place_words_and_module() -> None:
    opinion = read_opinion(WRONG, SEG)
    assert opinion.kind == "Segmentation"
    assert opinion.errors == [
        Objection(
            "error",
            "PixelData has incorrect value length = <32> - expected 64 dec",
            "PixelData",
            path="PixelData",
        ),
        Objection("error", "Unrecognized enumerated value = <Q>", "PatientSex", path="PatientSex"),
        Objection(
            "error",
            "Missing attribute for Type 1 Required",
            "SegmentAlgorithmType",
            "SegmentDescriptionMacro",
            "SegmentSequence[2].SegmentAlgorithmType",
        ),
        Objection(
            "error",
            "Bad attribute Value Multiplicity = <1> (2 Required by Module definition)",
            "ImageType",
            "SegmentationImage",
            "ImageType",
        ),
        Objection("error", "Dicom dataset read failed"),
    ]
    assert [one.attribute for one in opinion.warnings] == ["StudyDate", "(0009,1001)"]


def test_errors_say_no_with_all_of_them_and_warnings_alone_say_yes() -> None:
    opinion = read_opinion(WRONG, SEG)
    assert not opinion.ok
    assert opinion.subject == "second opinion on seg.dcm"
    assert opinion.summary.startswith("5 errors, 2 warnings, the first error is PixelData: PixelData has incorrect")
    assert opinion.details[2] == (
        "error: SegmentSequence[2].SegmentAlgorithmType: Missing attribute for Type 1 Required "
        "(module SegmentDescriptionMacro)"
    )
    fine = read_opinion(f"{DICOMDIR}Segmentation\n", SEG)
    assert fine
    assert (fine.summary, fine.details) == ("0 errors, 1 warning", ())


def test_a_repeated_finding_counts_once_and_an_ignored_one_not_at_all() -> None:
    assert len(read_opinion(WRONG * 2, SEG).errors) == 5
    ignored = ["PixelData", "PatientSex", "SegmentDescriptionMacro", "SegmentationImage"]
    assert [one.message for one in read_opinion(WRONG, SEG, ignored).errors] == ["Dicom dataset read failed"]
    with pytest.raises(CheckError, match="ignoring is the text 'PixelData': give a list"):
        read_opinion(WRONG, SEG, "PixelData")


def test_thousands_of_errors_are_counted_and_not_listed() -> None:
    lines = "".join(f"Error - </Rows(0028,0010)> - wrong {number}\n" for number in range(5000))
    opinion = read_opinion(lines, SEG)
    assert opinion.summary.startswith("5000 errors, 0 warnings")
    assert (len(opinion.details), opinion.details[-1]) == (31, "and 4970 more")


def test_an_object_that_the_validator_does_not_know_is_named() -> None:
    with pytest.raises(CheckError, match=r"dciodvfy does not know objects such as seg\.dcm"):
        read_opinion(f"{DICOMDIR}Error - Information Object Not found\n", SEG)


@pytest.mark.parametrize(
    ("printed", "kind", "words"),
    [
        ("\nabc 124\n", CheckError, "dciodvfy has not finished with seg.dcm after 60 s"),
        ("sh: 1: dciodvfy: not found\n\nabc 127\n", ImageError, "the image processing has no dciodvfy"),
        ("Segmentation fault\n\nabc 139\n", CheckError, "dciodvfy ended with status 139 on seg.dcm"),
        ("Segmentation\n", CheckError, "dciodvfy ended without a status, or printed too much on seg.dcm"),
        ("abc 0\nabc 139\n", CheckError, "dciodvfy ended with status 139 on seg.dcm"),
    ],
)
def test_a_validator_that_does_not_come_to_its_end_has_no_opinion(
    monkeypatch: pytest.MonkeyPatch, printed: str, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind) as caught:
        validator.read_words(printed, "abc", SEG)
    assert str(caught.value).startswith(words)


def test_a_file_that_is_too_large_or_gone_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined = Examined()
    examined.path = tmp_path / "seg.dcm"
    with pytest.raises(CheckError, match=r"seg\.dcm cannot be examined: No such file"):
        examined.second_opinion()
    examined.path.write_bytes(bytes(2000))
    monkeypatch.setattr(validator, "LARGEST", 1000)
    with pytest.raises(CheckError, match=r"seg\.dcm cannot be examined: it is larger than"):
        examined.second_opinion()
