"""The words of a PDF are read within limits, whatever the file does."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pypdf
import pytest
from made_documents import make_pdf, write_encapsulated

from harness.checks.encapsulated import EncapsulatedPdf
from harness.checks.pdf import PdfDocument
from harness.checks.pdf_child import CPU_S
from harness.errors import CheckError
from tests.waiting import until


def document(data: bytes) -> PdfDocument:
    return PdfDocument("report.pdf", data)


def test_words_come_page_by_page() -> None:
    found = document(make_pdf(["Volume 12.5 ml", "second  page"], title="Volumes"))
    assert [page.strip() for page in found.pages] == ["Volume 12.5 ml", "second  page"]
    assert found.text == "Volume 12.5 ml\nsecond page"
    assert found.title == "Volumes"
    assert "12.5 ml" in found
    assert "13" not in found


def test_a_damaged_table_of_contents_does_not_hide_the_words() -> None:
    assert "Volume" in document(re.sub(rb"startxref\n\d+", b"startxref\n7", make_pdf(["Volume"])))


@pytest.mark.parametrize("data", [b"", b"<html>", b"PK\x03\x04 %PD"])
def test_a_file_that_is_not_a_pdf_is_named(data: bytes) -> None:
    with pytest.raises(CheckError, match=r"^report\.pdf is not a PDF"):
        assert document(data).text


def test_an_encrypted_document_is_named_unless_its_password_is_empty() -> None:
    for password, readable in (("", True), ("secret", False)):
        writer = pypdf.PdfWriter(io.BytesIO(make_pdf(["Volume"])))
        writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
        stream = io.BytesIO()
        writer.write(stream)
        if readable:
            assert "Volume" in document(stream.getvalue())
        else:
            with pytest.raises(CheckError, match="it is encrypted, and needs a password"):
                assert document(stream.getvalue()).text


def _bomb(size: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(b" " * (1 << 20)) for _ in range(size >> 20)]
    return b"".join(parts) + packer.flush()


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7",
        b"%PDF-1.7\n" + b"[" * 200_000,
        make_pdf(["x"]).replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]"),
        make_pdf(["x"], streams=[_bomb(2 << 30)]),
        make_pdf(["x"] * 2100),
    ],
    ids=["nothing", "nested", "a loop", "bomb", "pages"],
)
def test_a_document_that_is_made_to_do_harm_is_refused_within_the_limits(data: bytes) -> None:
    with pytest.raises(CheckError, match=r"^report\.pdf cannot be read as PDF: "):
        assert document(data).pages


def test_an_encapsulated_document_has_its_title_and_words(tmp_path: Path) -> None:
    found = EncapsulatedPdf(write_encapsulated(tmp_path / "pdf.dcm", make_pdf(["Volume 12.5 ml"])))
    assert found.title == "The volumes"
    assert found.text == "Volume 12.5 ml"
    assert len(found.pages) == 1
    assert found.is_valid


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"EncapsulatedDocument": b"<html>"}, "its document is not a PDF: it begins b'<html>'"),
        ({"EncapsulatedDocument": b""}, "EncapsulatedDocument missing or empty"),
        ({"MIMETypeOfEncapsulatedDocument": "text/xml"}, "MIMETypeOfEncapsulatedDocument is 'text/xml'"),
        ({"BurnedInAnnotation": ""}, "BurnedInAnnotation missing or empty"),
        ({"EncapsulatedDocumentLength": 3}, "EncapsulatedDocumentLength is 3, the document has"),
    ],
)
def test_errors_of_an_encapsulated_document_are_named(
    tmp_path: Path, attributes: dict[str, object], problem: str
) -> None:
    found = EncapsulatedPdf(write_encapsulated(tmp_path / "pdf.dcm", make_pdf(["x"]), **attributes))
    assert not found.is_valid.ok
    assert found.is_valid.details[0].startswith(problem)


def test_the_process_that_reads_a_document_ends_with_its_owner() -> None:
    owner = (
        "import os, subprocess, sys, time; from harness.checks.pdf import CODE;"
        "child = subprocess.Popen([sys.executable, '-c', CODE, str(os.getpid()), *sys.path], stdout=subprocess.PIPE);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    # its standard input stays open, so that it waits for the rest of the document
    with subprocess.Popen([sys.executable, "-c", owner], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = Path(f"/proc/{int(process.stdout.readline())}")
        limits = child / "limits"
        until(lambda: f"{CPU_S} " in re.findall(r"Max cpu time\s+(.*)", limits.read_text())[0])
        process.kill()
        until(lambda: not child.exists() or "State:\tZ" in (child / "status").read_text())
