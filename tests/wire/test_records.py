"""Airflow's records of a run arrive unchanged, and foreign values in their place do no harm."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from harness.wire.name_lookups import UnresolvedName
from harness.wire.outcome import Outcome
from harness.wire.pulls import PullRefusal, SecretVerdict
from harness.wire.records import RunRecord, TaskRecord

OUTCOME = Outcome(
    "Evicted",
    "the node was low on disk",
    exit_code=137,
    pod_ip="10.1.0.7",
    pod_ips=["10.1.0.7", "10.2.0.3"],
    max_memory_bytes=5,
    log_tail=["one", "two"],
    has_input=False,
    timeout_s=15.0,
    low_disk=True,
    refusal=PullRefusal("r.example/a:1", (("s", SecretVerdict.ELSEWHERE, ("b.example",)),)),
    unresolved=(UnresolvedName("telemetry.example"),),
)
RUN = RunRecord(
    "dag", "run", "failed", {"a": 1}, tasks=(TaskRecord("a", upstream=["b"], outcome=OUTCOME), TaskRecord("b"))
)


def _sent(document: dict[str, Any]) -> Any:
    return json.loads(json.dumps(document))


def test_a_run_arrives_as_it_was_sent() -> None:
    assert RunRecord.from_json(_sent(RUN.as_json())) == RUN


def test_a_task_without_an_outcome_has_an_empty_result() -> None:
    assert TaskRecord("a").result == Outcome()
    assert RunRecord.from_json(_sent(RUN.as_json())).tasks[1].outcome is None


def test_the_addresses_of_a_pod_are_those_of_all_its_networks_once() -> None:
    assert OUTCOME.addresses == ["10.1.0.7", "10.2.0.3"]


@pytest.mark.parametrize("published", [None, "", "text", 5, [], {}, True])
def test_an_invalid_outcome_is_ignored(published: object) -> None:
    assert TaskRecord.from_json({"task_id": "a", "outcome": published}).outcome is None


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Outcome)])
@pytest.mark.parametrize("value", [None, {"a": []}, [{}], [5], "text", -1, 1.5, True])
def test_a_field_of_another_type_keeps_its_default(field: str, value: object) -> None:
    found = Outcome.from_json({"reason": "Error", field: value, "unknown": value})
    assert json.dumps(found.as_json())
    assert isinstance(found.reason, str)
    assert all(isinstance(line, str) for line in found.log_tail)
    assert found.exit_code is None or isinstance(found.exit_code, int)
    assert found.addresses == [ip for ip in (found.pod_ip, *found.pod_ips) if ip]
