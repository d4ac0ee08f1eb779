"""Every transfer syntax and character set comes in and goes out as it was, and is understood on the way."""

from __future__ import annotations

import io
import re
import struct
import time
from typing import Any

import pydicom
import pytest
from pydicom.tag import Tag
from pydicom.uid import UID, generate_uid
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import CTImageStorage

from tests.encoded_objects import SYNTAXES, file_of, unpacked
from tests.incluster.services import dicom_samples
from tests.incluster.services.running_services import RunningServices, bearer

syntaxes = pytest.mark.parametrize("syntax", SYNTAXES, ids=str)


def content_of(file: bytes) -> bytes:
    """What follows the file meta information, whose first element holds its length."""
    return file[144 + struct.unpack("<I", file[140:144])[0] :]


def store(platform: RunningServices, project: str, syntax: UID, dataset: pydicom.Dataset, content: bytes) -> int:
    """C-STORE an object that another program encoded."""
    ae = AE(ae_title="kp-encodings")
    ae.add_requested_context(CTImageStorage, [syntax])
    association = ae.associate("127.0.0.1", platform.ports.dimse, ae_title=f"kp-{project}")
    assert association.is_established
    assert association.accepted_contexts, f"no context for {syntax.name}"
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, dataset.SOPInstanceUID
    request.DataSet = io.BytesIO(content)
    # as the library's own send_c_store: the association's thread would take the answer away
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        time.sleep(0.01)
    try:
        association.dimse.send_msg(request, 1)
        _, answer = association.dimse.get_msg(True)
    finally:
        association._reactor_checkpoint.set()
        association.release()
    return int(answer.Status)


def retrieved(platform: RunningServices, project: dict[str, Any], dataset: pydicom.Dataset) -> bytes:
    """The file as the archive gives it out."""
    query = {
        "requestType": "WADO",
        "studyUID": dataset.StudyInstanceUID,
        "seriesUID": dataset.SeriesInstanceUID,
        "objectUID": dataset.SOPInstanceUID,
    }
    answer = platform.filter.get("/wado-uri/wado", headers=bearer(platform.project_token(project)), params=query)
    assert answer.status_code == 200, answer.text
    return answer.content


@syntaxes
def test_an_object_of_any_transfer_syntax_is_received_and_given_out_unharmed(
    platform: RunningServices, project: dict[str, Any], syntax: UID
) -> None:
    dataset, _, content = file_of(syntax)
    assert store(platform, project["name"], syntax, dataset, content) == 0
    assert platform.settle() == {"settled": True, "errors": {}}
    (receipt,) = platform.control.get("/receipts", params={"project": project["name"]}).json()
    assert receipt["transfer_syntax"] == syntax
    came = platform.control.get(f"/receipts/{receipt['id']}/file").content
    assert len(unpacked(syntax, content_of(came))) > len(unpacked(syntax, content))
    kept = content_of(retrieved(platform, project, dataset))
    assert unpacked(syntax, kept) == unpacked(syntax, content)


@syntaxes
def test_an_input_of_any_transfer_syntax_is_given_out_as_it_is_and_described(
    platform: RunningServices, project: dict[str, Any], syntax: UID
) -> None:
    dataset, file, content = file_of(syntax)
    answer = platform.send_series(project, "encodings", [file])
    assert answer.status_code == 200, answer.text
    out = retrieved(platform, project, dataset)
    assert unpacked(syntax, content_of(out)) == unpacked(syntax, content)
    token = platform.project_token(project)
    path = f"/studies/{dataset.StudyInstanceUID}/series"
    (found,) = platform.filter.get(path, headers=bearer(token)).json()
    assert found["0020000E"]["Value"] == [dataset.SeriesInstanceUID]
    (document,) = platform.filter.get(f"{path}/{dataset.SeriesInstanceUID}/metadata", headers=bearer(token)).json()
    assert document["00100010"]["Value"] == [{"Alphabetic": "Müller^Ada"}]
    with platform.open_search(token) as index:
        source = index.get(f"/{project['opensearch_index']}/_doc/{dataset.SeriesInstanceUID}").json()["_source"]
    assert source["00100010 PatientName_keyword_alphabetic"] == "Müller^Ada"
    assert source["00280010 Rows_integer"] == 4


def encoded(name: str, codec: str, escape: bytes = b"", back: bytes = b"") -> bytes:
    """A name in bytes; escape sequences hold up to the next delimiter (DICOM PS3.5 6.1.2.5.3)."""

    def piece(text: str) -> bytes:
        return text.encode("ascii") if text.isascii() else escape + text.encode(codec) + back

    return re.sub("[^=^]+|[=^]", lambda found: piece(found[0]).decode("latin-1"), name).encode("latin-1")


HALF_WIDTH = "ﾔﾏﾀﾞ^ﾀﾛｳ"
KANJI = "山田^太郎=やまだ^たろう"
# character set, name, its bytes
NAMES = [
    (r"\ISO 2022 IR 87", f"Yamada^Tarou={KANJI}", encoded(f"Yamada^Tarou={KANJI}", "iso2022_jp")),
    (
        r"ISO 2022 IR 13\ISO 2022 IR 87",
        f"{HALF_WIDTH}={KANJI}",
        HALF_WIDTH.encode("shift_jis") + b"=" + encoded(KANJI, "iso2022_jp").replace(b"\x1b(B", b"\x1b(J"),
    ),
    (
        r"\ISO 2022 IR 149",
        "Hong^Gildong=洪^吉洞=홍^길동",
        encoded("Hong^Gildong=洪^吉洞=홍^길동", "euc_kr", b"\x1b$)C"),
    ),
    (r"\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东", encoded("Zhang^XiaoDong=张^小东", "gb2312", b"\x1b$)A")),
    (
        r"ISO 2022 IR 100\ISO 2022 IR 144",
        "Müller^Ada=Мюллер^Ада",
        "Müller^Ada=".encode("latin-1") + encoded("Мюллер^Ада", "iso8859_5", b"\x1b-L"),
    ),
    *(
        (character_set, name, name.encode(codec))
        for character_set, codec, name in (
            ("ISO_IR 100", "latin-1", "Müller^Ångström"),
            ("ISO_IR 101", "iso8859_2", "Łukasz^Dvořák"),
            ("ISO_IR 109", "iso8859_3", "Ĉapek^Ħajja"),
            ("ISO_IR 110", "iso8859_4", "Ēriks^Ģirts"),
            ("ISO_IR 126", "iso8859_7", "Διονυσιος^Παπαδοπουλος"),
            ("ISO_IR 127", "iso8859_6", "قباني^لنزار"),
            ("ISO_IR 138", "iso8859_8", "שרון^דבורה"),
            ("ISO_IR 144", "iso8859_5", "Люксембург^Роза"),
            ("ISO_IR 148", "iso8859_9", "Çavuşoğlu^İğdir"),
            ("ISO_IR 13", "shift_jis", HALF_WIDTH),
            ("ISO_IR 166", "tis_620", "นามสกุล^ชื่อ"),
            ("ISO_IR 203", "iso8859_15", "Œuvre^Žižek€"),
            ("ISO_IR 192", "utf-8", "Wang^XiaoDong=王^小东"),
            ("GB18030", "gb18030", "Wang^XiaoDong=王^小东"),
            ("GBK", "gbk", "Wang^XiaoDong=王^小东"),
            # as machines write it that do not know the standard
            ("ISO-IR 100", "latin-1", "Müller^Ångström"),
            ("ISO IR 144", "iso8859_5", "Люксембург^Роза"),
            ("ISO_IR_144", "iso8859_5", "Люксембург^Роза"),
            ("iso_ir 144", "iso8859_5", "Люксембург^Роза"),
            ("ISOIR192", "utf-8", "Wang^XiaoDong=王^小东"),
            ("ISO_IR_192", "utf-8", "Wang^XiaoDong=王^小东"),
            ("UTF-8", "utf-8", "Wang^XiaoDong=王^小东"),
            ("gb18030", "gb18030", "Wang^XiaoDong=王^小东"),
            ("", "latin-1", "Müller^Ångström"),
        )
    ),
]


def named(character_set: str, name: bytes) -> tuple[pydicom.Dataset, bytes]:
    """An object whose patient and series description are these bytes, and its file."""
    dataset = dicom_samples.image(generate_uid(), generate_uid())
    dataset.SpecificCharacterSet, dataset.PatientName, dataset.SeriesDescription = "ISO_IR 6", "A", "A"
    file = dicom_samples.encoded(dataset)
    for keyword, vr, value in (
        ("SpecificCharacterSet", b"CS", character_set.encode()),
        ("SeriesDescription", b"LO", name.partition(b"=")[0].replace(b"^", b" ")),
        ("PatientName", b"PN", name),
    ):
        tag = Tag(keyword)
        head = struct.pack("<HH", tag.group, tag.element) + vr
        before, _, after = file.partition(head)
        (length,) = struct.unpack("<H", after[:2])
        value += b" " * (len(value) % 2)
        file = before + head + struct.pack("<H", len(value)) + value + after[2 + length :]
    return dataset, file


@pytest.mark.parametrize(("character_set", "name", "written"), NAMES, ids=[entry[0] or "none" for entry in NAMES])
def test_a_name_in_any_character_set_is_the_same_in_metadata_queries_and_index(
    platform: RunningServices, project: dict[str, Any], character_set: str, name: str, written: bytes
) -> None:
    dataset, file = named(character_set, written)
    answer = platform.send_series(project, "names", [file])
    assert answer.status_code == 200, answer.text
    assert content_of(retrieved(platform, project, dataset)) == content_of(file)
    token = platform.project_token(project)
    groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False))
    described = groups["Alphabetic"].replace("^", " ")
    path = f"/studies/{dataset.StudyInstanceUID}/series"
    asked = {"PatientName": groups["Alphabetic"], "includefield": "0008103E"}
    found = platform.filter.get(path, headers=bearer(token), params=asked).json()
    whole = platform.filter.get(f"{path}/{dataset.SeriesInstanceUID}/metadata", headers=bearer(token)).json()
    for document in (*found, *whole):
        assert document["00100010"]["Value"] == [groups]
        assert document["0008103E"]["Value"] == [described]
    assert (len(found), len(whole)) == (1, 1)
    with platform.open_search(token) as index:
        source = index.get(f"/{project['opensearch_index']}/_doc/{dataset.SeriesInstanceUID}").json()["_source"]
    assert source["0008103E SeriesDescription_keyword"] == described
    for part, text in groups.items():
        assert source[f"00100010 PatientName_keyword_{part.lower()}"] == text
