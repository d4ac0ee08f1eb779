"""Tables of CSV files and reports are rows, and a comparison that does not hold names cells."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.checks.questions import Question, observe
from harness.checks.tables import Table, read_csv
from harness.errors import CheckError

CSV = b"label,voxels,volume_ml\nliver,1200,12.5\nspleen,310,3.25\n"


def table(data: bytes = CSV, **how: Any) -> Table:
    return read_csv(data, "volumes.csv", **how)


def test_a_csv_file_is_rows_by_column() -> None:
    volumes = table()
    assert volumes.columns == ("label", "voxels", "volume_ml")
    assert list(volumes)[1] == {"label": "spleen", "voxels": "310", "volume_ml": "3.25"}
    assert volumes.column("label") == ["liver", "spleen"]
    assert volumes.numbers("volume_ml") == [12.5, 3.25]
    assert volumes.row(label="spleen")["voxels"] == "310"
    assert len(volumes) == 2


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_the_one_of_the_header(delimiter: str) -> None:
    data = CSV.replace(b",", delimiter.encode())
    assert table(data) == table()
    assert table(data.replace(delimiter.encode(), b","), delimiter=",") == table()


def test_a_mark_of_byte_order_and_quoted_line_ends_are_no_part_of_the_cells() -> None:
    found = table(b'\xef\xbb\xbfname,"more\nthan one"\r\n"a, b",2\r\n\r\n')
    assert found.columns == ("name", "more\nthan one")
    assert found.rows == (("a, b", "2"),)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n\xff", "it is not UTF-8 text"),
        (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 cells, the header 2"),
        (b'a,b\n1,"2\n', "unexpected end of data"),
        (b"a,b\n1," + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_file_that_is_not_csv_is_named(data: bytes, words: str) -> None:
    with pytest.raises(CheckError, match=r"volumes\.csv cannot be read as CSV: ") as caught:
        table(data)
    assert words in caught.value.cause


def test_a_missing_column_or_row_is_reported_with_the_existing_ones() -> None:
    with pytest.raises(CheckError) as caught:
        table().column("volume")
    assert caught.value.cause == "volumes.csv has no column 'volume'; it has 'label', 'voxels', 'volume_ml'"
    with pytest.raises(CheckError, match="2 columns 'a'"):
        table(b"a,a\n1,2\n").column("a")
    with pytest.raises(CheckError, match="no row with label 'kidney'") as caught:
        table().row(label="kidney")
    assert "spleen, 310, 3.25" in caught.value.last_seen
    with pytest.raises(CheckError, match=r"row 1, column 'label' of volumes\.csv is not a number: 'liver'"):
        table().numbers("label")


def test_expected_rows_are_dictionaries_sequences_a_table_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "expected.csv").write_bytes(CSV.replace(b"12.5", b"12.50"))
    for expected in (
        [{"label": "liver", "voxels": 1200}, {"label": "spleen", "volume_ml": 3.25}],
        [("liver", 1200, 12.5), ("spleen", np.int64(310), np.float32(3.25))],
        table(),
        tmp_path / "expected.csv",
        str(tmp_path / "expected.csv"),
    ):
        assert table().matches(expected)


def test_a_difference_names_row_column_and_both_values_and_counts_the_rest() -> None:
    verdict = table().matches([("liver", 1201, 12.5), ("spleen", 310, "4")])
    assert not verdict.ok
    assert verdict.summary == (
        "2 differences in 6 cells, the first is row 1, column 'voxels': 1200 instead of 1201 (they differ by 1)"
    )
    assert verdict.details[1:] == ("row 2, column 'volume_ml': 3.25 instead of 4 (they differ by 0.75)",)
    many = read_csv(b"n\n" + b"1\n" * 5000, "n.csv").matches([{"n": 2}] * 5000)
    assert many.summary.startswith("5000 differences in 5000 cells")
    assert len(many.details) == 11
    assert many.details[-1] == "and 4990 more"


@pytest.mark.parametrize(
    ("expected", "how", "same"),
    [
        (12.5000000001, {}, True),
        (12.6, {}, False),
        (12.6, {"rel": 0.01}, True),
        (12.7, {"rel": 0.01}, False),
        (12.6, {"abs": 0.1}, True),
        (12.61, {"abs": 0.1}, False),
        ("12.50", {}, True),
        ("12,5", {}, False),
        (math.nan, {}, False),
        (None, {}, False),
    ],
)
def test_numbers_agree_within_the_tolerance(expected: Any, how: Any, same: bool) -> None:
    assert table().matches([{"volume_ml": expected}, {}], **how).ok is same


@pytest.mark.parametrize(
    ("cell", "expected", "same"),
    [
        ("007", "7", False),
        ("12345678901234567890", "12345678901234567891", False),
        ("1e400", "1e401", False),
        ("NaN", math.nan, True),
        ("", None, True),
        ("True", True, True),
        ("1", True, False),
        (" liver ", "liver", True),
    ],
)
def test_a_cell_that_is_not_a_number_is_compared_as_text(cell: str, expected: Any, same: bool) -> None:
    assert Table("t", ("a",), ((cell,),)).matches([{"a": expected}]).ok is same


def test_rows_are_matched_by_a_key_whatever_their_order() -> None:
    expected = [{"label": "spleen", "voxels": 311}, {"label": "kidney", "voxels": 1}]
    verdict = table().matches(expected, key="label")
    assert verdict.details == (
        "it has no row with label 'kidney'",
        "row 1 has the label 'liver', which is not expected",
        "row 2 (label 'spleen'), column 'voxels': 310 instead of 311 (they differ by 1)",
    )
    assert table().matches([*list(table())[::-1]], key="label")


def test_columns_and_rows_that_are_missing_or_too_many_are_differences(tmp_path: Path) -> None:
    expected = read_csv(b"label,mean\nliver,1\n", "expected.csv")
    assert table().matches(expected).details == (
        "it has no column 'mean'; it has 'label', 'voxels', 'volume_ml'",
        "it has a column 'voxels', which is not expected",
        "it has a column 'volume_ml', which is not expected",
        "it has 2 rows, 1 are expected",
    )
    short = read_csv(b"label,mean\nliver,1\nspleen,2\n", "expected.csv")
    assert table().matches(short, columns=["label"])


@pytest.mark.parametrize(
    ("expected", "how", "words"),
    [
        (3, {}, "the expected rows are 3, not a list of rows"),
        ([3], {}, "expected row 1 is 3, not a dictionary or a list of cells"),
        (["abc"], {}, "expected row 1 is 'abc', not a dictionary"),
        ([(1, 2)], {}, "expected row 1 has 2 cells, the table 3 columns: 'label', 'voxels', 'volume_ml'"),
        ([{"label": "a"}], {"key": "name"}, "the expected rows have no column 'name', which is the key"),
        ([{"label": "a"}, {"label": "a"}], {"key": "label"}, "two of the expected rows have the label 'a'"),
        ([{"label": "a"}], {"columns": ["mean"]}, "the expected rows have no column 'mean'; they have 'label'"),
        ([], {"rel": -1}, "the tolerance rel is -1, not a number from 0 on"),
        ([], {"abs": math.nan}, "the tolerance abs is nan"),
    ],
)
def test_wrong_use_is_named(expected: Any, how: Any, words: str) -> None:
    with pytest.raises(CheckError) as caught:
        table().matches(expected, **how)
    assert caught.value.cause.startswith(words)


def test_a_missing_file_of_expected_rows_is_reported_with_the_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "volumes.csv").write_bytes(CSV)
    with pytest.raises(CheckError, match="cannot be read: No such file") as caught:
        table().matches(tmp_path / "volume.csv")
    assert "volumes.csv" in caught.value.last_seen


def test_observers_receive_the_questions_about_a_table(tmp_path: Path) -> None:
    seen: list[Question] = []
    with observe(seen.append):
        table(file=tmp_path / "volumes.csv").matches([])
        table().matches([])
    assert [(question.file.name, question.text, question.answer[:14]) for question in seen] == [
        ("volumes.csv", "volumes.csv matches", "NO: 1 differen")
    ]
