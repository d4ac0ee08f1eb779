"""A watch continues after forgotten versions and unreachable servers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from harness.kube import ApiError, Expired, Forbidden, Unavailable
from harness.kube.watching import Watch

_AWAY = Unavailable(0, "Unavailable", "connection refused")
_FORBIDDEN = Forbidden(403, "Forbidden", "User cannot watch resource pods")
_GONE = Expired(410, "Expired", "too old resource version")


def _object(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version), "uid": uid or name}}


def _line(change: str, *arguments: Any) -> str:
    return json.dumps({"type": change, "object": _object(*arguments)})


class _Server:
    """Answers each opening of a stream by the next script: lines, at last perhaps an error."""

    def __init__(self, *scripts: list[str | ApiError], items: list[dict[str, Any]] | None = None) -> None:
        self.scripts = list(scripts)
        self.queries: list[dict[str, str]] = []
        self.items = items or []

    def lines(self, query: Mapping[str, str], seconds: float) -> Iterator[str]:
        assert seconds > 0
        self.queries.append(dict(query))
        for step in self.scripts.pop(0):
            if isinstance(step, ApiError):
                raise step
            yield step

    def list_all(self, query: Mapping[str, str]) -> dict[str, Any]:
        assert query == {"labelSelector": "a=b"}
        return {"metadata": {"resourceVersion": "90"}, "items": self.items}

    def watch(self, count: int, *, reconnect_s: float = 0.0) -> list[tuple[str, str]]:
        watch = Watch(self.lines, self.list_all, {"labelSelector": "a=b"}, timeout_s=20, reconnect_s=reconnect_s)
        changes = watch.changes()
        return [(change, found["metadata"]["name"]) for change, found in (next(changes) for _ in range(count))]


def test_an_expired_resource_version_is_replaced_by_a_new_list() -> None:
    server = _Server(
        [*(_line("ADDED", name, 1) for name in ("same", "changed", "gone", "again")), _GONE],
        [_line("MODIFIED", "same", 91)],
        items=[_object("same", 1), _object("changed", 80), _object("again", 81, "another"), _object("new", 82)],
    )
    assert server.watch(10) == [
        ("ADDED", "same"),
        ("ADDED", "changed"),
        ("ADDED", "gone"),
        ("ADDED", "again"),
        ("MODIFIED", "changed"),
        ("DELETED", "again"),
        ("ADDED", "again"),
        ("ADDED", "new"),
        ("DELETED", "gone"),
        ("MODIFIED", "same"),
    ]
    assert [query.get("resourceVersion") for query in server.queries] == [None, "90"]


def test_an_expired_event_in_the_stream_is_the_same_as_a_refusal() -> None:
    event = json.dumps({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}})
    server = _Server([event], [_line("ADDED", "late", 91)], items=[_object("there", 3)])
    assert server.watch(2) == [("ADDED", "there"), ("ADDED", "late")]


def test_a_server_that_comes_back_is_asked_for_missed_events() -> None:
    server = _Server([_line("ADDED", "a", 5), _AWAY], [_AWAY], [_line("MODIFIED", "a", 6)])
    assert server.watch(2, reconnect_s=10) == [("ADDED", "a"), ("MODIFIED", "a")]
    assert [query.get("resourceVersion") for query in server.queries] == [None, "5", "5"]


def test_a_server_that_forbids_everything_when_it_has_just_come_back_is_asked_again() -> None:
    server = _Server([_line("ADDED", "a", 5), _AWAY], [_FORBIDDEN], [_line("MODIFIED", "a", 6)])
    assert server.watch(2, reconnect_s=10) == [("ADDED", "a"), ("MODIFIED", "a")]
    # not one that was there all the time, and not for ever
    with pytest.raises(Forbidden):
        _Server([_FORBIDDEN]).watch(1, reconnect_s=10)
    with pytest.raises(Forbidden):
        _Server([_AWAY], *([_FORBIDDEN] for _ in range(4))).watch(1, reconnect_s=0.3)


def test_a_server_that_may_not_be_away_ends_the_watch() -> None:
    server = _Server([_line("ADDED", "a", 5), _AWAY])
    with pytest.raises(Unavailable):
        server.watch(2)


def test_the_patience_is_for_each_absence_and_not_for_all_together() -> None:
    scripts: list[list[str | ApiError]] = [[_line("MODIFIED", "a", number), _AWAY] for number in range(4)]
    assert len(_Server(*scripts).watch(4, reconnect_s=0.3)) == 4
    with pytest.raises(Unavailable):
        _Server([_AWAY], [_AWAY], [_AWAY], [_AWAY]).watch(1, reconnect_s=0.3)
