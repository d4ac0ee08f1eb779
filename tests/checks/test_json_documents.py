"""JSON documents are compared value by value, within a tolerance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.checks.json_documents import JsonDocument, read_json
from harness.errors import CheckError

JSON = b'{"results": [{"label": "liver", "volume": 12.5, "ok": true}], "created": "today", "00100020 ID": 7}'


def document(data: bytes = JSON) -> JsonDocument:
    return read_json(data, "result.json")


def expected(**changes: Any) -> dict[str, Any]:
    return {
        "results": [{"label": "liver", "volume": 12.5, "ok": True}],
        "created": "today",
        "00100020 ID": 7,
        **changes,
    }


def test_a_value_is_found_by_its_place() -> None:
    assert document().at("results", 0, "volume") == 12.5
    assert document().at("00100020 ID") == 7
    assert document().at() == expected()


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (("result",), "result.json has no result: it has 'results', 'created', '00100020 ID'"),
        (("results", 1), "result.json has no results[1]: results is a list of 1"),
        (("results", 0, "mean"), "result.json has no results[0].mean: results[0] has 'label', 'volume', 'ok'"),
        (("created", "year"), "result.json has no created.year: created is 'today'"),
        (("results", "0"), "result.json has no results['0']: results is a list of 1"),
    ],
)
def test_a_missing_place_in_a_document_is_reported_with_the_existing_ones(steps: tuple[Any, ...], words: str) -> None:
    with pytest.raises(CheckError) as caught:
        document().at(*steps)
    assert caught.value.cause == words


def test_a_document_matches_a_value_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "expected.json").write_bytes(JSON.replace(b"12.5", b"12.50"))
    assert document().matches(expected())
    assert document().matches(tmp_path / "expected.json")
    assert document().matches(document())
    assert document().matches(expected(results=({"label": "liver", "volume": 12.5, "ok": True},)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"created": "now"}, "created: 'today' instead of 'now'"),
        ({"00100020 ID": "7"}, "['00100020 ID']: 7 instead of '7'"),
        ({"results": []}, "results has 1 values, 0 are expected"),
        ({"results": {}}, "results: [{'label': 'liver', 'volume': 12.5, 'ok': True}] instead of {}"),
        (
            {"results": [{"label": "liver", "volume": 12.5, "ok": 1}]},
            "results[0].ok: True instead of 1",
        ),
        (
            {"results": [{"label": "liver", "volume": 13, "ok": True}]},
            "results[0].volume: 12.5 instead of 13 (they differ by 0.5)",
        ),
        ({"mean": 1}, "the document has no 'mean'; it has 'results', 'created', '00100020 ID'"),
    ],
)
def test_a_difference_names_the_place_and_both_values(change: dict[str, Any], words: str) -> None:
    verdict = document().matches(expected(**change))
    assert not verdict.ok
    assert verdict.details == (words,)


def test_tolerances_keys_that_do_not_count_and_partial_documents() -> None:
    near = expected(results=[{"label": "liver", "volume": 12.4, "ok": True}], created="yesterday")
    assert not document().matches(near, ignoring=["created"]).ok
    assert document().matches(near, ignoring=["created"], rel=0.01)
    assert not document().matches({"created": "today"}).ok
    assert document().matches({"created": "today"}, partial=True)
    assert document().matches({"results": [{"label": "liver"}]}, partial=True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html>", "Expecting value"),
        (b"", "Expecting value"),
        (b'{"a": NaN}', "NaN is not a number of JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe{", "codec can't decode"),
    ],
)
def test_a_file_that_is_not_json_is_named(data: bytes, words: str) -> None:
    with pytest.raises(CheckError, match=r"result\.json cannot be read as JSON: ") as caught:
        document(data)
    assert words in caught.value.cause


def test_wrong_use_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(CheckError, match=r"a\.json cannot be read as JSON"):
        document().matches(tmp_path / "a.json")
    with pytest.raises(CheckError, match="cannot be read: No such file") as caught:
        document().matches(tmp_path / "b.json")
    assert "a.json" in caught.value.last_seen
    with pytest.raises(CheckError, match="ignoring is the text 'created': give a list of keys"):
        document().matches({}, ignoring="created")
