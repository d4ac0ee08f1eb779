"""Reported and omitted events of an object."""

from __future__ import annotations

from typing import Any, cast

from harness.kube import Forbidden, KubeApi, events

_POD = {"metadata": {"name": "p", "namespace": "ns", "uid": "1"}}


class _Api:
    def __init__(self, *found: dict[str, Any]) -> None:
        self.found = list(found)

    def list(self, kind: str, namespace: str | None) -> list[dict[str, Any]]:
        assert (kind, namespace) == ("Event", "ns")
        return self.found


def _event(reason: str, time: str, uid: str = "1", **fields: Any) -> dict[str, Any]:
    about = {"name": "p", "uid": uid}
    return {"metadata": {}, "reason": reason, "lastTimestamp": time, "involvedObject": about, **fields}


def _of(*found: dict[str, Any], **how: Any) -> list[str]:
    return events.list_unusual(cast(KubeApi, _Api(*found)), _POD, **how)


def test_events_are_reported_in_the_order_of_time_with_their_number() -> None:
    later = _event("FailedMount", "2026-01-01T00:00:09Z", message="configmap not found ", count=3)
    first = _event("FailedScheduling", "2026-01-01T00:00:01Z", message="0/1 nodes are available")
    assert _of(later, first) == [
        "FailedScheduling: 0/1 nodes are available",
        "FailedMount: configmap not found (3 times)",
    ]
    assert _of(later, first, limit=1) == ["FailedMount: configmap not found (3 times)"]


def test_events_of_every_pod_and_of_other_objects_are_left_out() -> None:
    assert _of(_event("Pulled", "1"), _event("BackOff", "1", uid="2")) == []


def test_an_api_that_gives_no_events_away_makes_none() -> None:
    class Closed(_Api):
        def list(self, kind: str, namespace: str | None) -> list[dict[str, Any]]:
            raise Forbidden(403, "Forbidden", "events are not for you")

    assert events.list_unusual(cast(KubeApi, Closed()), _POD) == []
