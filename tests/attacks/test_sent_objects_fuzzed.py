"""Sent and stored objects with wrong bytes are read or refused by name, by everything that a test can ask."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.captures import SecondaryCapture
from harness.checks.csv_files import MOST_CELLS
from harness.checks.encapsulated import EncapsulatedPdf
from harness.checks.json_documents import read_json
from harness.checks.reports import Report
from harness.checks.structured_reports import StructuredReport
from harness.checks.tables import read_csv
from harness.data import Series, read_input
from harness.errors import CheckError
from tests.attacks.input_fuzz import fuzzed
from tests.checks.made_documents import gradient, make_pdf, write_capture, write_encapsulated, write_report
from tests.checks.made_series import write_series

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")

PAGE = (
    b"<h2>V</h2><table><tr><th>a<th rowspan=2>b<tr><td colspan=3>c</table><a href='x'>y</a><style>@import 'x';</style>"
    b"<img src='data:image/png;base64,AA==' srcset='a 1x,b'><meta http-equiv=refresh content='1;url=x'>"
)
edits = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.sampled_from(["set", "cut", "repeat"]), st.integers(0, 255)), max_size=8
)


def damaged(data: bytes, changes: list[tuple[int, str, int]]) -> bytes:
    found = bytearray(data)
    for at, how, value in changes:
        place = at % max(1, len(found))
        if how == "set" and found:
            found[place] = value
        elif how == "cut":
            del found[place : place + value]
        else:
            found[place:place] = found[place : place + value]
    return bytes(found)


def refusal(call: Callable[[], object]) -> str | None:
    """Return the first line of the refusal; ``None`` where the answer was given."""
    try:
        call()
    except CheckError as error:
        return error.cause
    return None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Series, dict[str, bytes]]:
    """A series, and objects made of it."""
    folder = tmp_path_factory.mktemp("made")
    (series,) = read_input(write_series(folder / "series", uid="1.2.3.4"))
    return series, {
        "report": write_report(folder / "sr.dcm", series).read_bytes(),
        "capture": write_capture(folder / "sc.dcm", gradient(), series, ImageComments="x").read_bytes(),
        "pdf": write_encapsulated(folder / "pdf.dcm", make_pdf(["a"])).read_bytes(),
    }


def ask_report(path: Path, series: Series) -> None:
    report = StructuredReport(path)
    assert isinstance(report.title + report.text, str)
    report.references(series)
    for question in (lambda: report.measurement("Volume", of="liver"), lambda: report.measurements):
        with contextlib.suppress(CheckError):
            question()


def ask_capture(path: Path, series: Series) -> None:
    capture = SecondaryCapture(path)
    assert isinstance(capture.text, str)
    assert capture.burned_in_annotation in {True, False, None}
    assert isinstance(capture.is_blank, bool)


def ask_pdf(path: Path, series: Series) -> None:
    found = EncapsulatedPdf(path)
    assert isinstance(found.title, str)
    assert found.is_valid.ok in {True, False}


@pytest.mark.parametrize(("kind", "ask"), [("report", ask_report), ("capture", ask_capture), ("pdf", ask_pdf)])
@fuzzed
@given(changes=edits)
def test_an_object_with_wrong_bytes_is_read_or_refused_by_name(
    made: tuple[Series, dict[str, bytes]],
    kind: str,
    ask: Callable[[Path, Series], None],
    changes: list[tuple[int, str, int]],
) -> None:
    series, objects = made
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object.dcm"
        path.write_bytes(damaged(objects[kind], changes))
        cause = refusal(lambda: ask(path, series))
    assert cause is None or "object.dcm" in cause


def read_page(data: bytes) -> Any:
    report = Report("r", data)
    assert isinstance(report.text, str)
    assert report.stays_on_platform.ok in {True, False}
    for table in report.tables:
        assert len(table.columns) * len(table) <= MOST_CELLS
        table.matches(table.rows)
    for picture in report.pictures:
        with contextlib.suppress(CheckError):
            assert picture.size


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (PAGE, read_page),
        (b'a,b\n1,2\n4,"6"\n', lambda data: read_csv(data, "r").matches([{"a": 1}])),
        (b'{"a": [1, 2.5, {"b": "c"}], "d": null}', lambda data: read_json(data, "r").matches({"a": [1, 2.5]})),
    ],
    ids=["HTML", "CSV", "JSON"],
)
@fuzzed
@given(changes=edits)
def test_a_document_with_wrong_bytes_is_read_or_refused_by_name(
    data: bytes, read: Callable[[bytes], Any], changes: list[tuple[int, str, int]]
) -> None:
    cause = refusal(lambda: read(damaged(data, changes)))
    assert cause is None or cause.startswith(("r ", "the tables of r "))
