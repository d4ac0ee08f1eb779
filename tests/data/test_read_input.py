"""Every way in which an author's DICOM folder can be wrong, and the error for each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import MPEG2MPML, UID, DeflatedExplicitVRLittleEndian

from harness.data import _scan as scanning
from harness.data import read_input, small_ct
from harness.errors import InputDataError
from tests.encoded_objects import REFERENCED, SYNTAXES, file_of

EXAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "input"
    path.mkdir()
    return path


@pytest.fixture
def ct(folder: Path, tmp_path: Path) -> Path:
    for file in small_ct(tmp_path / "cache").files:
        shutil.copy(file, folder)
    return folder


def test_a_good_folder_is_read_as_one_series_in_slice_order(ct: Path) -> None:
    notes: list[str] = []
    [series] = read_input(ct, on_note=notes.append)
    assert series.modality == "CT"
    assert series.path == ct
    assert series.origin[2] == pytest.approx(-1.2375)
    assert [series.geometry.position(i, 0, 0)[2] for i in range(5)] == pytest.approx(
        [-1.2375, 1.2625, 3.7625, 6.2625, 8.7625]
    )
    assert notes == []


def test_series_in_sub_folders_are_distinguished(ct: Path) -> None:
    (ct / "mr" / "deep").mkdir(parents=True)
    shutil.copy(EXAMPLES / "MR_small.dcm", ct / "mr" / "deep")
    both = read_input(ct)
    assert {series.modality for series in both} == {"CT", "MR"}
    assert {series.modality: series.path for series in both}["MR"] == ct / "mr" / "deep"


@pytest.mark.parametrize(
    "name", ["JPEG2000.dcm", "MR_small_RLE.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm"]
)
def test_other_transfer_syntaxes_are_read(name: str, folder: Path) -> None:
    shutil.copy(EXAMPLES / name, folder)
    [series] = read_input(folder)
    assert len(series.files) == 1


@pytest.mark.parametrize("syntax", [syntax for syntax in SYNTAXES if syntax not in REFERENCED], ids=str)
def test_an_image_of_any_transfer_syntax_is_read(syntax: UID, folder: Path) -> None:
    dataset, file, _ = file_of(syntax)
    (folder / "image.dcm").write_bytes(file)
    [series] = read_input(folder)
    assert series.series_instance_uid == dataset.SeriesInstanceUID


@pytest.mark.parametrize("syntax", sorted(REFERENCED))
def test_an_image_whose_pixels_are_on_a_server_is_refused_by_name(syntax: str, folder: Path) -> None:
    (folder / "image.dcm").write_bytes(file_of(UID(syntax))[1])
    with pytest.raises(InputDataError, match=r"image\.dcm \(its pixels are not in the file but on a server"):
        read_input(folder)


def test_a_film_is_one_stream_with_all_of_its_frames(folder: Path) -> None:
    dataset, _, _ = file_of(MPEG2MPML)
    dataset.NumberOfFrames = 30
    dataset.save_as(folder / "film.dcm", enforce_file_format=True)
    assert len(read_input(folder)) == 1


def test_a_deflated_image_without_all_of_its_pixels_is_refused(folder: Path) -> None:
    dataset, _, _ = file_of(DeflatedExplicitVRLittleEndian)
    dataset.PixelData = dataset.PixelData[:-2]
    dataset.save_as(folder / "image.dcm", enforce_file_format=True)
    with pytest.raises(InputDataError, match="pixel data is too short: 30 bytes where the image needs 32"):
        read_input(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"there is no folder .*absent") as caught:
        read_input(tmp_path / "absent")
    assert caught.value.exit_status == 2


def test_a_file_instead_of_a_folder_is_named() -> None:
    with pytest.raises(InputDataError, match=r"MR_small\.dcm is not a folder"):
        read_input(EXAMPLES / "MR_small.dcm")


def test_an_empty_folder_is_reported_as_empty(folder: Path) -> None:
    (folder / "also-empty").mkdir()
    with pytest.raises(InputDataError, match="is empty"):
        read_input(folder)


def test_a_folder_without_dicom_names_five_files_and_counts_the_rest(folder: Path) -> None:
    for index in range(7):
        (folder / f"note{index}.txt").write_text("no DICOM here")
    with pytest.raises(
        InputDataError, match=r"has no DICOM file; 7 other files: note0.txt, .*note4.txt and 2 more"
    ) as caught:
        read_input(folder)
    assert "note5" not in caught.value.cause


def test_truncated_pixel_data_is_found_from_the_length(ct: Path) -> None:
    victims = sorted(ct.iterdir())[:2]
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:-100])
    with pytest.raises(InputDataError, match=r"2 of 5 files .* cannot be used") as caught:
        read_input(ct)
    assert all(victim.name in caught.value.cause for victim in victims)
    assert "cut off: 412 of 512 bytes" in caught.value.last_seen


def test_pixel_data_that_is_too_short_for_the_image_is_found_although_the_file_is_whole(folder: Path) -> None:
    shutil.copy(EXAMPLES / "MR_small.dcm", folder)
    dataset = pydicom.dcmread(folder / "MR_small.dcm")
    dataset.PixelData = dataset.PixelData[:-2]
    dataset.save_as(folder / "MR_small.dcm")
    with pytest.raises(InputDataError) as caught:
        read_input(folder)
    assert "too short: 8190 bytes where the image needs 8192" in caught.value.last_seen


def test_the_truncated_example_of_pydicom_is_refused(folder: Path) -> None:
    shutil.copy(EXAMPLES / "MR_truncated.dcm", folder)
    with pytest.raises(InputDataError, match=r"MR_truncated\.dcm"):
        read_input(folder)


@pytest.mark.parametrize("cut", [-150, -9])
def test_truncated_compressed_pixel_data_is_found(cut: int, folder: Path) -> None:
    (folder / "cut.dcm").write_bytes((EXAMPLES / "JPEG2000.dcm").read_bytes()[:cut])
    with pytest.raises(InputDataError) as caught:
        read_input(folder)
    assert "compressed pixel data is cut off" in caught.value.last_seen


@pytest.mark.parametrize("length", [200, 1000])
def test_a_file_cut_before_its_pixels_is_broken_and_not_a_non_image(length: int, folder: Path) -> None:
    (folder / "cut.dcm").write_bytes((EXAMPLES / "MR_small.dcm").read_bytes()[:length])
    with pytest.raises(InputDataError, match=r"1 of 1 files .* cannot be used: cut\.dcm"):
        read_input(folder)


def test_every_prefix_of_a_real_file_ends_in_a_clear_error(folder: Path) -> None:
    whole = (EXAMPLES / "MR_small.dcm").read_bytes()
    for length in range(0, len(whole) - 200, 97):  # 126 bytes of padding follow the pixels
        (folder / "cut.dcm").write_bytes(whole[:length])
        with pytest.raises(InputDataError, match=r"cut\.dcm"):
            read_input(folder)


@pytest.mark.parametrize("name", ["test-SR.dcm", "rtplan.dcm", "reportsi.dcm"])
def test_dicom_without_an_image_is_named_with_its_class(name: str, folder: Path) -> None:
    shutil.copy(EXAMPLES / name, folder)
    with pytest.raises(InputDataError, match=f"has DICOM files but no image: {name}") as caught:
        read_input(folder)
    assert "Storage" in caught.value.last_seen


def test_a_lone_dicomdir_is_not_an_image(folder: Path) -> None:
    shutil.copy(EXAMPLES / "dicomdirtests" / "DICOMDIR", folder)
    with pytest.raises(InputDataError) as caught:
        read_input(folder)
    assert "DICOMDIR: a DICOMDIR" in caught.value.last_seen


def test_files_that_are_not_images_are_left_out_with_a_note(ct: Path) -> None:
    shutil.copy(EXAMPLES / "dicomdirtests" / "DICOMDIR", ct)
    shutil.copy(EXAMPLES / "test-SR.dcm", ct)
    (ct / "readme.txt").write_text("hello")
    shutil.copy(sorted(ct.glob("1.*.dcm"))[0], ct / "zz-copy.dcm")
    notes: list[str] = []
    [series] = read_input(ct, on_note=notes.append)
    assert len(series.files) == 5
    assert notes == [
        "left out (not DICOM): DICOMDIR, readme.txt",
        "left out (DICOM without image): test-SR.dcm",
        "left out (second copies): zz-copy.dcm",
    ]


def test_two_different_files_with_one_sop_instance_uid_are_refused(ct: Path) -> None:
    dataset = pydicom.dcmread(sorted(ct.iterdir())[0])
    dataset.PatientName = "Doe^Jane"
    dataset.save_as(ct / "other.dcm")
    with pytest.raises(InputDataError, match=r"two different files carry the SOP Instance UID .*other\.dcm"):
        read_input(ct)


def test_a_missing_series_uid_is_named(ct: Path) -> None:
    victim = sorted(ct.iterdir())[0]
    dataset = pydicom.dcmread(victim)
    del dataset.SeriesInstanceUID
    dataset.save_as(victim)
    with pytest.raises(InputDataError) as caught:
        read_input(ct)
    assert "no SeriesInstanceUID" in caught.value.last_seen


def test_a_uid_that_is_a_path_is_refused(ct: Path) -> None:
    victim = sorted(ct.iterdir())[0]
    dataset = pydicom.dcmread(victim)
    with pytest.warns(UserWarning, match="Invalid value for VR UI"):
        dataset.SOPInstanceUID = "../../../etc/passwd"
    dataset.save_as(victim, enforce_file_format=False)
    with pytest.raises(InputDataError) as caught:
        read_input(ct)
    assert "SOPInstanceUID is '../../../etc/passwd'" in caught.value.last_seen


def test_links_out_of_the_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(EXAMPLES / "MR_small.dcm", outside)
    (folder / "link.dcm").symlink_to(outside / "MR_small.dcm")
    (folder / "linked-folder").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    with pytest.raises(InputDataError) as caught:
        read_input(folder)
    assert "link.dcm: a link out of the folder" in caught.value.last_seen


def test_a_link_inside_the_folder_is_followed(folder: Path) -> None:
    (folder / "real").mkdir()
    shutil.copy(EXAMPLES / "MR_small.dcm", folder / "real")
    (folder / "a-link.dcm").symlink_to(folder / "real" / "MR_small.dcm")
    notes: list[str] = []
    [series] = read_input(folder, on_note=notes.append)
    assert len(series.files) == 1
    assert notes == ["left out (second copies): real/MR_small.dcm"]


def test_a_pipe_does_not_make_the_reader_wait(ct: Path) -> None:
    os.mkfifo(ct / "pipe")
    notes: list[str] = []
    read_input(ct, on_note=notes.append)
    assert notes == ["left out (not DICOM): pipe"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_named(ct: Path) -> None:
    victim = sorted(ct.iterdir())[0]
    victim.chmod(0)
    with pytest.raises(InputDataError, match="cannot be used") as caught:
        read_input(ct)
    assert "Permission denied" in caught.value.last_seen


def test_a_read_error_of_the_disk_is_named(ct: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = sorted(ct.iterdir())[0]
    real_open = Path.open

    def failing(self: Path, *args: object, **options: object) -> object:
        if self == victim:
            raise PermissionError(13, "Permission denied")
        return real_open(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(InputDataError) as caught:
        read_input(ct)
    assert f"{victim.name}: Permission denied" in caught.value.last_seen


def test_depth_count_and_size_are_bounded(ct: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "MAX_FILES", 4)
    with pytest.raises(InputDataError, match="more than 4 files"):
        read_input(ct)
    monkeypatch.setattr(scanning, "MAX_FILES", 100)
    monkeypatch.setattr(scanning, "MAX_FILE_BYTES", 1000)
    with pytest.raises(InputDataError, match="larger than"):
        read_input(ct)
    monkeypatch.setattr(scanning, "MAX_FILE_BYTES", 10**9)
    deep = ct.joinpath(*["d"] * 17)
    deep.mkdir(parents=True)
    with pytest.raises(InputDataError, match="nested more than 16 deep"):
        read_input(ct)


def test_random_bytes_after_a_preamble_end_in_a_clear_error(folder: Path) -> None:
    import random

    generator = random.Random(7)
    whole = bytearray((EXAMPLES / "MR_small.dcm").read_bytes())
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(40):
            damaged[generator.randrange(132, 1500)] = generator.randrange(256)
        (folder / "damaged.dcm").write_bytes(bytes(damaged))
        try:
            read_input(folder)  # the damage may have hit values only
        except InputDataError as error:
            assert "damaged.dcm" in error.cause  # noqa: PT017  # either outcome is fine, any other exception is not
