"""An engine that goes away in the middle of a request is the cause that is named, and no bug of the harness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.checks import validator
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


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda file: trial.try_engine("image"), "the engine does not run containers as the platform needs them: "),
        (validator.examine, "the engine does not run the validator: "),
    ],
    ids=["trial", "validator"],
)
def test_an_engine_that_is_gone_at_the_clean_up_does_not_hide_the_cause(
    make: Callable[[Path], object], cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(validator, "_image", lambda: "image")
    (tmp_path / "x.dcm").touch()
    gone = dict.fromkeys(["POST /containers/create", "GET /containers/json", "DELETE .*"], -1.0)
    recorder = Recorder(delays=gone)
    with recorder.listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(EngineError) as caught:
            make(tmp_path / "x.dcm")
    assert caught.value.cause.startswith(cause)
    assert any(asked.startswith(("GET /containers/json", "DELETE")) for asked in recorder.asked)
