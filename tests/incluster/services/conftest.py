from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.incluster.services.running_services import RunningServices


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServices]:
    running = RunningServices(tmp_path_factory.mktemp("services"))
    yield running
    running.close()


@pytest.fixture
def project(platform: RunningServices) -> dict[str, object]:
    return platform.new_project()
