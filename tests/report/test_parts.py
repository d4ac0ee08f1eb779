"""Logs, stored objects, and untrusted names on the page."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from lxml import html
from PIL import Image

from harness import report
from harness.errors import UsageError
from harness.findings import Finding
from harness.report import frames, logs, results
from harness.run import evidence
from harness.run.course import Course
from harness.run.results import Cause
from tests.report.made_runs import make_run

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe",
    "a\x1b[31m\x00b",
    "</bdi>" * 50,
]


def _page(folder: Path, **parts: object) -> tuple[str, html.HtmlElement]:
    text = report.write(make_run(folder / "run", **parts)).path.read_text()  # type: ignore[arg-type]
    return text, html.document_fromstring(text)


def test_the_cause_comes_first_and_leads_to_its_line_in_the_log(tmp_path: Path) -> None:
    log = "[2026-11-24T20:00:01.000+0000] {operatorpod.py:99} INFO - KeyError: 'BINS'\nKeyError: 'BINS' again\n"
    cause = Cause("otsus-method", "exit code 1: KeyError: 'BINS'", "Traceback", "set it")
    _, page = _page(
        tmp_path,
        tasks={"get-input": "success", "otsus-method": "failed"},
        logs={"get-input": "fine\n", "otsus-method": log},
        cause=cause,
        went=Course(logged=("KeyError: 'BINS'",)),
    )
    assert page.xpath("string(//main/section[1]/h2)") == "Why it failed"
    assert page.xpath("//a[@href='#cause-line']")
    (mark,) = page.xpath("//mark")
    assert mark.get("id") == "cause-line"
    assert mark.text_content().endswith("{operatorpod.py:99} INFO - KeyError: 'BINS'\n")
    # its log is the first one, and the only one that is open
    assert [detail.get("open") is not None for detail in page.xpath("//details[@class='log']")] == [True, False]


def test_of_a_long_log_the_beginning_and_the_end_are_shown(tmp_path: Path) -> None:
    lines = "".join(f"line {number}\n" for number in range(100_000))
    text, page = _page(tmp_path, logs={"otsus-method": f"{lines}ValueError: last\n"}, went=Course(logged=("x",)))
    shown = page.xpath("string(//details[@class='log']/pre)")
    assert shown.startswith("line 0\n")
    assert shown.endswith("ValueError: last\n")
    assert "are left out" in shown
    assert len(text) < 30 * logs.LARGEST


def test_a_log_outside_of_the_evidence_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("private words")
    run = make_run(tmp_path / "run", logs={"otsus-method": "x"})
    (tmp_path / "run/logs/otsus-method.log").unlink()
    (tmp_path / "run/logs/otsus-method.log").symlink_to(tmp_path / "secret")
    assert "private words" not in report.write(run).path.read_text()


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_untrusted_names_stay_text(tmp_path: Path, name: str) -> None:
    text, page = _page(
        tmp_path,
        name=name,
        tasks={name: "success"},
        findings=[Finding(name, "warning", name, name, name)],
        form={name: name},
        cause=Cause(name, name, name, name),
    )
    assert [element.tag for element in page.xpath("//script | //img")] == []
    assert "<script>" not in text
    assert not set(text) & {"\u202e", "\x1b", "\x00"}
    assert page.xpath("count(//h1/bdi)") == 1


def test_a_name_of_10000_characters_is_whole_and_scrolls(tmp_path: Path) -> None:
    _, page = _page(tmp_path, name="x" * 10_000)
    (name,) = page.xpath("//h1/bdi")
    assert (len(name.text), name.get("class"), name.get("tabindex")) == (10_000, "long", "0")


def test_csv_becomes_a_table_and_json_is_folded(tmp_path: Path) -> None:
    _, page = _page(tmp_path, objects={"a.csv": b"label;ml\nbrain;1,5\n", "b.json": b'{"a": [1, "<b>"]}'})
    assert page.xpath("//section[@id='results']//th[@scope='col']/bdi/text()") == ["label", "ml"]
    assert page.xpath("//section[@id='results']//td/bdi/text()") == ["brain", "1,5"]
    (folded,) = page.xpath("//section[@id='results']//details[summary='The document']/pre")
    assert '"<b>"' in folded.text


def test_of_a_large_table_the_first_rows_and_columns_are_shown_and_the_page_says_so(tmp_path: Path) -> None:
    content = "\n".join(",".join(map(str, range(100))) for _ in range(5000)).encode()
    _, page = _page(tmp_path, objects={"a.csv": content})
    assert page.xpath("count(//section[@id='results']//tbody/tr)") == 200
    assert page.xpath("count(//section[@id='results']//thead//th)") == 40
    assert "the first 200 rows are shown" in page.xpath("string(//section[@id='results']//p[@class='note'])")


def _png(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("1", (width, height)).save(stream, "PNG")
    return stream.getvalue()


def test_a_picture_is_shown_unless_it_would_fill_the_memory(tmp_path: Path) -> None:
    _, page = _page(
        tmp_path,
        objects={
            "a.png": _png(20, 10),
            "b.png": _png(30_000, 30_000),
            "c.png": b"\x89PNG broken",
            "d.png": _png(10_000, 8_000),
        },
    )
    assert [image.get("src")[:22] for image in page.xpath("//img")] == ["data:image/png;base64,"]
    notes = page.xpath("//section[@id='results']//p[@class='note']//text()")
    assert "it has 10000 x 8000 pixels: open the file" in notes
    assert "it has too many pixels: open the file" in notes
    assert any("cannot be read as a picture" in note for note in notes)


def test_a_pdf_is_a_link_whatever_its_name_says(tmp_path: Path) -> None:
    _, page = _page(tmp_path, objects={"a.html": b"%PDF-1.7 ..."})
    assert page.xpath("//iframe") == []
    assert "PDF" in page.xpath("string(//section[@id='results']//p[@class='muted'])")


REPORT = b"""<html><head><script>parent.x = 1</script><link rel=preconnect href=http://evil.example>
<meta http-equiv=refresh content="0;url=http://evil.example"><base href="http://evil.example/">
<style>@import "http://evil.example/a.css"; p { color: green; background: url( 'http://evil.example/c') }
i { background: url(data:image/png;base64,AAAA) }</style></head>
<body onload="x()"><p style="background: URL(http://evil.example/d)">Words</p> after <iframe src="http://evil.example"></iframe>
<img src="http://evil.example/a.png"><img src="data:image/png;base64,AAAA">
<a href="javascript:x()">one</a><a href="#two">two</a><form action="http://evil.example"><input></form>
<svg><image xlink:href="http://evil.example/b.png"/></svg></body></html>"""


def test_a_stored_report_stands_in_a_frame_without_script_and_network(tmp_path: Path) -> None:
    _, page = _page(tmp_path, objects={"staticwebsiteresults/a.html": REPORT})
    (frame,) = page.xpath("//iframe")
    assert frame.get("sandbox") == ""
    inner = frame.get("srcdoc")
    assert "Words" in inner
    assert "after" in inner
    assert "color: green" in inner
    assert "url(data:image/png;base64,AAAA)" in inner
    assert "evil" not in inner
    assert "javascript:" not in inner
    content = html.document_fromstring(inner)
    assert content.xpath("//script | //link | //base | //iframe | //@onload") == []
    assert [meta.get("http-equiv") for meta in content.xpath("//meta")] == ["Content-Security-Policy"]
    assert content.xpath("//img/@src") == ["data:image/png;base64,AAAA"]
    assert content.xpath("//a/@href") == ["#two"]


@pytest.mark.parametrize(
    "data", [b"", b"<script>", b"\xff\xfe\x00", b"<a>" * 5000, b"<!--" * 5000, b"x" * (frames.LARGEST + 1)]
)
def test_a_document_that_cannot_be_framed_is_left_out_with_a_note(tmp_path: Path, data: bytes) -> None:
    _, page = _page(tmp_path, objects={"a.html": data})
    shown = page.xpath("//iframe")
    assert len(shown) == 1 or page.xpath("//section[@id='results']//p[@class='note']")


def test_objects_beyond_the_room_of_a_page_are_linked(tmp_path: Path) -> None:
    document = b"<p>" + b"x" * 2_900_000
    _, page = _page(tmp_path, objects={f"{number}.html": document for number in range(4)})
    assert page.xpath("count(//iframe)") == 2
    assert "too many" in page.xpath("string(//section[@id='results']//p[@class='note'])")
    assert 3 * len(document) > results.LARGEST_TOGETHER


def test_the_page_allows_its_own_script_only_and_no_network(tmp_path: Path) -> None:
    _, page = _page(tmp_path, logs={"otsus-method": "x"})
    policy = page.xpath("string(//meta[@http-equiv='Content-Security-Policy']/@content)")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy


def test_a_report_is_made_again_from_the_evidence(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", logs={"otsus-method": "x"}, objects={"a.csv": b"a,b\n1,2\n"})
    first = report.write(run).path.read_text()
    assert report.write(evidence.read(tmp_path / "run")).path.read_text() == first


@pytest.mark.parametrize("name", ["course.json", "checks.json"])
@pytest.mark.parametrize("content", ["", "[1]", '{"tasks": 3}', "[" * 100_000])
def test_damaged_evidence_is_named(tmp_path: Path, name: str, content: str) -> None:
    run = make_run(tmp_path / "run")
    (tmp_path / "run" / name).write_text(content)
    with pytest.raises(UsageError, match=name):
        report.write(run)
