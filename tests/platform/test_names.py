"""A platform with the registry name and the version that an author's chart and images were built for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.api import Kaapana
from harness.settings import Settings
from tests.faults.conftest import EXTENSION

NAME = "registry.example.org/group"
VERSION = "0.6.1-12-gabc1234"


def test_an_extension_runs_on_a_platform_whose_registry_name_has_no_server(tmp_path: Path) -> None:
    settings = dataclasses.replace(Settings.load(), platform_registry=NAME, platform_version=VERSION, reuse=False)
    with Kaapana.open(settings, evidence=tmp_path) as kaapana:
        assert kaapana.environment.registry == NAME
        assert kaapana.environment.platform_version == VERSION
        assert f"{NAME}/get-input:{VERSION}" in kaapana.environment.cluster.node_images()
        installed = kaapana.install(EXTENSION)
        assert installed.images["faulty"] == f"{NAME}/faulty:{VERSION}"
        assert kaapana.environment.platform_registry.tags(f"{NAME}/faulty") == [VERSION]
        run = installed.run(form={"mode": "succeed", "ticket": "a"})
        assert run.succeeded, run.cause
        missing = kaapana.environment.platform_registry.tags(f"{NAME}/nothing")
        assert missing is None
