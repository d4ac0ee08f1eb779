"""What the host passes to the control plane."""

from __future__ import annotations

import pytest

from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.wire.control_plane import ControlPlaneOrder

ORDER = ControlPlaneOrder(
    "e1", "1@host", "2026-01-01T00:00:00Z", "token", "secret", own_container="kh-e1", api="1.52", disk_reserve=7,
    site_network=0,
)  # fmt: skip


def test_the_control_plane_reads_what_the_host_passes() -> None:
    read = ControlPlaneConfig.from_environment(ORDER.as_environment() | {"KAAPANA_HARNESS_OWNER_GRACE_S": "0.5"})
    assert read.as_environment().items() >= ORDER.as_environment().items()
    assert (read.disk_reserve, read.site_network, read.owner_grace_s) == (7, 0, 0.5)


def test_without_its_token_the_control_plane_does_not_start() -> None:
    variables = ORDER.as_environment()
    del variables["KAAPANA_HARNESS_TOKEN"]
    with pytest.raises(SystemExit, match="KAAPANA_HARNESS_TOKEN is not set"):
        ControlPlaneConfig.from_environment(variables)
