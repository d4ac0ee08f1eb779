from __future__ import annotations

import shutil

import pytest

from harness.platform.helm import Helm, HelmLibrary, HelmProgram

_PROGRAM = shutil.which("helm")


@pytest.fixture(params=["library", *(["program"] if _PROGRAM else [])])
def helm(request: pytest.FixtureRequest) -> Helm:
    """Each of the two ways to Helm; the program only where it is installed."""
    if request.param == "program":
        assert _PROGRAM
        return HelmProgram(_PROGRAM)
    return HelmLibrary()
