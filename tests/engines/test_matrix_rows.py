"""The list of engines, what a machine lacks for them, and the table: what needs no engine and no root."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.errors import PlatformError, UsageError
from tests.engines.matrix import machine, outcome, rootless, rows, table, traces
from tests.engines.matrix.__main__ import main
from tests.engines.matrix.machine import Machine
from tests.engines.matrix.namespace import free_link
from tests.engines.matrix.outcome import Outcome, Suite
from tests.engines.matrix.traces import Traces

WORK = Path("/var/tmp/w")
ABLE = Machine(
    root=True,
    architecture="x86_64",
    programs=frozenset(machine.PROGRAMS),
    capabilities=(1 << 41) - 1,
    forwards=True,
    free=10**12,
    stacked=False,
    name_server=True,
)
ROW = """
[[row]]
name = "a"
suite = "sid"
packages = ["docker.io"]
version = "28"
images = "load"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "rows.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_list_has_a_row_for_each_engine_that_is_promised() -> None:
    found = {row.name: row for row in rows.read_rows()}
    assert {row.version for row in found.values()} == {"20.10", "26.1", "28.5", "29.8.1", "5."}
    built = [row.version for row in found.values() if row.images == "build"]
    assert sorted(built) == ["20.10", "28.5"]
    assert [row.name for row in found.values() if row.environment] == ["docker-28.5-containerd-api-1.44"]
    assert [row.product for row in found.values() if row.refusal] == ["docker-rootless", "podman"]
    assert [row.name for row in found.values() if row.module] == ["docker-29"]
    assert [row.name for row in found.values() if row.kind] == ["docker-28.5-containerd"]


def test_a_row_builds_before_any_row_loads_what_it_has_built() -> None:
    assert rows.read_rows()[0].images == "build"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("sid", 'sid"\ncolour = "red'), "row a: colour is unknown"),
        (('suite = "sid"\n', ""), "row a: suite is missing"),
        (('"load"', '"steal"'), "row a: images is 'steal'"),
        (('["docker.io"]', '"docker.io"'), "row a: packages has to be a list of names"),
        (('["docker.io"]', "[]"), "row a: packages has to be a list of names"),
        (('"28"', "28"), "row a: every value but packages"),
        (('"a"', '"../a"'), "row ../a: a name has small letters"),
        (('"load"', '"load"\nproduct = "podman"\ndaemon = { debug = true }'), "row a: daemon, module and"),
        (('"load"', '"load"\nproduct = "podman"\nmodule = "example.org/d@v1"'), "row a: daemon, module and"),
        (('"load"', '"load"\nproduct = "podman"\nkind = true'), "row a: daemon, module and"),
        (('"load"', '"load"\nkind = "yes"'), "row a: kind has to be true or false"),
        (('"load"', '"load"\nmodule = "example.org/d"'), "row a: module is 'example.org/d'"),
        (('"load"', '"load"\nmodule = "--help@v1"'), "row a: module is '--help@v1'"),
        (('"load"', '"load"\ndaemon = 1'), "row a: daemon has to be a table"),
        (('"load"', '"load"\nenvironment = { A = 1 }'), "row a: the values of environment have to be texts"),
        (("[[row]]", "[[engine]]"), "expected tables"),
        (("[[row]]", "[[row"), "cannot be read"),
    ],
)
def test_a_wrong_row_is_named_with_its_file(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    path = written(tmp_path, ROW.replace(*change))
    with pytest.raises(UsageError) as caught:
        rows.read_rows(path)
    assert caught.value.cause.startswith(str(path))
    assert complaint in caught.value.cause


def test_two_rows_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two rows have the name a"):
        rows.read_rows(written(tmp_path, ROW + ROW))


def test_a_row_that_is_not_in_the_list_is_wrong_use_and_the_rows_are_named() -> None:
    done = CliRunner().invoke(main, ["--row", "docker-19.03"])
    assert done.exit_code == 2
    assert done.stderr.startswith("there is no row 'docker-19.03'\n")
    assert "docker-20.10, docker-26.1" in done.stderr


def test_a_user_who_is_not_root_reads_so_in_the_first_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "look", lambda work: dataclasses.replace(ABLE, root=False))
    done = CliRunner().invoke(main, ["--work", str(tmp_path / "work")])
    assert done.exit_code == PlatformError.exit_status
    assert done.stderr.startswith("this machine lacks root: ")
    assert not (tmp_path / "work").exists()


def test_rows_that_may_be_missing_are_in_the_table_with_what_the_machine_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "look", lambda work: dataclasses.replace(ABLE, root=False))
    done = CliRunner().invoke(main, ["--work", str(tmp_path / "work"), "--row", "docker-26.1", "--allow-missing"])
    assert done.exit_code == 0
    assert "not run: this machine lacks root" in done.stdout.splitlines()[-1]
    assert not (tmp_path / "work").exists()


def test_a_complete_machine_lacks_nothing() -> None:
    assert machine.lacks(ABLE, WORK) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"programs": frozenset(machine.PROGRAMS) - {"ip", "mmdebstrap"}}, "apt-get install iproute2 mmdebstrap"),
        ({"capabilities": ABLE.capabilities & ~(1 << 21)}, "CAP_SYS_ADMIN"),
        ({"architecture": "aarch64"}, "aarch64"),
        ({"forwards": False}, "sysctl -w net.ipv4.ip_forward=1"),
        ({"stacked": True}, "/var/tmp/w is on an overlay"),
        ({"free": 10**9}, "1.0 GB at /var/tmp/w, 15 GB are needed"),
        ({"name_server": False}, "/etc/resolv.conf"),
    ],
)
def test_missing_parts_of_a_machine_are_reported_with_the_way_to_get_them(
    change: dict[str, Any], complaint: str
) -> None:
    [found] = machine.lacks(dataclasses.replace(ABLE, **change), WORK)
    assert complaint in found


@pytest.mark.parametrize(
    ("own", "chosen"),
    [
        ("nameserver 192.0.2.53\n", "/etc/resolv.conf"),
        ("# nameserver 192.0.2.53\nnameserver 127.0.0.53\n", "/run/systemd/resolve/resolv.conf"),
        ("", "/run/systemd/resolve/resolv.conf"),
    ],
)
def test_a_name_server_on_the_loopback_network_is_not_given_to_another_network(own: str, chosen: str) -> None:
    texts = {"/etc/resolv.conf": own, "/run/systemd/resolve/resolv.conf": "nameserver 192.0.2.1\n"}
    assert machine.resolver(lambda path: texts[str(path)]) == Path(chosen)
    texts["/run/systemd/resolve/resolv.conf"] = "nameserver ::1\n"
    assert (machine.resolver(lambda path: texts[str(path)]) is None) is (chosen != "/etc/resolv.conf")


def test_the_mirror_is_the_one_of_apt_and_not_that_of_security_updates() -> None:
    said = "http://site.example/debian-security/\nhttp://site.example/debian/\nhttp://site.example/debian/\n"
    assert machine.mirror(lambda: said) == "http://site.example/debian/"
    assert machine.mirror(lambda: "") == ""


def test_a_link_is_in_no_network_that_the_machine_has_a_route_to() -> None:
    assert str(free_link([{"dst": "default"}, {"dst": "fe80::/64"}])) == "10.213.0.0/30"
    assert str(free_link([{"dst": "10.213.0.0/30"}, {"dst": "10.213.0.5"}])) == "10.213.0.8/30"
    with pytest.raises(PlatformError, match="every network"):
        free_link([{"dst": "10.0.0.0/8"}])


PASSED = Outcome(
    "docker-28.5",
    engine="Docker 28.5.2",
    store="overlay2",
    api="1.24 to 1.51",
    builder="BuildKit",
    images="built",
    cold=331.26,
    warm=8.5,
    edit=None,
    conformance=Suite(91, 3, (), 80.0),
    kind=Suite(11, 0, (), 90.0),
    verdict=outcome.PASSED,
)


def test_the_table_has_a_line_for_each_row() -> None:
    failed = Outcome("b", verdict=outcome.FAILED, reason="a | b\nc", conformance=Suite(9, 1, ("t1", "t2"), 1.0))
    lines = table.render([PASSED, failed]).splitlines()
    assert lines[0].startswith("| row | engine | image store | API | builder |")
    assert lines[2] == (
        "| docker-28.5 | Docker 28.5.2 | overlay2 | 1.24 to 1.51 | BuildKit | built | 331.3 s | 8.5 s |  "
        "| 88 of 91 | 11 of 11 | passed |"
    )
    assert lines[3].endswith("| 6 of 9 |  | failed: a / b c |")
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize(
    ("verdict", "strict", "lenient"),
    [(outcome.PASSED, 0, 0), (outcome.REFUSED, 0, 0), (outcome.FAILED, 1, 1), (outcome.MISSING, 1, 0)],
)
def test_a_row_that_did_not_run_fails_unless_it_may_be_missing(verdict: str, strict: int, lenient: int) -> None:
    outcomes = [PASSED, Outcome("b", verdict=verdict)]
    assert table.exit_status(outcomes, allow_missing=False) == strict
    assert table.exit_status(outcomes, allow_missing=True) == lenient


def test_an_outcome_is_kept_for_the_call_that_goes_on(tmp_path: Path) -> None:
    PASSED.write(tmp_path / "outcome.json")
    assert outcome.read_outcome(tmp_path / "outcome.json") == PASSED


def test_a_suite_is_what_pytest_reports(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite time="4.5">'
        '<testcase classname="c" name="good"/>'
        '<testcase classname="c" name="left out"><skipped message="x"/></testcase>'
        '<testcase classname="c" name="bad"><failure message="x"/></testcase>'
        '<testcase classname="c" name="bad"><error message="at its end, too"/></testcase>'
        "</testsuite></testsuites>",
        "utf-8",
    )
    assert outcome.read_suite(report) == Suite(3, 1, ("bad",), 4.5)
    assert str(outcome.read_suite(report)) == "1 of 3 failed: bad"


@pytest.mark.parametrize("text", ["", "<testsuites/>"])
def test_a_suite_that_ran_nothing_has_not_passed(tmp_path: Path, text: str) -> None:
    report = tmp_path / "report.xml"
    report.write_text(text, "utf-8")
    assert not outcome.read_suite(report).passed
    assert not outcome.read_suite(tmp_path / "absent.xml").passed
    assert not Suite(2, 2, (), 1.0).passed


def test_the_control_groups_of_an_engines_containers_go_and_those_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "_CGROUPS", tmp_path / "cgroup")
    ours, others = ("memory/docker/ab12/inner", "docker/ab12"), ("memory/docker/cd34", "memory/ab12")
    for group in (*ours, *others):
        (tmp_path / "cgroup" / group).mkdir(parents=True)
    (tmp_path / "containers" / "ab12").mkdir(parents=True)
    Traces(containers=[str(tmp_path / "containers")]).write(tmp_path / "row.json")
    assert traces.remove(tmp_path / "row.json") == []
    groups = sorted(str(path.relative_to(tmp_path / "cgroup")) for path in (tmp_path / "cgroup").rglob("*"))
    assert groups == ["docker", "memory", "memory/ab12", "memory/docker", "memory/docker/cd34"]
    assert not (tmp_path / "row.json").exists()


@pytest.mark.parametrize(("gone", "problems"), [(True, []), (False, ["ip link delete khe1 fails"])])
def test_a_network_device_that_disappears_with_its_peer_is_not_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: bool, problems: list[str]
) -> None:
    (tmp_path / "net" / "khe1").mkdir(parents=True)
    monkeypatch.setattr(traces, "_DEVICES", tmp_path / "net")

    def fails(*command: str) -> bool:
        assert command == ("ip", "link", "delete", "khe1")
        if gone:
            (tmp_path / "net" / "khe1").rmdir()
        return False

    monkeypatch.setattr(traces, "_quietly", fails)
    Traces(device="khe1").write(tmp_path / "row.json")
    assert traces.remove(tmp_path / "row.json") == problems
    assert (tmp_path / "row.json").exists() is bool(problems)


def test_the_user_of_a_rootless_engine_is_added_once_and_no_other_is_lost(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    for _ in range(2):
        rootless.add_user(tmp_path)
    assert (tmp_path / "etc" / "passwd").read_text() == (
        "root:x:0:0:root:/root:/bin/bash\nengine:x:1000:1000::/home/engine:/bin/sh\n"
    )
    assert (tmp_path / "etc" / "subuid").read_text() == "engine:100000:65536\n"
