"""Logins that a site gives to other programs (GitLab sets ``DOCKER_AUTH_CONFIG``) do not concern the control plane."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from testcontainers.core.config import testcontainers_config

from harness.cluster import ledger
from harness.cluster.docker import control_plane
from tests.engines.recorder import Recorder

UNREACHED = 'Get "https://registry.site.invalid/v2/": dial tcp: lookup registry.site.invalid: no such host'
START = """
from harness.cluster import ledger
from harness.cluster.docker import control_plane
control_plane.start("image", ledger.new_entry("x", cluster="docker"), "token", disk_reserve=0)
"""


def auths(login: str) -> str:
    encoded = base64.b64encode(login.encode()).decode("ascii")
    return json.dumps({"auths": {"registry.site.invalid": {"auth": encoded}}})


def start() -> None:
    control_plane.start("image", ledger.new_entry("x", cluster="docker"), "token", disk_reserve=0)


@pytest.mark.parametrize(
    "variable",
    [auths("ada:secret"), auths("ada:se:cret"), '{"auths":{}}', '{"auths":', '{"credsStore": "site"}'],
    ids=["a registry that is not reached", "a colon in a password", "no login", "damaged", "a store"],
)
def test_the_control_plane_starts_whatever_logins_a_site_has(variable: str, tmp_path: Path) -> None:
    recorder = Recorder(refusals={"POST /auth": (500, UNREACHED)})
    with recorder.listening(tmp_path / "s") as url:
        environ = {**os.environ, "DOCKER_HOST": url, "DOCKER_AUTH_CONFIG": variable}
        done = subprocess.run([sys.executable, "-c", START], env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "POST /auth" not in recorder.asked
    assert [request for request in recorder.asked if request.endswith("/start")]


def test_starts_at_once_leave_an_authors_own_settings_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, logins = Recorder(refusals={"POST /auth": (500, UNREACHED)}), auths("ada:secret")
    monkeypatch.setattr(testcontainers_config, "docker_auth_config", logins)
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", False)
    with recorder.listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert os.environ["DOCKER_HOST"] == url
    assert len([request for request in recorder.asked if request.endswith("/start")]) == len(threads)
    assert "POST /auth" not in recorder.asked
    assert (testcontainers_config.docker_auth_config, testcontainers_config.ryuk_disabled) == (logins, False)
