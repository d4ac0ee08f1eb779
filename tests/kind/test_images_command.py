"""The command that makes the image of the nodes ahead of the first test."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.verbs import cli
from harness.cluster.kind import command, node_image
from harness.common.progress import OnProgress
from harness.errors import ImageError
from harness.settings import Settings


def test_the_tag_is_the_output_and_progress_goes_to_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure(settings: Settings, say: OnProgress) -> str:
        say("[kubernetes] 100 packages compiled")
        return "kaapana-harness/kind-node:0123"

    monkeypatch.setattr(command, "ensure", lambda *_: Path("/bin/kind"))
    monkeypatch.setattr(node_image, "ensure", ensure)
    done = CliRunner().invoke(cli, ["images", "kind-node"], catch_exceptions=False)
    assert done.stdout == "kaapana-harness/kind-node:0123\n"
    assert done.stderr.splitlines() == ["kind: /bin/kind", "[kubernetes] 100 packages compiled"]


def test_a_step_that_fails_ends_with_the_status_of_an_environment_that_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> str:
        raise ImageError("kaapana-harness/kind-coredns:1 does not build: Step 16/20", last_seen="no space left")

    monkeypatch.setattr(command, "ensure", lambda *_: Path("/bin/kind"))
    monkeypatch.setattr(node_image, "ensure", fail)
    done = CliRunner().invoke(cli, ["images", "kind-node"])
    assert done.exit_code == 3
    assert "Step 16/20" in done.stderr
    assert "no space left" in done.stderr
