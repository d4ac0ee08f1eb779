"""A report is read as its reader sees it."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from harness.checks import Report
from harness.checks.links import Place
from harness.errors import CheckError

PAGE = b"""<html><head><title>Otsu &amp; co</title><style>p { color: red }</style></head>
<body><h1>Otsu's   method</h1><p>Threshold <b>42</b></p><script>var hidden = 1;</script>
<img src="data:image/png;base64,AA=="><img alt="no source"><svg></svg><p>caf\xc3\xa9 &lt; 3</p></body></html>"""


def test_text_is_what_a_reader_sees() -> None:
    assert Report("r.html", PAGE).text == "Otsu's method\nThreshold 42\ncaf\u00e9 < 3"


def test_title_and_pictures_are_distinguished_from_the_text() -> None:
    report = Report("r.html", PAGE)
    assert (report.title, report.images) == ("Otsu & co", 2)
    assert "Threshold 42" in report
    assert "hidden" not in report


def test_broken_markup_and_bytes_do_not_raise() -> None:
    assert "x" in Report("r.html", b"<p><b>x \xff</i><table><img src=").text


def test_a_pdf_is_known_by_its_bytes() -> None:
    assert Report("r.html", b"%PDF-1.7 ...").is_pdf
    assert not Report("r.pdf", PAGE).is_pdf


TABLES = b"""<h2>Volumes<a href="#volumes">&para;</a></h2><table><thead><tr><th>label</th><th>ml</th></tr></thead>
<tr><td>liver<script>x</script></td><td><b>12</b>.5</td></tr><tr><td>spleen<br>left</td><td>3</td></tr></table>
<table><caption>Quality  of masks</caption><tr><th rowspan=2>label</th><th colspan=2>dice</th></tr>
<tr><th>mean</th><th>worst</th></tr>
<tr><td rowspan="2">liver</td><td>0.9</td><td>0.8</td></tr><tr><td colspan=2>n/a</td></tr></table>
<h2>Rest</h2><table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"""


def test_a_table_is_found_by_caption_heading_or_header() -> None:
    report = Report("r.html", TABLES)
    volumes = report.table("volumes")
    assert volumes.columns == ("label", "ml")
    assert volumes.rows == (("liver", "12.5"), ("spleen left", "3"))
    assert report.table("Quality of masks") is report.tables[1]
    assert report.table("dice worst") is report.tables[1]
    assert volumes.matches([{"label": "liver", "ml": 12.5}, {"ml": 3}])
    assert not volumes.matches([{"label": "liver", "ml": 12.5}, {"ml": 4}])


def test_cells_that_span_rows_or_columns_count_in_each() -> None:
    found = Report("r.html", TABLES).table("Quality of masks")
    assert found.columns == ("label", "dice mean", "dice worst")
    assert found.rows == (("liver", "0.9", "0.8"), ("liver", "n/a", "n/a"))


def test_columns_without_a_header_are_counted() -> None:
    found = Report("r.html", TABLES).table("Rest")
    assert (found.columns, found.rows) == (("1", "2"), (("a", "b"), ("c", "")))


def test_a_missing_or_ambiguous_table_is_reported_with_the_existing_ones() -> None:
    report = Report("r.html", TABLES)
    with pytest.raises(CheckError, match=r"r\.html has no table 'volume'") as caught:
        report.table("volume")
    assert "Volumes: 2 rows of label, ml" in caught.value.last_seen
    with pytest.raises(CheckError, match=r"r\.html has 2 tables 'label'"):
        report.table("label")
    with pytest.raises(CheckError) as caught:
        Report("r.html", b"<p>").table("x")
    assert caught.value.last_seen == "it has no table"


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        (b"<table>" + b"<tr><td colspan=1000 rowspan=65534>x</td></tr>" * 3000, "more than 2000000 cells"),
        (b"<table><tr><td colspan=1000>x" * 1 + b"<tr><td>y" * 3000, "more than 2000000 cells"),
        (b"<div>" * 100_000 + b"x", "nested deeper than 512 levels"),
        (b"<table><tr><td>" * 2000, "nested deeper than 512 levels"),
    ],
    ids=["spans", "one wide row", "elements", "tables"],
)
def test_a_document_that_would_fill_the_memory_is_refused(markup: bytes, words: str) -> None:
    with pytest.raises(CheckError, match=words):
        assert Report("r.html", markup).tables


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("#top", Place.PAGE),
        ("", Place.PAGE),
        ("data:text/plain,x", Place.PAGE),
        ("other.html", Place.PLATFORM),
        ("/kaapana-backend/x", Place.PLATFORM),
        ("../a/b.png?x=//evil", Place.PLATFORM),
        ("a:b/c", Place.ELSEWHERE),
        ("https://example.org/", Place.ELSEWHERE),
        ("//example.org/x", Place.ELSEWHERE),
        ("\\\\example.org/x", Place.ELSEWHERE),
        ("/\\example.org", Place.ELSEWHERE),
        (" ht\ntps://example.org", Place.ELSEWHERE),
        ("http:example.org", Place.ELSEWHERE),
        ("mailto:a@b", Place.ELSEWHERE),
        ("java\tscript:alert(1)", Place.SCRIPT),
        ("http://[broken", Place.ELSEWHERE),
    ],
)
def test_a_link_leads_where_a_browser_would_go(target: str, place: Place) -> None:
    written = "".join(f"&#{ord(sign)};" if sign in "\t\n" else sign for sign in target)
    (link,) = Report("r.html", f'<a href="{written}">x</a>'.encode()).links
    assert (link.place, link.loads) == (place, False)


def test_files_that_a_page_loads_by_itself_are_among_its_addresses() -> None:
    page = b"""<head><link rel=stylesheet href=https://a.example/s.css>
    <style>@import "https://b.example/x"; p { background: url( 'https://c.example/p.png' ) }</style>
    <meta http-equiv=Refresh content="3; URL='https://d.example'">
    </head><body background=/p.png><a href="https://e.example">the  words</a>
    <img srcset="a.png 1x, //f.example/b.png 2x">
    <div style="background-image:url(https://g.example/x.png)"></div>
    <form action=https://h.example><button formaction=/x>
    <svg><image xlink:href=https://i.example/x.svg></svg><script src=plot.js></script>"""
    report = Report("r.html", page)
    left = [link for link in report.links if link.leaves_platform]
    hosts = sorted(link.target.partition("//")[2][0] for link in left)
    assert hosts == list("abcdefghi")
    assert [link.target for link in report.links if link.loads and link.place is Place.PLATFORM] == [
        "/p.png",
        "a.png",
        "plot.js",
    ]
    assert [link.text for link in left if not link.loads] == ["", "the words", ""]
    assert report.stays_on_platform.summary.endswith("leads elsewhere (and 8 more)")
    assert Report("r.html", b"<a href=x.html>x</a><img src=data:,x>").stays_on_platform


def test_a_base_address_moves_relative_links() -> None:
    (link,) = Report("r.html", b"<base href=https://a.example/><a href=x.html>x</a>").links
    assert link.leaves_platform


def test_pictures_have_their_words_and_their_size() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (7, 5)).save(stream, "PNG")
    encoded = base64.b64encode(stream.getvalue()).decode()
    page = f'<img alt="a plot" src="data:image/png;base64,{encoded}"><img src="x.png">'
    page += '<img src="data:image/png;base64,AA=">'
    first, second, third = Report("r.html", page.encode()).pictures
    assert (first.alt, first.size, first.data) == ("a plot", (7, 5), stream.getvalue())
    with pytest.raises(
        CheckError, match=r"picture 2 of r\.html does not stand in the page: it is loaded from 'x\.png'"
    ):
        assert second.data
    with pytest.raises(CheckError, match=r"picture 3 of r\.html cannot be decoded"):
        assert third.size
