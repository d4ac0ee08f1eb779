"""An engine that gives containers other users (`userns-remap`) is refused before the first image."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import doctor
from harness.doctor import checks
from harness.errors import EngineError
from tests.engines.recorder import Recorder

# of Docker, without and with "userns-remap": "default"
USUAL = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"]}
REMAPPED = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=userns", "name=cgroupns"]}


def test_an_engine_with_other_users_in_containers_is_refused_before_the_first_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder(inside=REMAPPED).listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(EngineError) as caught:
            doctor.preflight(lambda line: None)
    assert caught.value.cause == (
        f"container engine: Docker 28.5.2, API 1.24 to 1.51, {url}: userns-remap: root in its containers is another "
        "user, who may not use the engine's socket"
    )
    assert caught.value.fix == (
        "remove userns-remap from /etc/docker/daemon.json and restart the engine, or unset DOCKER_HOST"
    )


def test_the_doctor_refuses_it_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for number, inside in enumerate((USUAL, REMAPPED)):
        with Recorder(inside=inside).listening(tmp_path / str(number)) as url:
            monkeypatch.setenv("DOCKER_HOST", url)
            found += [check.status for check in doctor.examine() if check.name == checks.ENGINE]
    assert found == [checks.OK, checks.MISSING]
