"""An engine that goes away in the middle of a request is the cause that is named, and no bug of the harness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cluster.docker.launcher import DockerCluster
from harness.engine import trial
from harness.errors import EngineError
from harness.settings import Settings
from tests.engines.recorder import Recorder


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda: trial.try_engine("image"), "the engine does not run containers as the platform needs them: "),
        (
            lambda: DockerCluster.create(Settings(), "x", image="image"),
            "the control plane of the docker cluster did not start: ",
        ),
    ],
    ids=["trial", "cluster"],
)
def test_a_connection_that_breaks_is_an_error_of_the_engine(
    make: Callable[[], object], cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    with Recorder(delays={"POST /containers/create": -1}).listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(EngineError) as caught:
            make()
    assert caught.value.cause.startswith(cause)
    assert "Connection aborted" in caught.value.cause
    assert caught.value.exit_status == 3
