"""Each engine that docs/engines.md lists as refused is refused, with the documented first line."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from harness.doctor import EngineFacts, checks
from harness.doctor.facts import Inside
from tests.test_doctor import GOOD

DOCUMENT = Path(__file__).parents[2] / "docs" / "engines.md"
NEW = EngineFacts("unix:///run/user/1000/docker.sock", "up", version="28.5.2", api="1.51", minimum="1.24")
ENGINES = {
    "an engine on arm64": dataclasses.replace(NEW, architecture="arm64"),
    "Docker 19.03": dataclasses.replace(NEW, version="19.03.15", api="1.40", minimum="1.12"),
    "an engine whose minimum is above": dataclasses.replace(NEW, version="50.0", api="1.99", minimum="1.70"),
    "Windows containers": dataclasses.replace(NEW, system="windows"),
    "Podman's service": dataclasses.replace(NEW, product="Podman", version="5.8.6"),
    "rootless Docker on cgroup v1": dataclasses.replace(NEW, inside=Inside(cgroups="1", grouped=False, rootless=True)),
    "Docker with `userns-remap`": dataclasses.replace(NEW, inside=Inside(cgroups="2", remapped=True)),
    "Docker, asked by a process in a container": dataclasses.replace(NEW, enclosing="NAME"),
    "something that is not an engine": EngineFacts(NEW.address, "foreign", detail="status 404, b'<html>'"),
}


def refusals() -> list[tuple[str, str]]:
    """The lines of the table: what answers, and what is said of it, where ``...`` stands for anything."""
    text = DOCUMENT.read_text("utf-8")
    _, _, table = text.partition("| what answers | first line of the error (exit status 3) |\n|---|---|\n")
    rows = [line.strip("| ").split(" | ") for line in table.partition("\n\n")[0].splitlines()]
    return [(what, said.strip("`")) for what, said in rows]


@pytest.mark.parametrize(("what", "said"), refusals())
def test_an_engine_of_the_table_is_refused_with_the_line_that_stands_there(what: str, said: str) -> None:
    [engine] = [engine for begin, engine in ENGINES.items() if what.startswith(begin)]
    facts = dataclasses.replace(GOOD, engine=engine)
    [found] = [check for check in checks.decide(facts) if check.name == checks.ENGINE]
    assert found.status == checks.MISSING
    assert re.fullmatch(".*".join(map(re.escape, said.split("..."))), found.detail)


def test_the_table_has_a_line_for_each_of_these_engines() -> None:
    assert len(refusals()) == len(ENGINES)
