"""Waiting for services and files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.incluster.programs.program_runs import PRINT_PEAK_MEGABYTES
from tests.incluster.programs.small_platform import SmallPlatform

ROOT = Path(__file__).parents[3]


@pytest.fixture
def platform(tmp_path):
    result = SmallPlatform(tmp_path)
    yield result
    result.close()


def test_a_service_that_answers_ends_the_wait(execute, platform):
    platform.answers["/health-check"] = (200, "text/plain", b"up")
    ended = execute("service-checker", WAIT=f"kube-helm,127.0.0.1,{platform.port},/health-check")
    assert ended.status == 0
    assert "answers with status 200" in ended.output


def test_redirects_are_an_answer_and_not_followed(execute, platform):
    platform.answers["/old"] = (302, "text/plain", b"")
    assert execute("service-checker", WAIT=f"web,127.0.0.1,{platform.port},/old").status == 0
    assert len(platform.requests) == 1


@pytest.mark.parametrize("status", [404, 503])
def test_an_error_status_fails_at_once(execute, platform, status):
    platform.answers["/health"] = (status, "text/plain", b"")
    ended = execute("service-checker", WAIT=f"web,127.0.0.1,{platform.port},/health")
    assert ended.status == 1
    assert f"answers with status {status}" in ended.cause


def test_a_service_that_has_not_started_yet_is_waited_for(execute, monkeypatch):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tries = []

    def instead_of_sleeping(seconds):
        tries.append(seconds)
        if len(tries) == 3:
            server.bind(("127.0.0.1", port))
            server.listen()

    monkeypatch.setattr("time.sleep", instead_of_sleeping)
    ended = execute("service-checker", WAIT=f"db,127.0.0.1,{port}", DELAY="7")
    server.close()
    assert ended.status == 0
    assert tries == [7, 7, 7]
    assert ended.output.count("does not answer") == 1


def test_several_services_are_waited_for_one_after_the_other(execute, platform):
    platform.answers["/b"] = (200, "text/plain", b"")
    wait = f"a,127.0.0.1,{platform.port};b,127.0.0.1,{platform.port},/b"
    ended = execute("service-checker", WAIT=wait)
    assert ended.status == 0
    assert ended.output.index("a: ") < ended.output.index("b: ")


def test_files_are_waited_for(execute, tmp_path, monkeypatch):
    wanted = tmp_path / "there"
    monkeypatch.setattr("time.sleep", lambda seconds: wanted.touch())
    assert execute("service-checker", FILES_AND_FOLDERS_EXISTS=f"{tmp_path};{wanted}").status == 0


@pytest.mark.parametrize(
    ("env", "cause"),
    [
        ({}, "neither WAIT nor FILES_AND_FOLDERS_EXISTS"),
        ({"WAIT": "web"}, "expected name,host,port"),
        ({"WAIT": "web,host,http"}, "expected name,host,port"),
        ({"WAIT": "web,host,80", "DELAY": "soon"}, "DELAY"),
        ({"WAIT": "web,host,80", "TIMEOUT": "soon"}, "TIMEOUT"),
    ],
)
def test_wrong_parameters_are_named(execute, env, cause):
    ended = execute("service-checker", **env)
    assert ended.status == 1
    assert cause in ended.cause


def test_it_works_within_the_memory_of_a_container_without_resources(platform):
    platform.answers["/"] = (200, "text/plain", b"")
    code = (
        "import runpy, sys\n"
        "sys.argv = ['harness.incluster.programs', 'service-checker']\n"
        "try:\n    runpy.run_module('harness.incluster.programs', run_name='__main__')\n"
        f"except SystemExit as end:\n    print(end.code)\n{PRINT_PEAK_MEGABYTES}"
    )
    env = {**os.environ, "WAIT": f"web,127.0.0.1,{platform.port},/", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    status, megabytes = done.stdout.split()[-2:]
    assert status == "0"
    assert int(megabytes) < 40
