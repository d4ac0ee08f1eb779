"""A receipt arrives at the host as the receiver noted it."""

from __future__ import annotations

import json

import pytest

from harness.wire.annotations import split_mark, task_mark
from harness.wire.receipts import ReceivedObject
from harness.wire.scrape_targets import POD_LABEL, ScrapedTarget

RECEIVED = ReceivedObject("a1", "2026-11-24T20:00:04+00:00", "10.1.0.7:40312", "kp-a", "kp-b", size=512, ingested=True)


def test_a_receipt_arrives_as_it_was_noted() -> None:
    assert ReceivedObject.from_json(json.loads(json.dumps(RECEIVED.as_json()))) == RECEIVED


@pytest.mark.parametrize(("peer", "address"), [("10.1.0.7:40312", "10.1.0.7"), ("10.1.0.7", "10.1.0.7"), ("", "")])
def test_the_address_of_the_sender_is_known_without_its_port(peer: str, address: str) -> None:
    assert ReceivedObject("a1", peer=peer).address == address


def test_the_offer_of_a_pod_arrives_as_it_was_noted() -> None:
    series = [{"metric": {"__name__": "loss"}, "values": [[1.0, "4"]]}]
    target = ScrapedTarget("http://10.1.0.7:9000", task_mark("run-1", "a/b"), {POD_LABEL: "u1"}, 2, 1, series=series)
    assert ScrapedTarget.from_json(json.loads(json.dumps(target.as_json()))) == target
    assert target.pod == "u1"
    assert split_mark(target.task) == ("run-1", "a/b")
    assert split_mark("") == ("", "")
