"""A report is read as its reader sees it."""

from __future__ import annotations

from harness.checks import Report

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
