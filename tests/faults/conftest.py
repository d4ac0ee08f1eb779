"""Extensions with one thing wrong, derived from the small extension beside this file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

EXTENSION = Path(__file__).parent / "extension"


@pytest.fixture
def faults_extension(tmp_path: Path) -> Path:
    """A copy of the small extension that a test may damage."""
    return Path(shutil.copytree(EXTENSION, tmp_path / "faults"))


@pytest.fixture(scope="session")
def sound_extension() -> Path:
    """The small extension as it is."""
    return EXTENSION
