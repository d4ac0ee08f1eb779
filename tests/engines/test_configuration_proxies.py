"""Proxies of docker's configuration are for builds: no container that is made gets them, and so no image keeps them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import harness
from harness import engine
from harness.cluster import ledger
from harness.cluster.docker import control_plane
from tests.engines.recorder import Recorder

SECRET = "hunter2"
PROXY = f"http://ada:{SECRET}@proxy.example:3128"
SOURCES = sorted(Path(harness.__file__).parent.rglob("*.py"))


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """An engine for whose containers docker's configuration names a proxy with a password."""
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": {"httpProxy": PROXY}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return Recorder()


def test_a_container_gets_no_proxy(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorder.listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        api = engine.connect_api()
        engine.create_container(api, "image", ["true"], environment={"OWN": "1"})
        api.close()
    assert recorder.bodies["POST /containers/create"]["Env"] == ["OWN=1"]


def test_the_control_plane_gets_no_proxy(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorder.listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        control_plane.start("image", ledger.new_entry("x", cluster="docker"), "token", disk_reserve=0)
    made = json.dumps(recorder.bodies["POST /containers/create"])
    assert "control-plane" in made
    assert SECRET not in made


def test_all_containers_are_created_without_proxies() -> None:
    creating = re.compile(
        r"(?:api\.create_container|containers\.create|containers\.run)\((?![^)]*use_config_proxy=False)"
    )
    found = {str(path.relative_to(SOURCES[0].parent)) for path in SOURCES if creating.search(path.read_text("utf-8"))}
    assert found == set()
